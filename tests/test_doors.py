"""Every way into the package refuses what cannot be real, names the row, and takes what is odd."""

import shutil
import sqlite3

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule
from ase.db.core import object_to_bytes
from ase.io import write
from ase.neighborlist import neighbor_list
from schnetpack import properties
from schnetpack.data import ASEAtomsData
from scipy.spatial.transform import Rotation

from gpip_plugins.analysis.equal_structures import Structures, shared_structures
from gpip_plugins.data import GpipDataModule, MixtureMember
from gpip_plugins.errors import InputError
from gpip_plugins.labels.importing import import_labels
from gpip_plugins.labels.keys_and_units import Labels
from gpip_plugins.labels.selection.pool import Pool
from gpip_plugins.potential import GpipCalculator, Potential, read_predictable
from gpip_plugins.potential.info import describe
from gpip_plugins.report.leakage import read_file
from gpip_plugins.report.sampled import read_sampled
from gpip_plugins.report.settings import QualitySettings
from gpip_plugins.report.structures import read_labelled
from gpip_plugins.report.system import system_figures

UNITS = {"energy": "eV", "forces": "eV/Ang", "temperature": "K", "kinetic_temperature": "K"}
FAULTY = 2  # the row with the fault, of four


def labels_of(atoms: Atoms) -> dict[str, np.ndarray]:
    scalars = {name: np.array([300.0]) for name in UNITS if name != "forces"}
    return scalars | {"forces": np.full((len(atoms), 3), 0.5)}


def stored(path, frames: list[Atoms]) -> str:
    """Write frames with all labels; every composition is a system."""
    data = ASEAtomsData.create(str(path), distance_unit="Ang", property_unit_dict=UNITS)
    with data.conn:
        data.add_systems([labels_of(atoms) for atoms in frames], frames)
    return str(path)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A database of four molecules of water."""
    frames = [molecule("H2O") for _ in range(4)]
    for k, atoms in enumerate(frames):
        atoms.positions[1] *= 1.0 + 0.02 * k
    return stored(tmp_path_factory.mktemp("doors") / "sound.db", frames)


def trained(path: str) -> GpipDataModule:
    data = GpipDataModule(
        path,
        batch_size=1,
        load_properties=["energy", "forces"],
        property_units={"energy": "eV", "forces": "eV/Ang"},
        num_train=0.5,
        num_val=0.25,
        split_file=None,
    )
    data.setup("fit")
    return data


def mixed(path: str) -> None:
    member = MixtureMember("off_equilibrium", path)
    member.bind("one", "/")
    member.read(["forces"], "forces", {"forces": "eV/Ang"}, "Ang", False, False)


DOORS = {
    "select": lambda path: [Pool(path)[row] for row in range(4)],
    "leakage": lambda path: read_file(path, "test", progress=False),
    "coverage": lambda path: read_labelled(path, progress=False),
    "quality": lambda path: read_sampled(path, 100, progress=False),
    "predict": lambda path: list(read_predictable(path, ("energy", "forces"), (1.0, 1.0))),
    "info": describe,
    "training": trained,
    "mixture": mixed,
}


def test_a_sound_database_passes_every_door(sound):
    for enter in DOORS.values():
        enter(sound)


def integers(*values):
    return np.array(values, np.int32).tobytes()


def moved(value):
    R = molecule("H2O").positions
    R[1, 2] = value
    return R.tobytes()


def labelled(**labels):
    return object_to_bytes(labels_of(molecule("H2O")) | labels)


FAULTS = {
    "element 0": ({"numbers": integers(8, 0, 1)}, "atomic number 0 at atom 1"),
    "element 118": ({"numbers": integers(8, 118, 1)}, "atomic number 118 at atom 1"),
    "element 4000": ({"numbers": integers(8, 4000, 1)}, "atomic number 4000 at atom 1"),
    "no atoms": (
        {"numbers": b"", "positions": b"", "data": labelled(forces=np.zeros((0, 3)))},
        "has no atoms",
    ),
    "infinite": ({"positions": moved(np.inf)}, "not (finite|a finite number)"),
    "far away": ({"positions": moved(1e30)}, "1e.30 Ang from the origin"),
    "one point": ({"positions": np.ones((3, 3)).tobytes()}, "0.000 Ang apart"),
    "placeholder": ({"cell": np.eye(3).tobytes(), "pbc": 7}, "cell of 1 x 1 x 1 Ang for 3 atoms"),
    "cell of NaN": ({"cell": np.full((3, 3), np.nan).tobytes()}, "not (finite|a finite number)"),
    "flat cell": ({"cell": np.diag([9.0, 9, 0]).tobytes(), "pbc": 3}, "span no volume"),
    "NULL numbers": ({"numbers": None}, "has no atomic numbers"),
    "NULL positions": ({"positions": None}, "has no positions"),
    "NULL cell": ({"cell": None}, "has no cell of three vectors"),
    "NULL labels": ({"data": None}, "is damaged"),
    "torn numbers": ({"numbers": b"\1\2\3"}, "is damaged"),
    "lost atom": ({"numbers": integers(8, 1)}, "has 2 atomic numbers but 3 positions"),
    "text for positions": ({"positions": "garbage"}, "is damaged"),
    "garbage for labels": ({"data": b"\xff\0\xa5 garbage"}, "is damaged"),
    "list of pairs": ({"key_value_pairs": "[1]"}, "is damaged"),
    "text for a label": ({"data": labelled(energy="abc")}, "'energy' that is no array of numbers"),
    "complex label": ({"data": labelled(energy=np.array([1j]))}, "no array of numbers"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_door_names_the_faulty_row_in_one_sentence(fault, sound, tmp_path):
    columns, message = FAULTS[fault]
    path = shutil.copy(sound, tmp_path / "faulty.db")
    with sqlite3.connect(path) as base:
        for column, value in columns.items():
            row = FAULTY + 1  # SQLite counts from 1
            base.execute(f"update systems set {column}=? where id=?", (value, row))
    base.close()
    for name, enter in DOORS.items():
        with pytest.raises(InputError, match=message) as caught:
            enter(str(path))
        found = str(caught.value)
        words = ("row", "configuration", "Structure")
        assert any(f"{word} {FAULTY} " in found for word in words), (name, found)
        assert found.endswith(".") and "\n" not in found


def point() -> Atoms:
    return Atoms("CO", np.ones((2, 3)))


def placeholder() -> Atoms:
    atoms = molecule("H2O", cell=np.eye(3))
    atoms.pbc = True
    return atoms


@pytest.mark.parametrize(("make", "message"), [(point, "0.000 Ang"), (placeholder, "1 x 1 x 1")])
def test_files_of_structures_and_the_calculator_have_the_same_check(make, message, run_folder):
    frames = [molecule("H2O"), make()]
    write("faulty.xyz", frames)
    unlabelled = Labels(energy_key=None, forces_key=None)
    doors = {name: DOORS[name] for name in ("leakage", "coverage", "predict")}
    doors["select"] = lambda path: Pool(path)[1]
    doors["import"] = lambda path: import_labels(path, "out.db", unlabelled, progress=False)
    doors["calculator"] = lambda _: GpipCalculator(run_folder / "run/best_model").calculate(make())
    for enter in doors.values():
        with pytest.raises(InputError, match=message):
            enter("faulty.xyz")


def dioxide(axis) -> Atoms:
    axis = np.array(axis) / np.linalg.norm(axis)
    return Atoms("OCO", np.outer([-1.2, 0.0, 1.1], axis))


def fragments() -> Atoms:
    water, other = molecule("H2O"), molecule("H2O")
    other.positions += [0.0, 0.0, 300.0]
    return water + other


def sheet() -> Atoms:
    atoms = graphene(vacuum=0.5)
    atoms.pbc = (True, True, False)
    return atoms


AXES = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)]
ISOLATED = [Atoms("Ar"), *map(dioxide, AXES), molecule("C6H6"), fragments()]
PERIODIC = [
    Atoms("C2", [[0, 0, 0], [1.3, 0, 0]], cell=[2.6, 1.0, 1.0], pbc=(True, False, False)),
    sheet(),
    bulk("Cu"),
]


@pytest.fixture(scope="module")
def potential(run_folder):
    return Potential(str(run_folder / "run/best_model"), dtype="float64")


@pytest.mark.parametrize("odd", PERIODIC + ISOLATED, ids=lambda a: f"{a.symbols}-{sum(a.pbc)}")
def test_odd_structures_pass_every_door_with_the_right_pairs(odd, tmp_path, potential):
    """Pairs as ASE finds them; a doubled cell has twice the energy, as any extensive model says."""
    path = stored(tmp_path / "odd.db", [odd.copy() for _ in range(4)])
    for name, enter in DOORS.items():
        if name != "leakage" or not odd.pbc.any():
            enter(path)
    pairs = len(neighbor_list("i", odd, potential.cutoff))
    assert len(potential.batch([odd])[properties.idx_i]) == pairs
    (energy,), (forces,) = potential.predict([odd])
    double = odd.repeat([2 if periodic else 1 for periodic in odd.pbc])
    (of_double,), _ = potential.predict([double])
    assert of_double == pytest.approx(energy * len(double) / len(odd), rel=1e-9)
    np.testing.assert_allclose(forces.sum(0), 0.0, atol=1e-9)


def test_energies_of_linear_molecules_and_fragments(potential):
    energies, forces = potential.predict([*map(dioxide, AXES), fragments(), molecule("H2O")])
    np.testing.assert_allclose(energies[:4], energies[0], rtol=1e-12)
    assert energies[4] == pytest.approx(2.0 * energies[5], rel=1e-12)
    for axis, force in zip(AXES, forces, strict=False):
        np.testing.assert_allclose(np.cross(force, axis), 0.0, atol=1e-9)


@pytest.mark.parametrize("odd", ISOLATED, ids=lambda a: str(a.symbols))
def test_leakage_finds_turned_copies_of_degenerate_structures(odd):
    def structures(positions, name):
        return Structures([(odd.numbers, R, odd.pbc) for R in positions], name)

    turns = Rotation.random(5, random_state=3).as_matrix()
    others = structures([R + 1.0 for R in odd.positions @ turns.transpose(0, 2, 1)], "others")
    own = structures([odd.positions], "own")
    assert shared_structures(others, own, 1e-3) == [(k, 0) for k in range(5)]
    stretched = structures([odd.positions * 1.01], "stretched")
    assert len(shared_structures(stretched, own, 1e-3)) == (len(odd) == 1)


def test_figures_of_single_atoms_and_linear_molecules(tmp_path):
    argon = [Atoms("Ar", [[0, 0, 0.1 * k]]) for k in range(12)]
    linear = [dioxide(AXES[k % 4]) for k in range(12)]
    for k, atoms in enumerate(linear):
        atoms.positions *= 1.0 + 0.02 * k
    systems, _ = read_sampled(stored(tmp_path / "a.db", argon + linear), 100, progress=False)
    one, three = (system_figures(s, {}, QualitySettings(), False).entry for s in systems)
    temperatures = [e["temperatures"]["300"]["temperature"] for e in (one, three)]
    assert [t["degrees_of_freedom"] for t in temperatures] == [3, 9]
    assert one["shortest_distances"] == one["bonds"] == {}
    assert one["near_duplicates"]["count"] == 11 and three["near_duplicates"]["count"] == 0
    assert three["shortest_distances"] == pytest.approx({"C-O": 1.1, "O-O": 2.3})
