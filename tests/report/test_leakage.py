"""The configurations of files are compared with those of other files."""

import re

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import molecule
from ase.io import read, write
from schnetpack.data import ASEAtomsData

from gpip_plugins.cli import main
from gpip_plugins.report.leakage import leakage_of_files


def test_the_command(tmp_path, monkeypatch, capsys, moved):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    frames = [molecule(name) for name in ("CH4", "H2O", "NH3")]
    write("test.xyz", frames)
    write("train.xyz", [molecule("CH3OH"), moved(frames[1], rng)])
    write("other.xyz", [molecule("C2H6")])
    assert main(["leakage", "test.xyz", "train.xyz", "other.xyz"]) == 0
    text = capsys.readouterr().out
    assert "1 of 3 configurations of" in text and "(frame 1 of the test set)" in text
    assert "other.xyz: 0 of 3" in text
    assert main(["leakage", "test.xyz", "test.xyz"]) == 1
    assert "gpip: TEST test.xyz or another file is named twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("test.xyz test.xyz --tolerance -1", "--tolerance -1.0 is not a number above 0"),
        ("none.xyz test.xyz", "TEST none.xyz does not exist"),
        ("test.xyz none.xyz", "TRAIN none.xyz does not exist"),
        ("test.xyz torn.db", r"TRAIN \S*torn.db cannot be read as an ASE database"),
    ],
)
def test_mistakes_are_reported_as_typed(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    write("test.xyz", molecule("CH4"))
    (tmp_path / "torn.db").write_text("no database")
    assert main(["leakage", *words.split()]) == 1
    assert re.search(f"gpip: {message}", capsys.readouterr().err)


def test_databases_in_any_unit_of_length_are_compared(tmp_path):
    frames = [molecule("CH4"), molecule("H2O")]
    for name, unit, scale in (("ang.db", "Ang", 1.0), ("bohr.db", "Bohr", units.Bohr)):
        data = ASEAtomsData.create(str(tmp_path / name), distance_unit=unit, property_unit_dict={})
        scaled = [Atoms(a.numbers, a.positions / scale) for a in frames]
        data.add_systems([{}] * 2, scaled)
    found = leakage_of_files(str(tmp_path / "ang.db"), [str(tmp_path / "bohr.db")], progress=False)
    assert found.leaked == [0, 1]


@pytest.mark.slow
@pytest.mark.realdata
def test_training_and_test_set_of_revised_md17_share_nothing(tmp_path, real_data, moved):
    """1,000 x 1,000 configurations of ethanol; five that are added to both sets are found."""
    names = [real_data(f"rmd17_ethanol_{part}1000.xyz.gz") for part in ("test", "train")]
    rng = np.random.default_rng(5)
    planted = [moved(read(names[1], k), rng, 1e-4) for k in range(5)]
    write(tmp_path / "planted.xyz", planted)
    test, train = map(str, names)
    assert leakage_of_files(test, [train], progress=False).leaked == []
    found = leakage_of_files(str(tmp_path / "planted.xyz"), [train], progress=False)
    assert found.shared == {train: [(k, k) for k in range(5)]}
