"""Files of weights: loaded without running what they contain, and what is known of them."""

from gpip_plugins.checkpoint.file import *
from gpip_plugins.checkpoint.settings import *
