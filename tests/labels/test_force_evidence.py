"""Sign and unit of forces and stress follow from the labels themselves."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation

from gpip_plugins.errors import InputError
from gpip_plugins.io.structures import read_structures
from gpip_plugins.labels.bond_evidence import bond_evidence
from gpip_plugins.labels.keys_and_units import Labels
from gpip_plugins.labels.plausibility import Plausibility
from gpip_plugins.labels.work_evidence import Labelled, slopes

UNITS = {"energy": "eV", "forces": "eV/Ang", "distance": "Ang"}
KCAL = 0.0433641


def check(frames, energy=1.0, forces=1.0):
    """Return what is said of labels that are multiplied by two factors."""
    judge = Plausibility("a.xyz")
    for k, (atoms, e, f) in enumerate(frames):
        judge.add(Labelled(k, atoms, e * energy, f * forces))
    return judge.check(UNITS, Labels(energy_unit="eV"))


def test_a_molecule_of_springs_has_slope_one_however_it_is_turned():
    rng = np.random.default_rng(0)
    rest = rng.normal(0, 2, (5, 3))
    length = np.linalg.norm(rest[:, None] - rest, axis=-1)
    frames = []
    for k in range(30):
        x = rest + rng.normal(0, 0.05, (5, 3))
        pairs = x[:, None] - x
        d = np.linalg.norm(pairs, axis=-1) + np.eye(5)
        stretch = (d - length - np.eye(5)) / d
        energy, forces = (
            0.75 * (stretch * stretch * d * d).sum(),
            -3.0 * (stretch[..., None] * pairs).sum(1),
        )
        turn = Rotation.random(rng=rng).as_matrix().T
        frames.append(Labelled(k, Atoms("CHFCl2", x @ turn), energy, forces @ turn))
    found, stress = slopes(frames)
    assert stress is None
    assert found.low == pytest.approx(1, abs=0.03) and found.high == pytest.approx(1, abs=0.03)


def test_an_elastic_crystal_has_slope_one_in_the_stress():
    """E = V_0 c strain : strain / 2, with forces of springs to the sites of the lattice."""
    rng = np.random.default_rng(0)
    frames = []
    for k in range(20):
        atoms = bulk("Cu", cubic=True)
        strain = rng.normal(0, 0.005, (3, 3))
        strain = (strain + strain.T) / 2
        volume = atoms.get_volume()
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        moved = rng.normal(0, 0.01, (4, 3))
        moved -= moved.mean(0)
        atoms.positions += moved
        atoms.positions[:, 2] += 7.0 * (k % 3)  # through the boundary
        energy = 0.5 * volume * 0.8 * (strain**2).sum() + (moved**2).sum()
        stress = volume * 0.8 * strain / atoms.get_volume()
        frames.append(Labelled(k, atoms, energy, -2 * moved, stress))
    forces, tension = slopes(frames)
    assert tension.z > 10 and tension.low == pytest.approx(1, abs=0.05)
    assert forces.z > 10 and forces.low == pytest.approx(1, abs=0.05)


def test_bonds_through_the_boundary_count():
    pull = np.array([[1.0, 0, 0], [-1.0, 0, 0]])
    frames = []
    for length in np.linspace(0.68, 0.80, 12):
        atoms = Atoms("H2", [[0.1, 0, 0], [5.1 - length, 0, 0]], cell=[5, 5, 5], pbc=True)
        frames.append((atoms, -30 * (length - 0.74) * pull))
    found = bond_evidence(frames)
    assert found.correlation == pytest.approx(-1) and found.stiffness == pytest.approx(30)


def test_atoms_without_bonds_show_nothing():
    far = Atoms("Ar2", [[0, 0, 0], [0, 0, 9.0]])
    assert bond_evidence([(far, np.zeros((2, 3)))] * 5) is None
    assert bond_evidence([]) is None


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "n_frames"),
    [("rmd17_ethanol_test1000", 60), ("3bpa_300K_500", 60), ("qm7x_offequilibrium_2500", 60)],
)
def test_real_labels(real_data, name, n_frames):
    """Right ones pass and are sure; inverted forces and a wrong unit are refused."""
    atoms = list(read_structures(str(real_data(f"{name}.xyz.gz"))))
    atoms = atoms[:: len(atoms) // n_frames][:n_frames]
    frames = [(a, a.get_potential_energy(), a.get_forces()) for a in atoms]
    assert "the forces hold the bonds together" in check(frames)[0]
    with pytest.raises(InputError, match="point uphill"):
        check(frames, forces=-1)
    with pytest.raises(InputError, match="energy_unit=eV looks wrong: the mean force"):
        check(frames, 1 / KCAL, 1 / KCAL)
    if "qm7x" not in name:
        with pytest.raises(InputError, match="do not belong together"):
            check(frames, energy=1 / KCAL)
        with pytest.raises(InputError, match="energies have the wrong sign"):
            check(frames, energy=-1)


def test_a_stiffness_that_no_bond_has_is_a_wrong_unit():
    """Small forces in kcal/mol/Å, taken for eV/Å, can have a plausible mean."""
    rng = np.random.default_rng(0)
    pull = np.array([[1.0, 0, 0], [-1.0, 0, 0]])
    frames = []
    for length in 0.74 + rng.normal(0, 0.01, 20):
        atoms = Atoms("H2", [[0, 0, 0], [length, 0, 0]])
        frames.append((atoms, 18 * (length - 0.74) ** 2, 36 * (length - 0.74) * pull))
    assert "the forces hold" in check(frames)[0]
    with pytest.raises(InputError, match="stiffness of 830 eV/Ang"):
        check(frames, 1 / KCAL, 1 / KCAL)
