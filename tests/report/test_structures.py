"""Labelled structures come from databases and from files that ASE reads."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import write as write_xyz

from gpip_plugins.errors import InputError
from gpip_plugins.report.structures import read_labelled


def test_labelled_structures_from_a_database_and_from_xyz(write, shaken, tmp_path):
    frames = shaken("H2O", 3)
    write_xyz(tmp_path / "labels.xyz", frames)
    for path in (tmp_path / "labels.xyz", write(frames, "labels.db")):
        found = read_labelled(path, progress=False)
        assert len(found) == 3
        np.testing.assert_allclose(found[2].positions, frames[2].positions, atol=1e-7)


def test_a_database_in_another_unit_of_length_is_read_in_angstrom(write):
    box = Atoms("OH2", [(0, 0, 0), (0, 0, 1.8), (1.8, 0, 0)], cell=[20, 20, 20], pbc=True)
    (found,) = read_labelled(write([box], distance_unit="Bohr"), progress=False)
    assert found.positions[1, 2] == pytest.approx(0.9525, abs=1e-4)
    assert found.cell[0, 0] == pytest.approx(10.5835, abs=1e-3)


def test_wrong_files_are_refused(tmp_path):
    def refuse(name, message):
        with pytest.raises(InputError, match=message):
            read_labelled(tmp_path / name, progress=False)

    refuse("none.xyz", r"^labels=.*none.xyz does not exist")
    (tmp_path / "text.db").write_text("no database")
    refuse("text.db", r"^labels=.*text.db cannot be read as an ASE database")
    (tmp_path / "bad.xyz").write_text("1\n\nO 0 0 nan\n")
    refuse("bad.xyz", r"Structure 0 of labels=.*not finite")
