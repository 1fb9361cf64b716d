"""Files that ASE reads: elements of LAMMPS types by the command, notes about two energies."""

import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect

from gpip_plugins.cli import main
from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers import reader_of

DUMP = """ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS ff ff ff
0 10
0 10
0 10
ITEM: ATOMS id type x y z
1 2 5 5 5
2 1 5 5 6.2
"""


def test_the_command_takes_the_elements_of_types(tmp_path, capsys):
    (tmp_path / "run.dump").write_text(DUMP)
    words = ["import", str(tmp_path / "run.dump"), str(tmp_path / "o.db"), "--unlabelled"]
    assert main(words) != 0
    assert "for example --elements C,H,O" in capsys.readouterr().err
    assert not main([*words, "--elements", "O,C"])
    (row,) = connect(tmp_path / "o.db").select()
    assert row.symbols == ["C", "O"]
    assert main([*words, "--elements", "O,Q", "--force"]) != 0
    assert "'Q' is not the symbol of an element" in capsys.readouterr().err


def test_a_dump_states_no_units(tmp_path):
    (tmp_path / "run.dump").write_text(DUMP)
    assert not reader_of(str(tmp_path / "run.dump")).states_units(str(tmp_path / "run.dump"))


def test_two_energies_are_told(tmp_path):
    atoms = molecule("H2O")
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, free_energy=-1.5)
    atoms.write(tmp_path / "a.traj")
    reader = reader_of(str(tmp_path / "a.traj"))
    assert len(list(reader.frames(str(tmp_path / "a.traj")))) == 1
    assert "differ by up to 0.5; with smeared electrons" in reader.notes[0]


def test_elements_are_not_given_twice(tmp_path):
    molecule("H2O").write(tmp_path / "a.traj")
    with pytest.raises(InputError, match="elements=H,O is not used"):
        list(reader_of(str(tmp_path / "a.traj"), ["H", "O"]).frames(str(tmp_path / "a.traj")))
