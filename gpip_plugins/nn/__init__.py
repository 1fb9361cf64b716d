"""Losses and index arithmetic without a twin in SchNetPack."""

from gpip_plugins.nn.graphs import *
from gpip_plugins.nn.losses import *
