"""Module under test: in float64, with its cutoff, the laws of its outputs and test systems."""

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from ase import Atoms
from schnetpack import properties
from schnetpack.atomistic import PairwiseDistances
from torch import nn

from gpip_plugins.errors import InputError

from .comparison import ConsistencyError, first_line
from .outputs import KNOWN_LAWS, cutoff_of, is_per_atom
from .systems import DEFAULT_ELEMENTS, make_batch, random_systems, with_volume
from .transformations import LAWS

__all__ = ["Subject", "jitter"]


class Subject:
    """A module under test.

    Representations and whole models are treated alike: both map SchNetPack's dictionary of inputs
    to a dictionary of outputs, and each output obeys a law (see `transformations`).
    The module is copied, cast to float64 and set to evaluation mode; yours is not changed.

    Args:
        module: a representation, output module or model; or, better, a factory: a function
            without arguments that builds one. With a factory, the weights are changed from their
            initial values by about 10 % (a layer that starts at zero would hide its faults), and
            saving and loading can be tested on an independent second instance.
        cutoff: cutoff radius, Å; default: the module's `cutoff`, `cutoff_fn.cutoff`, or those of
            its `representation`.
        laws: law of each output to test, for example `{"noise": "vector"}`; by default those
            outputs of the module that have names of SchNetPack.
        rotations_only: outputs that are not expected to obey their law under reflections.
        inputs: laws of further input tensors, found in `Atoms.arrays` or `Atoms.info` of the
            systems, for example `{"electric_field": "vector"}`.
        systems: test configurations; default `random_systems`.
        elements: atomic numbers that the module supports; default 1 to the number of rows
            of its `embedding` minus one.
        energy_key: output that is the energy; default `energy` if the module gives it. Without
            one, a random invariant combination of all outputs is used.
        forces_key: output that is minus the gradient of the energy; default `forces` if the
            module gives it. Without one, the gradient is computed by autograd.
        seed: seed of weights, systems and the random combination.

    Raises:
        InputError: cutoff or laws are neither given nor known from the module.

    Example:
        >>> from schnetpack.nn import CosineCutoff, GaussianRBF
        >>> from schnetpack.representation import PaiNN
        >>> subject = Subject(lambda: PaiNN(8, 1, GaussianRBF(8, 4.0), CosineCutoff(4.0)))
        >>> subject.laws
        {'scalar_representation': 'scalar', 'vector_representation': 'vector'}
    """

    def __init__(
        self,
        module: nn.Module | Callable[[], nn.Module],
        *,
        cutoff: float | None = None,
        laws: Mapping[str, str] | None = None,
        rotations_only: Sequence[str] = (),
        inputs: Mapping[str, str] | None = None,
        systems: Sequence[Atoms] | None = None,
        elements: Sequence[int] | None = None,
        energy_key: str | None = None,
        forces_key: str | None = None,
        seed: int = 0,
    ):
        self.factory = None if isinstance(module, nn.Module) else module
        self.seed = seed
        self.original = module if self.factory is None else self.build(seed)
        self.module = copy.deepcopy(self.original).to(torch.float64).eval()
        if self.factory is not None:
            jitter(self.module, seed)
        self.cutoff = cutoff if cutoff is not None else cutoff_of(self.original)
        self.inputs = dict(inputs or {})
        self.rotations_only = tuple(rotations_only)
        self.elements = tuple(elements) if elements is not None else None
        self.systems = list(systems or random_systems(elements or DEFAULT_ELEMENTS, seed))
        self.laws = dict(laws or {})
        if laws is None:
            self.laws = self._known_laws()
        for name, law in self.laws.items():
            if law not in LAWS:
                raise InputError(
                    f"laws['{name}']='{law}' is unknown; use one of {', '.join(LAWS)}."
                )
        self.energy_key = energy_key or (
            properties.energy if properties.energy in self.laws else None
        )
        self.forces_key = forces_key or (
            properties.forces if properties.forces in self.laws else None
        )

    @classmethod
    def of(cls, subject: "Subject | nn.Module | Callable[[], nn.Module]") -> "Subject":
        """Return `subject` itself, or wrap a module or factory with all defaults."""
        return subject if isinstance(subject, cls) else cls(subject)

    def build(self, seed: int) -> nn.Module:
        """Build an instance with the factory, with weights drawn from `seed`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.factory()

    def batch(
        self, systems: Sequence[Atoms], dtype: torch.dtype = torch.float64
    ) -> dict[str, torch.Tensor]:
        """Make a batch with the subject's cutoff and further inputs, see `make_batch`.

        If a stress is tested, isolated systems get a cell of 20 Å (not a periodic one): a stress
        is an energy per volume, and not finite without a volume.
        """
        if properties.stress in self.laws:
            systems = [with_volume(atoms) for atoms in systems]
        return make_batch(systems, self.cutoff, dtype, self.inputs)

    def with_zero_inputs(self, atoms: Atoms) -> Atoms:
        """Return a copy of `atoms` with further inputs of zero, shaped as in the systems."""
        atoms, example = atoms.copy(), self.systems[0]
        for key in self.inputs:
            if key in example.arrays:
                rows = example.arrays[key]
                atoms.arrays[key] = np.zeros((len(atoms), *rows.shape[1:]), dtype=rows.dtype)
            else:
                atoms.info[key] = np.zeros_like(example.info[key])
        return atoms

    def run(
        self, batch: Mapping[str, torch.Tensor], module: nn.Module | None = None
    ) -> dict[str, torch.Tensor]:
        """Evaluate the module on a copy of `batch` and return the outputs that have a law.

        Raises:
            ConsistencyError: the module fails on this batch.
            InputError: an output named in `laws` is missing.
        """
        outputs = self._evaluate(batch, module or self.module)
        missing = [key for key in self.laws if key not in outputs]
        if missing:
            raise InputError(
                f"laws names '{missing[0]}', which the module does not give; remove it from laws."
            )
        return {key: outputs[key] for key in self.laws}

    @staticmethod
    def _evaluate(batch: Mapping[str, torch.Tensor], module: nn.Module) -> dict[str, torch.Tensor]:
        inputs = PairwiseDistances()({key: value.clone() for key, value in batch.items()})
        try:
            return module(inputs)
        except Exception as error:
            sizes = batch[properties.n_atoms].tolist()
            raise ConsistencyError(
                "evaluation",
                f"{type(module).__name__} fails with {first_line(error)} (systems of "
                f"{sizes if len(sizes) < 10 else len(sizes)} atoms, "
                f"{len(batch[properties.idx_i])} pairs).",
            ) from error

    def __call__(
        self, systems: Sequence[Atoms], module: nn.Module | None = None
    ) -> dict[str, torch.Tensor]:
        """Evaluate the module on a list of systems, without gradients of the outputs."""
        outputs = self.run(self.batch(systems), module)
        return {key: value.detach() for key, value in outputs.items()}

    def energy_and_forces(
        self, systems: Sequence[Atoms], module: nn.Module | None = None, create_graph: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return energy, shape (n_systems,), and forces, shape (n_atoms, 3).

        Without `energy_key` the energy is a fixed random combination of all outputs, linear in
        scalars and quadratic in the others, hence invariant; it depends on every output.
        """
        batch = self.batch(systems)
        positions = batch[properties.R].requires_grad_()
        outputs = self.run(batch, module)
        if self.energy_key is not None:
            energy = outputs[self.energy_key].reshape(len(systems))
        else:
            energy = self._combination(outputs, batch)
        if self.forces_key is not None:
            return energy, outputs[self.forces_key]
        if not energy.requires_grad:
            return energy, torch.zeros_like(positions)
        (gradient,) = torch.autograd.grad(
            energy.sum(), positions, create_graph=create_graph, allow_unused=True
        )
        return energy, torch.zeros_like(positions) if gradient is None else -gradient

    def _combination(self, outputs, batch) -> torch.Tensor:
        idx_m = batch[properties.idx_m]
        n_systems = len(batch[properties.n_atoms])
        energy = torch.zeros(n_systems, dtype=torch.float64)
        generator = torch.Generator().manual_seed(self.seed)
        for key, value in outputs.items():
            law = self.laws[key]
            if law != "scalar":
                # The sum over components leaves one invariant for every channel.
                value = (value**2).sum(dim=(1, 2) if law == "tensor" else 1)
            rows = value.reshape(len(value), -1)
            weights = torch.randn(rows.shape[1], generator=generator, dtype=torch.float64)
            row_energy = rows @ (weights / rows.shape[1] ** 0.5)
            if is_per_atom(value, batch, key):
                row_energy = torch.zeros_like(energy).index_add(0, idx_m, row_energy)
            energy = energy + row_energy
        return energy

    def _known_laws(self) -> dict[str, str]:
        batch = self.batch(self.systems[:1])
        outputs = self._evaluate(batch, self.module)
        laws = {key: law for key, law in KNOWN_LAWS.items() if key in outputs}
        if not laws:
            raise InputError(
                f"{type(self.module).__name__} gives no output of a known name; give the outputs "
                "to test, for example laws={'my_output': 'scalar'}."
            )
        return laws


def jitter(module: nn.Module, seed: int, amount: float = 0.1) -> None:
    """Add Gaussian noise to all parameters: `amount` times their root mean square, or `amount`.

    Args:
        module: changed in place.
        seed: seed of the noise.
        amount: relative size of the noise; absolute for parameters that are zero throughout.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            size = float(parameter.square().mean().sqrt()) if parameter.numel() else 0.0
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter += (amount * (size or 1.0) * noise).to(parameter.dtype)
