"""Derivatives: forces and stress against finite differences, the cutoff, finite gradients."""

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms
from schnetpack import properties
from torch import nn

from .comparison import ConsistencyError, compare
from .subject import Subject
from .systems import random_molecule

__all__ = [
    "assert_finite_gradients",
    "assert_forces_are_gradient",
    "assert_smooth_at_cutoff",
    "assert_stress_is_gradient",
]


def assert_forces_are_gradient(
    subject: Subject | nn.Module,
    *,
    tolerance: float = 1e-5,
    step: float = 1e-4,
    max_atoms: int = 7,
) -> float:
    r"""Check `F = -dE/dR` against central differences `-(E(R + h) - E(R - h)) / 2h`.

    The subject's forces are those of the module, or autograd's gradient of the subject's energy
    (see `Subject`). This detects detached tensors and wrong hand-written derivatives.

    Args:
        subject: module, factory or `Subject`.
        tolerance: largest deviation allowed, relative to the largest force.
        step: displacement h, Å.
        max_atoms: larger systems are left out, because 6 energies are needed per atom.

    Raises:
        ConsistencyError: they differ, or all forces are zero.
    """
    subject = Subject.of(subject)
    systems = _small(subject, max_atoms, "forces")
    _, forces = subject.energy_and_forces(systems)
    numeric = []
    largest_energy = 0.0
    for atoms in systems:
        displaced = []
        for atom, axis, sign in np.ndindex(len(atoms), 3, 2):
            moved = atoms.copy()
            moved.positions[atom, axis] += step * (1 - 2 * sign)
            displaced.append(moved)
        energy, _ = subject.energy_and_forces(displaced)
        energy = energy.detach().reshape(len(atoms), 3, 2)
        largest_energy = max(largest_energy, float(energy.abs().max()))
        numeric.append(-(energy[..., 0] - energy[..., 1]) / (2 * step))
    numeric = torch.cat(numeric)
    # Equal energies may differ in their last digits, depending on the position in the batch.
    rounding = 16 * torch.finfo(numeric.dtype).eps * largest_energy / step
    if max(float(numeric.abs().max()), float(forces.detach().abs().max())) <= rounding:
        raise ConsistencyError("forces", "all forces are zero, the positions have no influence.")
    scale = float(numeric.abs().max())
    return compare("forces", "-dE/dR", numeric, forces.detach(), tolerance, scale or 1.0)


def assert_stress_is_gradient(
    subject: Subject | nn.Module,
    *,
    tolerance: float = 1e-5,
    step: float = 1e-5,
    max_atoms: int = 7,
) -> float:
    r"""Check `stress = (1/V) dE/d(strain)` against energies of strained cells.

    Positions and cell are strained as `r' = (1 + strain) r`, component by component. This is
    SchNetPack's definition and sign (and ASE's): a compressed solid has negative stress.

    Args:
        subject: a model with the outputs `energy` and `stress`, or a `Subject` of one.
        tolerance: largest deviation allowed, relative to the largest stress.
        step: size of the strain components, without unit.
        max_atoms: larger systems are left out.

    Raises:
        ConsistencyError: they differ, the module gives no stress, or no system is periodic.
    """
    subject = Subject.of(subject)
    if properties.stress not in subject.laws or subject.energy_key is None:
        raise ConsistencyError("stress", "the module does not give both energy and stress.")
    systems = [a for a in _small(subject, max_atoms, "stress") if a.pbc.all()]
    if not systems:
        raise ConsistencyError(
            "stress", f"no periodic system of up to {max_atoms} atoms was given."
        )
    stress = subject(systems)[properties.stress]
    numeric = []
    for atoms in systems:
        strained = []
        for row, column, sign in np.ndindex(3, 3, 2):
            deformation = np.eye(3)
            deformation[row, column] += step * (1 - 2 * sign)
            moved = atoms.copy()
            moved.set_cell(atoms.cell.array @ deformation.T)
            moved.positions = atoms.positions @ deformation.T
            strained.append(moved)
        energy = subject(strained)[subject.energy_key].reshape(3, 3, 2)
        numeric.append((energy[..., 0] - energy[..., 1]) / (2 * step * atoms.get_volume()))
    return compare("stress", "dE/d(strain)/V", torch.stack(numeric), stress, tolerance)


def _small(subject: Subject, max_atoms: int, check: str) -> list[Atoms]:
    systems = [atoms for atoms in subject.systems if 1 < len(atoms) <= max_atoms]
    if not systems:
        raise ConsistencyError(check, f"no system of 2 to {max_atoms} atoms was given to test.")
    return systems


def assert_smooth_at_cutoff(
    subject: Subject | nn.Module, *, tolerance: float = 1e-4, step: float = 1e-7, seed: int = 0
) -> float:
    """Check that energy and forces are continuous when an atom leaves the cutoff sphere.

    A lone atom is placed just inside and just outside the cutoff of one atom of a small cluster;
    the other atoms are farther away. The jump is compared with the change between 0.6 times the
    cutoff and outside.

    Args:
        subject: module, factory or `Subject`. For subjects with further `inputs` the cluster is
            cut from their systems, which must have these inputs.
        tolerance: largest jump allowed, relative.
        step: distance to the cutoff on both sides, in units of the cutoff.
        seed: seed of the clusters, in subjects without further inputs.

    Raises:
        ConsistencyError: energy or forces jump, or the atom has no influence.
    """
    subject = Subject.of(subject)
    energy_scale = force_scale = energy_jump = force_jump = rounding = 0.0
    for cluster in _clusters(subject, seed):
        systems = [_with_probe(cluster, subject.cutoff * x) for x in (0.6, 1.0 - step, 1.0 + step)]
        energy, forces = subject.energy_and_forces(systems)
        near, inside, outside = energy.detach()
        rounding = max(rounding, 16 * torch.finfo(near.dtype).eps * float(near.abs()))
        f_near, f_inside, f_outside = forces.detach().split(len(systems[0]))
        energy_scale = max(energy_scale, float((near - outside).abs()))
        force_scale = max(force_scale, float((f_near - f_outside).abs().max()))
        energy_jump = max(energy_jump, float((inside - outside).abs()))
        force_jump = max(force_jump, float((f_inside - f_outside).abs().max()))
    if energy_scale <= max(rounding, 1e-12):
        raise ConsistencyError("cutoff", "an atom at 0.6 times the cutoff has no influence at all.")
    worst = 0.0
    for name, jump, scale in (
        ("energy", energy_jump, energy_scale),
        ("forces", force_jump, force_scale),
    ):
        relative = jump / scale if scale > 0 else jump
        if not relative <= tolerance:
            raise ConsistencyError(
                "cutoff",
                f"{name} jump by {relative:.1e} of the interaction when an atom crosses "
                f"{subject.cutoff:g} Å; tolerance {tolerance:.0e}.",
                relative,
                tolerance,
            )
        worst = max(worst, relative)
    return worst


def _clusters(subject: Subject, seed: int) -> list[Atoms]:
    if subject.inputs:
        clusters = [
            atoms[:4] for atoms in subject.systems if len(atoms) >= 4 and not atoms.pbc.any()
        ]
    else:
        elements = sorted({int(z) for atoms in subject.systems for z in atoms.numbers})
        clusters = [random_molecule(4, elements, seed + index) for index in range(3)]
    if not clusters:
        raise ConsistencyError("cutoff", "no isolated system of 4 atoms or more was given to test.")
    return clusters


def _with_probe(cluster: Atoms, distance: float) -> Atoms:
    # The last atom, the probe, approaches the outermost atom along x from outside; all other atoms
    # are then farther from the probe than the cutoff when it is at the cutoff.
    atoms = cluster.copy()
    atoms.positions -= atoms.positions[np.argmax(atoms.positions[:, 0])]
    first = int(np.argmax(atoms.positions[:, 0]))
    probe = (first + 1) % len(atoms)
    atoms.positions[probe] = (distance, 0.0, 0.0)
    return atoms


def assert_finite_gradients(subject: Subject | nn.Module) -> float:
    """Check that outputs, forces and gradients of the weights are finite in special systems.

    The systems are a lone atom, two atoms beyond the cutoff, a linear molecule with a centre of
    inversion, and an fcc crystal. They have no neighbours, or vector features that vanish by
    symmetry, where the derivative of a norm is infinite. The loss contains the forces, so second
    derivatives are tested, too.

    Args:
        subject: module, factory or `Subject`. Further `inputs` are zero in these systems.

    Returns:
        0.0

    Raises:
        ConsistencyError: a value is not finite.
    """
    subject = Subject.of(subject)
    for name, atoms in _delicate_systems(subject).items():
        systems = [subject.with_zero_inputs(atoms)]
        module = subject.module
        module.train()  # SchNetPack's models keep the graph of their forces in training mode only
        module.zero_grad()
        try:
            outputs = subject.run(subject.batch(systems))
            energy, forces = subject.energy_and_forces(systems, create_graph=True)
            loss = energy.sum() + forces.square().sum()
            if loss.requires_grad:
                loss.backward()
            gradients = {key: p.grad for key, p in module.named_parameters() if p.grad is not None}
        finally:
            module.eval()
        tensors = outputs | {"energy": energy, "forces": forces}
        tensors |= {f"the gradient of {key}": value for key, value in gradients.items()}
        for key, value in tensors.items():
            if not torch.isfinite(value).all():
                raise ConsistencyError(
                    "finite gradients", f"{key} is not finite for {name}.", float("inf")
                )
    module.zero_grad()
    return 0.0


def _delicate_systems(subject: Subject) -> dict[str, Atoms]:
    elements: Sequence[int] = sorted({int(z) for atoms in subject.systems for z in atoms.numbers})
    a, b = elements[0], elements[-1]
    bond = 0.4 * subject.cutoff
    edge = 0.9 * subject.cutoff
    fcc = edge / 2 * np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    return {
        "a lone atom": Atoms([a], [[0.0, 0.0, 0.0]]),
        "two atoms without neighbours": Atoms([a, b], [[0, 0, 0], [0, 0, 3 * subject.cutoff]]),
        "a linear molecule": Atoms([b, a, b], [[0, 0, -bond], [0, 0, 0], [0, 0, bond]]),
        "an fcc crystal": Atoms([a], [[0.0, 0.0, 0.0]], cell=fcc, pbc=True),
    }
