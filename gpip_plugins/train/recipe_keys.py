"""Names the keys of the recipe in error messages."""

import re
from collections.abc import Sequence

from pytorch_lightning import Callback, LightningModule, Trainer

from gpip_plugins.errors import InputError, with_names

__all__ = ["RecipeKeys"]


class RecipeKeys(Callback):
    """Writes the keys of the recipe into the message of an `InputError` that ends a run.

    The library names its parameters (`datapath=labels.db`); the user of `spktrain` typed a key
    (`data.datapath=labels.db`). While objects are created, Hydra adds the key. Later, in `setup`
    or in a step, only this callback can add it.

    Args:
        keys: dotted keys that end with the name of the parameter; `data.members.*` stands for all
            keys below `data.members`.

    Example:
        >>> callback = RecipeKeys(["data.datapath", "task.freeze", "data.members.*"])
        >>> callback.translated("datapath=a.db has no labels; set freeze=[].")
        'data.datapath=a.db has no labels; set task.freeze=[].'
        >>> callback.translated("members.qm9.num_val=0 leaves nothing.")
        'data.members.qm9.num_val=0 leaves nothing.'
    """

    def __init__(self, keys: Sequence[str]):
        self.names = {key.rpartition(".")[2]: f"{key}=" for key in keys if not key.endswith(".*")}
        self.groups = [key.removesuffix(".*") for key in keys if key.endswith(".*")]

    def translated(self, sentence: str) -> str:
        """Return the message with the keys of the recipe."""
        sentence = with_names(sentence, self.names)
        for group in self.groups:
            last = group.rpartition(".")[2]
            sentence = re.sub(rf"(?<![\w.]){last}\.(?=\w)", f"{group}.", sentence)
        return sentence

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Change the message of the exception in place: Hydra prints the same exception later."""
        if isinstance(exception, InputError):
            exception.args = (self.translated(str(exception)),)
