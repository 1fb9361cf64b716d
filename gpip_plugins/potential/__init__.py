"""Energies and forces from a saved model, for single structures and for whole files."""

from gpip_plugins.potential.files import *
from gpip_plugins.potential.model import *
from gpip_plugins.potential.potential import *
from gpip_plugins.potential.predict import *
