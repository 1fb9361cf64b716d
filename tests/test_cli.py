import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from schnetpack.data import ASEAtomsData
from schnetpack.model import NeuralNetworkPotential

from gpip_plugins.cli import COMMANDS, main, parser


@pytest.fixture
def here(run_folder, tmp_path, monkeypatch):
    """Current folder with a run and two labelled molecules of different size."""
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
        assert re.search(rf"\n    {name}\s", text)


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


def test_units_of_the_model_and_of_the_labels(here, with_card):
    with_card(here / "run", here / "run", None)
    assert main(["predict", "run", "test.xyz", "x.npz"]) == 1
    for unit in ("eV", "kcal/mol"):
        words = ["predict", "run", "test.xyz", f"{unit[:2]}.npz", "--energy-unit", unit]
        assert main([*words, "--distance-unit", "Ang", "--label-energy-unit", unit]) == 0
    first, second = np.load("eV.npz"), np.load("kc.npz")
    for key in ("energy", "forces", "label_energy"):
        np.testing.assert_allclose(first[key], second[key] * 23.06055, rtol=1e-5)
    np.testing.assert_array_equal(first["label_forces"], second["label_forces"])


def test_labels_of_a_database_in_a_unit_of_another_kind(here, capsys):
    store = ASEAtomsData.create("odd.db", distance_unit="Ang", property_unit_dict={"energy": "D"})
    store.add_systems([{"energy": np.zeros(1)}], [molecule("H2O")])
    assert main(["predict", "run", "odd.db", "odd.npz"]) == 1
    assert "the unit of energy in " in capsys.readouterr().err
    words = ["predict", "run", "odd.db", "odd.npz", "--label-energy-key", "none"]
    assert main(words) == 0
    assert "label_energy" not in np.load("odd.npz")


def test_structures_without_labels_are_predicted(here, capsys):
    write("bare.xyz", [molecule("H2O"), molecule("CH4")])
    assert main(["predict", "run", "bare.xyz", "bare.extxyz"]) == 0
    assert "MAE" not in capsys.readouterr().out
    assert len(read("bare.extxyz", ":")) == 2


def nan_structure():
    atoms = molecule("H2O")
    atoms.positions[0, 0] = np.nan
    write("nan.xyz", atoms)


def slab_without_height():
    slab = molecule("H2O")
    slab.cell, slab.pbc = [9.0, 9.0, 0.0], (True, True, False)
    write("slab.xyz", slab)


def strange_labels():
    atoms = molecule("H2O")
    atoms.arrays["charges"] = np.ones(3)
    atoms.info["name"] = "water"
    write("strange.xyz", atoms)


def heavy_structure():
    write("heavy.xyz", molecule("H2O"))
    path = Path("heavy.xyz")
    path.write_text(path.read_text().replace("O ", "Fm ", 1))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("predict none test.xyz out.xyz", "MODEL none does not exist"),
        (
            "predict test.xyz test.xyz out.xyz",
            "test.xyz is a text file and not a file of torch.save",
        ),
        ("predict run none.xyz out.xyz", "none.xyz does not exist"),
        ("predict run test.xyz out.csv", "must end in one of .xyz"),
        ("predict run test.xyz test.xyz", "test.xyz is the file that is read"),
        ("predict run test.xyz no/out.xyz", "is missing or cannot be written"),
        ("predict run nan.xyz out.xyz", "not finite"),
        ("predict run heavy.xyz out.xyz", "contains Fm"),
        ("predict run slab.xyz out.xyz", "slab.xyz (counted from 0) is periodic, but its three"),
        (
            "predict run strange.xyz out.xyz --label-forces-key charges",
            "--label-forces-key charges: Structure 0 of",
        ),
        (
            "predict run strange.xyz out.xyz --label-energy-key charges",
            "has under this name (3,) instead of numbers of shape (1,)",
        ),
        (
            "predict run strange.xyz out.xyz --label-energy-key name",
            "has under this name water instead of numbers",
        ),
        ("predict run test.xyz out.xyz --device warp", "--device warp is not available"),
        ("predict run test.xyz out.xyz --energy-key E", "--energy-key E is not an output"),
        ("predict run test.xyz out.xyz --energy-unit Ha", "--energy-unit Ha contradicts the card"),
        ("predict run test.xyz out.xyz --batch-size 0", "--batch-size 0 is not a whole number"),
        ("import test.xyz out.db", "does not say in which units"),
        ("import none.xyz out.db --energy-unit eV", "none.xyz does not exist"),
    ],
)
def test_mistakes_get_one_sentence(here, capsys, monkeypatch, words, message):
    nan_structure()
    slab_without_height()
    strange_labels()
    heavy_structure()
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    before = sorted(os.listdir())
    assert main(words.split()) == 1
    error = capsys.readouterr().err
    assert error.startswith("gpip: ")
    assert message in error
    assert error.count("\n") == 1
    assert sorted(os.listdir()) == before


def test_ctrl_d_at_the_question_for_the_unit(here, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    def end_of_file(question):
        assert "Unit of the energies in test.xyz" in question
        raise EOFError

    monkeypatch.setattr("builtins.input", end_of_file)
    assert main(["import", "test.xyz", "test.db"]) == 1
    assert "does not say in which units it is; name them" in capsys.readouterr().err
    assert not Path("test.db").exists()


@pytest.mark.parametrize("ending", ["xyz", "npz"])
def test_a_full_disk_leaves_no_predictions(here, capsys, full_disk, ending):
    before = sorted(os.listdir())
    with full_disk(500):
        assert main(["predict", "run", "test.xyz", f"out.{ending}"]) == 1
    error = capsys.readouterr().err
    assert f"out.{ending} failed (File too large); free some space" in error
    assert "Traceback" not in error
    assert sorted(os.listdir()) == before


def test_a_batch_that_does_not_fit_the_memory_of_the_gpu(here, capsys, monkeypatch):
    def forward(self, batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr(NeuralNetworkPotential, "forward", forward)
    assert main(["predict", "run", "test.xyz", "out.xyz"]) == 1
    error = capsys.readouterr().err
    assert "--batch-size 3 needs more memory than" in error and error.count("\n") == 1
    assert not Path("out.xyz").exists()


@pytest.mark.slow
def test_the_command_is_installed(here):
    # Beside the interpreter: the environment need not be activated.
    program = Path(sys.executable).parent / "gpip"
    done = subprocess.run(
        [program, "predict", "nowhere", "test.xyz", "out.xyz"], capture_output=True, text=True
    )
    assert done.returncode == 1
    # Nothing else: no trace-back, no warnings from imports.
    assert done.stderr.startswith("gpip: MODEL nowhere does not exist")
    assert done.stderr.count("\n") == 1
