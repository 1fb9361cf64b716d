"""Containers and loaders."""

from gpip_plugins.data.checks import *
from gpip_plugins.data.memory import *
from gpip_plugins.data.module import *
