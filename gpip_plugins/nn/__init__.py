"""Losses, index arithmetic and looks into embeddings, without a twin in SchNetPack."""

from gpip_plugins.nn.embedding import *
from gpip_plugins.nn.graphs import *
from gpip_plugins.nn.losses import *
