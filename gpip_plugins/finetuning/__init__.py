"""Fine-tuning: what is trained and how fast, auxiliary tasks, scalar properties."""

from gpip_plugins.finetuning.blocks import *
from gpip_plugins.finetuning.freezing import *
from gpip_plugins.finetuning.scalars import *
from gpip_plugins.finetuning.summary import *
from gpip_plugins.finetuning.task import *
