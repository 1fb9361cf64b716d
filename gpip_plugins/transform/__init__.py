"""Preprocessing of configurations, one by one or in batches."""

from gpip_plugins.transform.base import *
from gpip_plugins.transform.force_targets import *
from gpip_plugins.transform.mask import *
from gpip_plugins.transform.noise import *
from gpip_plugins.transform.order import *
from gpip_plugins.transform.references import *
from gpip_plugins.transform.standardize import *
from gpip_plugins.transform.structure import *
