"""Entry point of Hydra's plugin search, installed as `hydra_plugins.gpip_plugins`.

The wheel has this file under that name only, so nothing imports it from here.
"""

from gpip_plugins._search_path import GpipSearchPathPlugin

__all__ = ["GpipSearchPathPlugin"]
