"""Energies and forces from a saved model, for single structures and for whole files."""

from gpip_plugins.prediction.files import *
from gpip_plugins.prediction.model import *
from gpip_plugins.prediction.potential import *
from gpip_plugins.prediction.run import *
