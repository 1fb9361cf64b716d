"""Losses, index arithmetic and checks of embeddings that SchNetPack does not have."""

from gpip_plugins.nn.embedding import *
from gpip_plugins.nn.graphs import *
from gpip_plugins.nn.losses import *
