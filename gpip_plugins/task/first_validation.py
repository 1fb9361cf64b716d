r"""Stops a training whose first validation shows that energies have no common reference.

An untrained network predicts small numbers, so the first validation measures the labels themselves,
after their references were removed. A validation energy that is wrong by much more than the
training labels scatter is no matter of training: its composition is not covered by the references,
or its label has another unit or method.
"""

from collections.abc import Mapping

import torch
from schnetpack.task import ModelOutput
from torch import nn

from gpip_plugins.errors import InputError
from gpip_plugins.task.outputs import PretextOutput
from gpip_plugins.task.row_mean import RowMean
from gpip_plugins.transform import AddAtomReferences
from gpip_plugins.transform.reference_fit import in_ev

__all__ = ["FirstValidation"]

#: The error per atom may be this many times the scatter of the training labels,
FACTOR = 100.0
#: where a scatter below this, in eV per atom, counts as this.
LEAST_SCATTER = 0.1


class FirstValidation(nn.Module):
    r"""Compares the first validation error of the energies with the scatter of the training labels.

    .. math:: \overline{|\hat E_m - E_m| / n_m} \le 100 \max(s, 0.1\,\mathrm{eV})

    with n_m atoms in configuration m and the root mean square s of what the references leave of the
    training energies, per atom. It is compared once, after the first validation (the sanity check
    of Lightning, if there is one), and only if the unit of the energies is known.

    Args:
        outputs: outputs of the task.
        postprocessors: post-processing of the model, with the references.
        units: unit of each label.

    Example:
        >>> output = ModelOutput("energy", metrics={})
        >>> references = AddAtomReferences("energy")
        >>> watch = FirstValidation([output], [references], {"energy": "eV"})
        >>> n_atoms = torch.tensor([2, 4])
        >>> watch.update({"energy": torch.zeros(2)}, {"energy": torch.full((2,), 800.0)}, n_atoms)
        >>> watch.check(lr=1e-3)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: The 'energy' of the first validation is wrong by 300 eV ...
    """

    def __init__(
        self,
        outputs: list[ModelOutput],
        postprocessors: list[nn.Module],
        units: Mapping[str, str] | None,
    ):
        super().__init__()
        references = {t.property: t for t in postprocessors if isinstance(t, AddAtomReferences)}
        # Not registered: they belong to the task and the model.
        self._watched = {
            output.name: (output, references[output.name], in_ev((units or {}).get(output.name)))
            for output in outputs
            if output.name in references and in_ev((units or {}).get(output.name)) is not None
        }
        self.means = nn.ModuleDict({name: RowMean() for name in self._watched})

    @property
    def waiting(self) -> bool:
        """Whether an error is still to be compared."""
        return len(self._watched) > 0

    @torch.no_grad()
    def update(self, pred: dict, targets: dict, n_atoms: torch.Tensor) -> None:
        """Add a batch of the validation.

        Args:
            pred: predictions of the model.
            targets: labels; for a `PretextOutput` the whole batch.
            n_atoms: atoms of each configuration, shape (n_systems,).
        """
        for name, (output, _, _) in self._watched.items():
            key = output.target_property
            scaled = pred | {name: pred[name] / n_atoms}
            wanted = targets | {key: targets[key] / n_atoms}
            if isinstance(output, PretextOutput):
                errors = torch.sub(*output.select(scaled, wanted)).abs()
            else:
                errors = (scaled[name] - wanted[key]).abs()
            self.means[name].update(errors.mean() if len(errors) else 0.0, len(errors))

    def check(self, lr: float) -> None:
        """Compare the errors; afterwards nothing is compared any more.

        Args:
            lr: learning rate, for the message.

        Raises:
            InputError: an error is absurd.
        """
        for name, (_, references, size) in list(self._watched.items()):
            error = float(self.means[name].compute())
            if error != error:  # no configuration with this label yet
                self.means[name].reset()
                continue
            del self._watched[name]
            limit = FACTOR * max(references.scatter, LEAST_SCATTER / size)
            if error > limit:
                raise InputError(
                    f"The '{name}' of the first validation is wrong by {error * size:.4g} eV per "
                    f"atom, although those of the training scatter by only "
                    f"{references.scatter * size:.2g} around their references "
                    f"({references.account}); the validation configurations have other "
                    "compositions, units or methods, so split the data otherwise (split_file) or "
                    f"correct their labels; after some training a lower rate than lr={lr:g} may "
                    "help."
                )
