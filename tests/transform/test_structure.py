"""Neighbour lists and centring of batches equal those of SchNetPack one by one."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from schnetpack import properties as spk
from schnetpack.data.loader import _atoms_collate_fn
from schnetpack.transform import ASENeighborList, SubtractCenterOfGeometry

from gpip_plugins.errors import InputError
from gpip_plugins.transform import NeighborList, SubtractCenter


def sample(atoms: Atoms, index: int) -> dict:
    return {
        spk.idx: torch.tensor([index]),
        spk.n_atoms: torch.tensor([len(atoms)]),
        spk.Z: torch.tensor(atoms.numbers),
        spk.R: torch.tensor(atoms.positions),
        spk.cell: torch.tensor(atoms.cell.array)[None],
        spk.pbc: torch.tensor(atoms.pbc),
    }


def pairs(inputs) -> np.ndarray:
    """Pairs with their offsets, in a canonical order."""
    columns = [inputs[spk.idx_i][:, None], inputs[spk.idx_j][:, None], inputs[spk.offsets]]
    rows = torch.cat([c.double() for c in columns], dim=1).numpy().round(6) + 0.0
    return rows[np.lexsort(rows.T[::-1])]


def skewed() -> Atoms:
    atoms = bulk("Na", "fcc", a=4.0) * (1, 2, 2)
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.mark.parametrize(
    "systems",
    [
        [molecule("CH3CH2OH"), molecule("H2O"), molecule("C6H6")],
        [skewed(), molecule("H2O")],
        [Atoms("H", positions=[[0, 0, 0]]), molecule("H2O")],
    ],
    ids=["molecules", "cell and molecule", "single atom"],
)
@pytest.mark.parametrize("cutoff", [1.5, 5.0])
def test_batch_equals_schnetpack_sample_by_sample(systems, cutoff):
    bare = _atoms_collate_fn([sample(a, k) for k, a in enumerate(systems)])
    host = _atoms_collate_fn([ASENeighborList(cutoff)(sample(a, k)) for k, a in enumerate(systems)])
    np.testing.assert_allclose(pairs(NeighborList(cutoff)(bare)), pairs(host), atol=1e-6)


def test_single_configuration_needs_no_idx_m():
    atoms = molecule("C6H6")
    ours, host = NeighborList(3.0)(sample(atoms, 0)), ASENeighborList(3.0)(sample(atoms, 0))
    np.testing.assert_array_equal(pairs(ours), pairs(host))


def test_large_isolated_configurations_give_the_same_pairs():
    atoms = molecule("C60")
    few = NeighborList(3.0, max_atoms_all_pairs=10)(sample(atoms, 0))
    np.testing.assert_array_equal(pairs(few), pairs(NeighborList(3.0)(sample(atoms, 0))))


def test_centre_of_a_batch_equals_schnetpack():
    systems = [molecule("CH3CH2OH"), molecule("H2O")]
    ours = SubtractCenter()(_atoms_collate_fn([sample(a, 0) for a in systems]))[spk.R]
    host = [SubtractCenterOfGeometry()(sample(a, 0))[spk.R] for a in systems]
    torch.testing.assert_close(ours, torch.cat(host))


def test_cutoff_must_be_positive():
    with pytest.raises(InputError, match=r"cutoff=0\.0"):
        NeighborList(0.0)
