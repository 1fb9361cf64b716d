"""Reports before training how much of the test set occurs in the data of the training."""

from collections.abc import Sequence

from pytorch_lightning import Callback, LightningModule, Trainer

from gpip_plugins.analysis.equal_structures import check_tolerance
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing
from gpip_plugins.report.leakage import check_leakage, read_file, structures_of
from gpip_plugins.report.settings import LEAKAGE_TOLERANCE
from gpip_plugins.report.structures import REMEDY

__all__ = ["CheckLeakage"]


class CheckLeakage(Callback):
    """Counts test configurations that also occur in the training set or in pre-training data.

    Two configurations are the same if a rotation, a reflection and an exchange of equal atoms map
    one onto the other (`gpip leakage`). They are compared once, on the first rank, before the first
    step; the result is printed.

    Args:
        against: databases or structure files of the pre-training; one or several.
        tolerance: largest distance of an atom from its partner, in Å.
        refuse: stop the run if any configuration is shared, instead of only reporting it.

    Raises:
        InputError: if a configuration is shared and `refuse` is set, or a file is missing or
            cannot be read.
    """

    def __init__(
        self,
        against: str | Sequence[str] = (),
        tolerance: float = LEAKAGE_TOLERANCE,
        refuse: bool = False,
    ):
        check_tolerance(tolerance)
        self.against = [against] if isinstance(against, str) else list(against)
        for file in self.against:
            existing("against", file, REMEDY)
        self.tolerance = tolerance
        self.refuse = refuse
        self.leakage = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compare, before a fit or a test."""
        if stage not in ("fit", "test") or self.leakage is not None or not trainer.is_global_zero:
            return
        data = trainer.datamodule
        if data is None or data.test_dataset is None or not len(data.test_dataset):
            return
        others = [structures_of(data.train_dataset, "the training set")]
        others += [read_file(path, "against", progress=False) for path in self.against]
        test = structures_of(data.test_dataset, "the test set")
        self.leakage = check_leakage(test, others, self.tolerance)
        print(self.leakage, flush=True)
        if self.refuse and self.leakage.leaked:
            raise InputError(
                f"{len(self.leakage.leaked)} of {len(test)} test configurations occur in the "
                "training or pre-training data (see above); remove them, or set refuse=False."
            )
