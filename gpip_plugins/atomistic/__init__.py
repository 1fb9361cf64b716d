"""Output modules, one for each pretext, and an input module for the stress."""

from gpip_plugins.atomistic.cells import *
from gpip_plugins.atomistic.contrastive import *
from gpip_plugins.atomistic.denoising import *
from gpip_plugins.atomistic.masked_atoms import *
from gpip_plugins.atomistic.net3d import *
