"""Output modules, one for each pretext."""

from gpip_plugins.atomistic.contrastive import *
from gpip_plugins.atomistic.denoising import *
from gpip_plugins.atomistic.masked_atoms import *
from gpip_plugins.atomistic.net3d import *
