import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from schnetpack.data import ASEAtomsData

from gpip_plugins.cli import COMMANDS, main, parser


@pytest.fixture
def here(run_folder, tmp_path, monkeypatch):
    """A folder with a run, and two labelled molecules of different size, as the current one."""
    shutil.copytree(run_folder / "run", tmp_path / "run")
    rng = np.random.default_rng(0)
    frames = []
    for name in ("CH3CH2OH", "H2O", "CH4"):
        atoms = molecule(name)
        atoms.positions += rng.normal(0, 0.02, atoms.positions.shape)
        atoms.calc = SinglePointCalculator(
            atoms, energy=-10.0 * len(atoms), forces=rng.normal(0, 1, (len(atoms), 3))
        )
        frames.append(atoms)
    write(tmp_path / "test.xyz", frames)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert len(COMMANDS) == len(parser()._subparsers._group_actions[0].choices)
    for name in parser()._subparsers._group_actions[0].choices:
        assert f"\n    {name} " in text


def test_import_then_predict_with_relative_paths(here, capsys):
    assert main(["import", "test.xyz", "test.db", "--energy-unit", "eV"]) == 0
    assert "3 frames written" in capsys.readouterr().out
    assert len(ASEAtomsData("test.db")) == 3
    assert main(["predict", "run/best_model", "test.db", "out.xyz"]) == 0
    assert main(["predict", "run", "test.xyz", "out.npz", "--batch-size", "2"]) == 0
    text = capsys.readouterr().out
    assert text.count("forces           MAE") == 2
    frames, arrays, labelled = read("out.xyz", ":"), np.load("out.npz"), read("test.xyz", ":")
    assert arrays["n_atoms"].tolist() == [9, 3, 5]
    start = 0
    for k, (atoms, label) in enumerate(zip(frames, labelled, strict=True)):
        assert atoms.get_potential_energy() == pytest.approx(arrays["energy"][k], abs=1e-5)
        part = slice(start, start + len(atoms))
        np.testing.assert_allclose(atoms.get_forces(), arrays["forces"][part], atol=1e-5)
        np.testing.assert_allclose(atoms.arrays["label_forces"], label.get_forces(), atol=1e-7)
        start += len(atoms)
    difference = arrays["forces"] - arrays["label_forces"]
    rmse = np.sqrt((difference**2).mean())
    assert f"MAE {np.abs(difference).mean():.5f}  RMSE {rmse:.5f}  eV/Ang" in text


def test_predicted_forces_are_the_gradient_of_the_predicted_energy(here):
    atoms = molecule("CH3CH2OH")
    step = 5e-3
    moved = []
    for sign in (0, 1, -1):
        moved.append(atoms.copy())
        moved[-1].positions[2, 1] += sign * step
    write("moved.xyz", moved)
    assert main(["predict", "run", "moved.xyz", "moved.npz"]) == 0
    arrays = np.load("moved.npz")
    slope = (arrays["energy"][1] - arrays["energy"][2]) / (2 * step)
    assert -slope == pytest.approx(arrays["forces"][2, 1], rel=0.02)


def test_units_of_the_model_and_of_the_labels(here):
    (here / "run" / "config.yaml").unlink()
    assert main(["predict", "run", "test.xyz", "x.npz"]) == 1
    for unit in ("eV", "kcal/mol"):
        words = ["predict", "run", "test.xyz", f"{unit[:2]}.npz", "--energy-unit", unit]
        assert main([*words, "--distance-unit", "Ang", "--label-energy-unit", unit]) == 0
    first, second = np.load("eV.npz"), np.load("kc.npz")
    for key in ("energy", "forces", "label_energy"):
        np.testing.assert_allclose(first[key], second[key] * 23.06055, rtol=1e-5)
    np.testing.assert_array_equal(first["label_forces"], second["label_forces"])


def test_structures_without_labels_are_predicted(here, capsys):
    write("bare.xyz", [molecule("H2O"), molecule("CH4")])
    assert main(["predict", "run", "bare.xyz", "bare.extxyz"]) == 0
    assert "MAE" not in capsys.readouterr().out
    assert len(read("bare.extxyz", ":")) == 2


def nan_structure():
    atoms = molecule("H2O")
    atoms.positions[0, 0] = np.nan
    write("nan.xyz", atoms)


def heavy_structure():
    write("heavy.xyz", molecule("H2O"))
    path = Path("heavy.xyz")
    path.write_text(path.read_text().replace("O ", "Fm ", 1))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("predict none test.xyz out.xyz", "MODEL=none does not exist"),
        ("predict test.xyz test.xyz out.xyz", "test.xyz is damaged or not a file of torch.save"),
        ("predict run none.xyz out.xyz", "none.xyz does not exist"),
        ("predict run test.xyz out.csv", "must end in one of .xyz"),
        ("predict run test.xyz test.xyz", "test.xyz exists already"),
        ("predict run test.xyz no/out.xyz", "is missing or cannot be written"),
        ("predict run nan.xyz out.xyz", "not finite"),
        ("predict run heavy.xyz out.xyz", "holds Fm"),
        ("predict run test.xyz out.xyz --device warp", "--device warp is not available"),
        ("predict run test.xyz out.xyz --energy-key E", "--energy-key=E is not an output"),
        ("predict run test.xyz out.xyz --energy-unit Ha", "contradicts the config.yaml"),
        ("predict run test.xyz out.xyz --batch-size 0", "--batch-size 0 is less than 1"),
        ("import test.xyz out.db", "does not say in which units"),
        ("import none.xyz out.db --energy-unit eV", "none.xyz does not exist"),
    ],
)
def test_mistakes_get_one_sentence(here, capsys, monkeypatch, words, message):
    nan_structure()
    heavy_structure()
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    before = sorted(os.listdir())
    assert main(words.split()) == 1
    error = capsys.readouterr().err
    assert error.startswith("gpip: ")
    assert message in error
    assert error.count("\n") == 1
    assert sorted(os.listdir()) == before


@pytest.mark.slow
def test_the_command_is_installed(here):
    # Beside the interpreter: the environment need not be activated.
    program = Path(sys.executable).parent / "gpip"
    done = subprocess.run(
        [program, "predict", "nowhere", "test.xyz", "out.xyz"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "gpip: MODEL=nowhere does not exist" in done.stderr
    assert "Traceback" not in done.stderr
