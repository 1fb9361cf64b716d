"""Prints commands that use the model of a finished run."""

import os
import shlex
from collections.abc import Mapping

from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_only
from schnetpack import properties
from schnetpack.atomistic import Forces

from gpip_plugins.io.overrides import as_override_value

__all__ = ["NextSteps"]

#: Names that the programs take without being told.
USUAL = ("energy", "forces", "stress")


class NextSteps(Callback):
    """Prints one command per next step when the run has been tested, as `spktrain` always does.

    In a command `{model}` stands for the absolute path of the model, `{run}` for the folder of the
    run, both quoted for the shell and, except in commands of `gpip`, for Hydra; `{keys}` stands for
    the names of the outputs where they are not the usual ones.

    Args:
        commands: title to command.
        model_path: file of the best model; SchNetPack's checkpoint callback writes it whenever
            the model improves.
        periodic: commands that replace those of the same title if all training configurations are
            periodic in three directions.
        with_stress: the same if the model was also trained on the stress.
        keys: override key to the name of an output, for `{keys}`.
        paths: word to a further path, which `{word}` stands for.

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
        periodic: Mapping[str, str] | None = None,
        with_stress: Mapping[str, str] | None = None,
        keys: Mapping[str, str] | None = None,
        paths: Mapping[str, str] | None = None,
    ):
        self.commands = dict(commands)
        self.model_path = os.path.abspath(model_path)
        self.periodic, self.with_stress = dict(periodic or {}), dict(with_stress or {})
        self.keys, self.paths = dict(keys or {}), dict(paths or {})

    def text(self, periodic: bool = False, stress: bool = False) -> str:
        """Return the text to print.

        Args:
            periodic: whether the training configurations are periodic in three directions.
            stress: whether the model was trained on the stress.
        """
        commands = dict(self.commands)
        if periodic:
            commands |= self.periodic | (self.with_stress if stress else {})
        width = max(len(title) for title in commands) + 1
        lines = ["Next steps:"]
        for title, command in commands.items():
            lines.append(f"  {title + ':':{width}}  {self._typed(command)}")
        return "\n".join(lines)

    def _typed(self, command: str) -> str:
        """Return a command with the paths and names of this run."""
        command = " ".join(command.split())
        quoted = shlex.quote if command.startswith("gpip ") else as_override_value
        names = [
            f"{key}={as_override_value(name)}"
            for key, name in self.keys.items()
            if name not in USUAL
        ]
        command = command.replace("{keys}", " ".join(names))
        own = {"model": self.model_path, "run": os.path.dirname(self.model_path)}
        for word, path in (own | self.paths).items():
            command = command.replace(f"{{{word}}}", quoted(path))
        return command.strip()

    @rank_zero_only
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Print the commands, if there is a model."""
        if stage != "test" or not os.path.isfile(self.model_path):
            return
        modules = pl_module.model.output_modules
        stress = any(isinstance(m, Forces) and m.calc_stress for m in modules)
        print(self.text(_all_periodic(trainer.datamodule), stress), flush=True)


def _all_periodic(datamodule: LightningDataModule | None) -> bool:
    """Return whether all configurations are periodic in three directions, as far as known."""
    tensors = getattr(getattr(datamodule, "dataset", None), "tensors", None) or {}
    return properties.pbc in tensors and bool(tensors[properties.pbc].all())
