"""Data sets and loaders."""

from gpip_plugins.data.checks import *
from gpip_plugins.data.joined import *
from gpip_plugins.data.memory import *
from gpip_plugins.data.mixture import *
from gpip_plugins.data.mixture_member import *
from gpip_plugins.data.mixture_sampler import *
from gpip_plugins.data.module import *
from gpip_plugins.data.splits import *
