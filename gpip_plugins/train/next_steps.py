"""Prints commands that use the model of a finished run."""

import os
import re
from collections.abc import Mapping

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_only

__all__ = ["NextSteps", "as_override_value"]


class NextSteps(Callback):
    """Prints one command per next step when the run has been tested, as `spktrain` always does.

    Args:
        commands: title to command; `{model}` stands for the absolute path of the model and `{run}`
            for the folder of the run.
        model_path: file of the best model; SchNetPack's checkpoint callback writes it whenever
            the model improves.

    Example:
        >>> steps = NextSteps({"simulate": "spkmd calculator.model_file={model}"}, "/r/best_model")
        >>> print(steps.text())
        Next steps:
          simulate:  spkmd calculator.model_file=/r/best_model
    """

    def __init__(
        self,
        commands: Mapping[str, str],
        model_path: str | os.PathLike = "best_model",
    ):
        self.commands = dict(commands)
        self.model_path = os.path.abspath(model_path)

    def text(self) -> str:
        """Return the text to print."""
        width = max(len(title) for title in self.commands) + 1
        model = as_override_value(self.model_path)
        run = as_override_value(os.path.dirname(self.model_path))
        lines = ["Next steps:"]
        for title, command in self.commands.items():
            command = " ".join(command.split()).replace("{model}", model).replace("{run}", run)
            lines.append(f"  {title + ':':{width}}  {command}")
        return "\n".join(lines)

    @rank_zero_only
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Print the commands, if there is a model."""
        if stage == "test" and os.path.isfile(self.model_path):
            print(self.text(), flush=True)


def as_override_value(path: str) -> str:
    """Quote a path for the shell and for Hydra, if it needs it.

    Args:
        path: right-hand side of an override `key=value`.

    Example:
        >>> as_override_value("/runs/1/best_model"), as_override_value("/my runs/best_model")
        ('/runs/1/best_model', '\\'"/my runs/best_model"\\'')
    """
    if re.fullmatch(r"[\w./+~-]+", path):
        return path
    quoted = path.replace('"', '\\"').replace("'", "'\\''")
    return f"'\"{quoted}\"'"
