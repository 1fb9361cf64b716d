"""The configurations of files are compared with those of other files."""

import numpy as np
import pytest
from ase.build import molecule
from ase.io import read, write

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
    assert "named twice" in capsys.readouterr().err
    assert main(["leakage", "test.xyz", "other.xyz", "--tolerance", "-1"]) == 1


@pytest.mark.realdata
def test_training_and_test_set_of_revised_md17_share_nothing(tmp_path, real_data, moved):
    """1,000 x 1,000 configurations of ethanol; five that are put into both are found."""
    names = [real_data(f"rmd17_ethanol_{part}1000.xyz.gz") for part in ("test", "train")]
    rng = np.random.default_rng(5)
    planted = [moved(read(names[1], k), rng, 1e-4) for k in range(5)]
    write(tmp_path / "planted.xyz", planted)
    test, train = map(str, names)
    assert leakage_of_files(test, [train], progress=False).leaked == []
    found = leakage_of_files(str(tmp_path / "planted.xyz"), [train], progress=False)
    assert found.shared == {train: [(k, k) for k in range(5)]}
