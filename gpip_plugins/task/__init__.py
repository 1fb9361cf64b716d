"""Tasks: losses and optimisation of pre-training and fine-tuning."""

from gpip_plugins.task.base import *
from gpip_plugins.task.dataset_report import *
from gpip_plugins.task.finetuning import *
from gpip_plugins.task.first_validation import *
from gpip_plugins.task.freezing import *
from gpip_plugins.task.label_use import *
from gpip_plugins.task.layer_decay import *
from gpip_plugins.task.outputs import *
from gpip_plugins.task.pretraining import *
from gpip_plugins.task.row_mean import *
from gpip_plugins.task.scalars import *
from gpip_plugins.task.stress import *
from gpip_plugins.task.summary import *
