"""Labels of a teacher depend on their own configuration only."""

import threading

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.calculator import Calculator, all_changes

from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database
from gpip_plugins.labels.labelling import label_frames
from gpip_plugins.labels.selection.pool import Pool
from gpip_plugins.labels.teachers import load_teacher

SETTINGS = {"teacher": "test"}


class Remembering(Calculator):
    """Adds to every energy 1 eV for every frame that this object has computed before."""

    implemented_properties = ["energy", "forces"]
    default_parameters = {"charge": None}

    def __init__(self, **settings):
        super().__init__(**settings)
        self.n_before = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if len(atoms) == 1:
            raise RuntimeError("did not\nconverge")
        energy = self.n_before + 0.1 * (self.parameters.charge or 0)
        self.results = {"energy": energy, "forces": np.zeros((len(atoms), 3))}
        self.n_before += 1


def frames(n=3, **info):
    made = [molecule("H2O") for _ in range(n)]
    for number, atoms in enumerate(made):
        atoms.positions[0, 2] += 0.01 * number
        atoms.info = {"source": "a.xyz", "source_row": number, **info}
    return made


def energies(path):
    return [row.data["energy"].item() for row in Database(path).rows()]


def test_a_calculator_with_memory_starts_afresh_for_every_frame(tmp_path):
    target = str(tmp_path / "labels.db")
    failing = Atoms("He", info={"source": "a.xyz", "source_row": 7})
    report = label_frames([*frames(), failing], Remembering(), target, SETTINGS, progress=False)
    assert energies(target) == [0.0, 0.0, 0.0]
    (failed,) = report["failed"]
    assert failed["source_row"] == 7 and failed["reason"] == "RuntimeError: did not converge"


def test_a_calculator_that_cannot_be_copied_is_reset_and_named(tmp_path, caplog):
    calculator = Remembering()
    calculator.lock = threading.Lock()
    label_frames(frames(2), calculator, str(tmp_path / "labels.db"), SETTINGS, progress=False)
    assert "Remembering cannot be copied" in caplog.text and len(caplog.records) == 1


def test_charge_of_the_frames_is_given_or_contradicts(tmp_path):
    target = str(tmp_path / "labels.db")
    charged = frames(2, total_charge=-1)
    label_frames(charged, Remembering(), target, SETTINGS, progress=False)
    assert energies(target) == [-0.1, -0.1]
    # The charge stays with the labels, so that they can be labelled again.
    assert Pool(target)[0].info["total_charge"] == -1
    with pytest.raises(InputError, match="its total_charge is -1, and the calculator has charge=1"):
        label_frames(charged, Remembering(charge=1), str(tmp_path / "b.db"), SETTINGS, False)


def test_xtb_does_not_depend_on_the_order(tmp_path):
    pytest.importorskip("tblite")
    rng = np.random.default_rng(1)
    made = frames(3, total_charge=1)
    for atoms in made:
        atoms.symbols[0] = "O"
        atoms.positions += rng.normal(scale=0.05, size=(3, 3))
    found = []
    for name, ordered in (("a", made), ("b", made[::-1])):
        target = str(tmp_path / f"{name}.db")
        label_frames(ordered, load_teacher("xtb"), target, SETTINGS, progress=False)
        rows = list(Database(target).rows())
        found.append({row.source_row: row.data["forces"] for row in rows})
    for row, forces in found[0].items():
        np.testing.assert_array_equal(forces, found[1][row])
    neutral = load_teacher("xtb")
    made[0].calc = neutral
    assert abs(made[0].get_forces() - found[0][0]).max() > 0.1  # the ion has other forces
