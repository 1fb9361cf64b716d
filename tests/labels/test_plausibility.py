"""Messages on implausible labels use the names that the user typed."""

import numpy as np
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from gpip_plugins.cli import main


def test_the_command_names_its_options(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    methane = molecule("CH4")
    forces = np.ones((5, 3))
    methane.calc = SinglePointCalculator(methane, energy=1.0, forces=100 * forces)
    write("strong.xyz", methane)
    words = ["import", "strong.xyz", "labels.db", "--energy-unit", "eV", "--forces-unit", "eV/Ang"]
    assert main(words) == 1
    assert "gpip: --forces-unit eV/Ang looks wrong" in (text := capsys.readouterr().err)
    assert text.endswith("give --accept-implausible.\n")
    methane.positions /= 0.529  # Bohr
    methane.calc = SinglePointCalculator(methane, energy=1.0, forces=forces)
    write("bohr.xyz", methane)
    assert main(["import", "bohr.xyz", *words[2:]]) == 1
    assert "gpip: --distance-unit Ang looks wrong" in capsys.readouterr().err
