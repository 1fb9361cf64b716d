"""Lightning callbacks: load pre-trained weights, check a run, finish it, show its losses."""

from gpip_plugins.train.check_embedding import *
from gpip_plugins.train.checkpoint_files import *
from gpip_plugins.train.cosine import *
from gpip_plugins.train.cost import *
from gpip_plugins.train.interruption import *
from gpip_plugins.train.leakage import *
from gpip_plugins.train.loss_curves import *
from gpip_plugins.train.model_card import *
from gpip_plugins.train.model_checkpoint import *
from gpip_plugins.train.moving_average import *
from gpip_plugins.train.next_steps import *
from gpip_plugins.train.pretrained import *
from gpip_plugins.train.recipe_keys import *
from gpip_plugins.train.run_lock import *
from gpip_plugins.train.safe_globals import *
from gpip_plugins.train.weight_transfer import *
