"""The Equivariant Transformer against that of TorchMD-Net, and the differences."""

import numpy as np
import pytest
import torch
from ase import Atoms
from schnetpack import properties
from schnetpack.atomistic import DipoleMoment, PairwiseDistances
from schnetpack.model import NeuralNetworkPotential

from gpip_plugins.errors import InputError
from gpip_plugins.representation import (
    CosineCutoff,
    EquivariantTransformer,
    ExpNormalRBF,
    TorchMDGaussianRBF,
)
from gpip_plugins.testing import (
    ConsistencyError,
    Subject,
    assert_reflection_equivariant,
    assert_rotation_equivariant,
    assert_smooth_at_cutoff,
    check_representation,
    make_batch,
    random_cell,
    random_molecule,
)

CUTOFF = 4.0
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
#: TorchMD-Net's shifted softplus has ln 2 in float32.
TOLERANCE_SSP = {torch.float32: 1e-5, torch.float64: 1e-7}
VARIANTS = {
    "default": {},
    "gauss": {"rbf_type": "gauss"},
    "fixed basis": {"trainable_rbf": False},
    "keys": {"distance_influence": "keys"},
    "values": {"distance_influence": "values"},
    "none": {"distance_influence": "none"},
    "no neighbour embedding": {"neighbor_embedding": False},
    "tanh and mish": {"activation": "tanh", "attn_activation": "mish"},
    "sigmoid and swish": {"activation": "sigmoid", "attn_activation": "swish"},
    "ssp": {"activation": "ssp"},
    "vector cutoff": {"vector_cutoff": True},
    "lower cutoff": {"cutoff_lower": 1.4},
    "lower and vector cutoff": {"cutoff_lower": 1.4, "vector_cutoff": True},
    "one layer": {"num_layers": 1},
}


def theirs(model, systems, dtype, box=None):
    """Return scalars, vectors and forces of a fixed energy by TorchMD-Net."""
    z = torch.cat([torch.from_numpy(a.numbers) for a in systems])
    pos = torch.cat([torch.from_numpy(a.positions) for a in systems]).to(dtype).requires_grad_()
    batch = torch.repeat_interleave(torch.tensor([len(a) for a in systems]))
    x, vec, *_ = model(z, pos, batch, box=box)
    return x, vec, force(x, vec, pos)


def by_ours(model, systems, dtype):
    batch = make_batch(systems, CUTOFF, dtype)
    pos = batch[properties.R].requires_grad_()
    out = model(PairwiseDistances()(batch))
    x, vec = out["scalar_representation"], out["vector_representation"]
    return x, vec, force(x, vec, pos)


def force(x, vec, pos):
    """Return minus the gradient of an invariant that depends on every feature."""
    weights = torch.linspace(0.5, 1.5, x.shape[1], dtype=x.dtype)
    energy = (x @ weights).sum() + ((vec**2).sum(dim=1) @ weights).sum()
    return -torch.autograd.grad(energy, pos)[0]


def assert_same(one, two, dtype, tolerance=TOLERANCE):
    for expected, actual in zip(one, two, strict=True):
        assert actual.dtype == dtype and actual.shape == expected.shape
        deviation = (actual - expected).abs().max() / expected.abs().max()
        assert deviation <= tolerance[dtype], deviation


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("name", VARIANTS)
def test_molecules_as_in_torchmdnet(pair, name, dtype):
    reference, model = pair(dtype, **VARIANTS[name])
    systems = [random_molecule(9, seed=3), random_molecule(5, seed=4), random_molecule(1)]
    tolerance = TOLERANCE_SSP if name == "ssp" else TOLERANCE
    found = by_ours(model, systems, dtype)
    assert_same(theirs(reference, systems, dtype), found, dtype, tolerance)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_a_periodic_box_as_in_torchmdnet(pair, dtype):
    """Orthorhombic, wider than twice the cutoff, more than 32 neighbours: possible in both."""
    reference, model = pair(dtype)
    atoms = random_cell(100, seed=5, volume_per_atom=6.0, triclinic=False, min_distance=1.0)
    assert atoms.cell.lengths().min() > 2 * CUTOFF
    assert np.bincount(make_batch([atoms], CUTOFF)[properties.idx_i]).max() > 32
    box = torch.from_numpy(atoms.cell.array).to(dtype)
    assert_same(theirs(reference, [atoms], dtype, box), by_ours(model, [atoms], dtype), dtype)


@pytest.mark.parametrize("cutoff_lower", [0.0, 1.4])
@pytest.mark.parametrize("name", ["expnorm", "gauss"])
def test_radial_functions_start_as_in_torchmdnet(name, cutoff_lower):
    from torchmdnet.models.utils import rbf_class_mapping

    reference = rbf_class_mapping[name](cutoff_lower, CUTOFF, 8)
    basis = {"expnorm": ExpNormalRBF, "gauss": TorchMDGaussianRBF}[name](8, CUTOFF, cutoff_lower)
    theirs, ours = dict(reference.named_parameters()), dict(basis.named_parameters())
    assert theirs.keys() == ours.keys()
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value)


def test_a_cell_shorter_than_the_cutoff_is_its_supercell(pair):
    """An atom sees its own images; TorchMD-Net would drop pairs of equal indices."""
    _, model = pair(cutoff_lower=0.0)
    atoms = Atoms("CO", [[0, 0, 0], [1.2, 0.3, 0.1]], cell=np.diag([2.9, 3.1, 3.3]), pbc=True)
    batch = make_batch([atoms], CUTOFF)
    images = batch[properties.idx_i] == batch[properties.idx_j]
    assert images.any()
    x, vec, forces = by_ours(model, [atoms], torch.float64)
    large = by_ours(model, [atoms.repeat(2)], torch.float64)
    for small, big in zip((x, vec, forces), large, strict=True):
        expected = small.repeat(8, *[1] * (small.ndim - 1))
        # The sum over eight cells makes the energy, not the force on an atom, eight times larger.
        torch.testing.assert_close(big, expected, rtol=1e-9, atol=1e-9)

    for key in (properties.idx_i, properties.idx_j, properties.offsets):
        batch[key] = batch[key][~images]
    without = model(PairwiseDistances()(batch))["scalar_representation"]
    assert not torch.allclose(without, x, rtol=1e-3)


def small(**settings):
    basis = ExpNormalRBF(8, CUTOFF)
    return EquivariantTransformer(8, 2, basis, CosineCutoff(CUTOFF), n_heads=2, **settings)


@pytest.mark.parametrize("vector_cutoff", [True, False])
def test_pairs_beyond_the_cutoff_change_nothing(vector_cutoff):
    """Neighbour lists with a skin, as in simulations, hold such pairs."""
    model = small(vector_cutoff=vector_cutoff).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    found = []
    for radius in (CUTOFF, CUTOFF + 2.0):
        batch = make_batch([random_molecule(9, seed=3)], radius)
        out = model(PairwiseDistances()(batch))
        found.append((len(batch[properties.idx_i]), out["vector_representation"]))
    assert found[0][0] < found[1][0]
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-12, atol=1e-12)


def test_without_the_vector_cutoff_the_energy_jumps():
    """TorchMD-Net's default; all other checks of the kit pass."""
    report = check_representation(
        lambda: small(vector_cutoff=False), known_faults={"cutoff": "vector messages remain"}
    )
    report.raise_if_failed()
    with pytest.raises(ConsistencyError, match="cutoff"):
        assert_smooth_at_cutoff(lambda: small(vector_cutoff=False))


def test_whitened_vectors_are_only_approximately_equivariant():
    reason = "the regularisation diag(1, 2, 3) prefers axes"
    checks = {"rotation": reason, "reflection": reason}
    tolerances = {"periodic images": 1e-6}
    report = check_representation(
        lambda: small(vector_norm="whitened"), known_faults=checks, tolerances=tolerances
    )
    report.raise_if_failed()


def test_every_parameter_has_a_gradient():
    """Distributed training waits for all of them."""
    model = small()
    out = model(PairwiseDistances()(make_batch([random_molecule(5)], CUTOFF, torch.float32)))
    out["scalar_representation"].square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"n_heads": 3}, "n_atom_basis=8 is not divisible by n_heads=3; choose a multiple."),
        ({"n_heads": 0}, "n_heads=0 is not a whole number of at least 1"),
        ({"n_interactions": 0}, "n_interactions=0 is not a whole number of at least 1"),
        ({"max_z": 1}, "max_z=1 is not a whole number of at least 2"),
        ({"activation": "relu"}, "activation='relu' is unknown; choose from silu, ssp, tanh"),
        ({"attention_activation": "softmax"}, "attention_activation='softmax' is unknown"),
        ({"distance_influence": "all"}, "distance_influence='all' is unknown; choose from keys"),
        ({"vector_norm": "rms"}, "vector_norm='rms' is unknown; choose from whitened."),
    ],
)
def test_settings_that_torchmdnet_does_not_have(settings, sentence):
    given = {"n_atom_basis": 8, "n_interactions": 2, "n_heads": 2} | settings
    with pytest.raises(InputError) as caught:
        EquivariantTransformer(
            radial_basis=ExpNormalRBF(8, CUTOFF), cutoff_fn=CosineCutoff(CUTOFF), **given
        )
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    "build, sentence",
    [
        (lambda: CosineCutoff(4.0, 5.0), "cutoff_lower=5.0 is not below cutoff=4.0; use 0"),
        (lambda: CosineCutoff(0.0), "cutoff=0.0 is not a number above 0"),
        (lambda: ExpNormalRBF(1, 4.0), "n_rbf=1 is not a whole number of at least 2"),
        (lambda: TorchMDGaussianRBF(8, 4.0, -1.0), "cutoff_lower=-1.0 is not a number"),
    ],
)
def test_settings_of_radial_functions(build, sentence):
    with pytest.raises(InputError) as caught:
        build()
    assert str(caught.value).startswith(sentence)


def test_dipoles_turn_with_the_molecule():
    def model():
        dipole = DipoleMoment(8, use_vector_representation=True)
        return NeuralNetworkPotential(small(), [PairwiseDistances()], [dipole])

    systems = [random_molecule(6, seed=1), random_molecule(4, seed=2)]
    for check in (assert_rotation_equivariant, assert_reflection_equivariant):
        check(Subject(model, laws={"dipole_moment": "vector"}, systems=systems))
