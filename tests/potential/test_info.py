"""`gpip info` prints the card of a model or the contents of a database."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule
from schnetpack.data import ASEAtomsData

from gpip_plugins.checkpoint import load, settings_of
from gpip_plugins.checkpoint.archive import open_archive
from gpip_plugins.checkpoint.outline import read_outline, tensors_of
from gpip_plugins.cli import main
from gpip_plugins.potential import Card

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize("name", ["best_model", "last.ckpt"])
def test_a_model_prints_its_card(name, capsys):
    assert main(["info", str(FILES / name)]) == 0
    text, checkpoint = capsys.readouterr().out, load(FILES / name)
    assert checkpoint.sha256 in text
    assert Card.from_model(checkpoint.module).markdown() in text
    assert "energy in kcal/mol" in text and "H (20), O (10)" in text and "val_loss 0.25" in text


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("stock_best_model", ["n_atom_basis:   4", "cutoff:         3.0", "energy, forces"]),
        ("state_dict.pt", ["n_atom_basis: 4", "cutoff:       3.0"]),
    ],
)
def test_without_a_card_the_network_is_described(name, found, capsys):
    assert main(["info", str(FILES / name)]) == 0
    text = capsys.readouterr().out
    assert "no card: units and elements are not known" in text
    assert all(part in text for part in found), text


def test_a_database_prints_its_content(tmp_path, capsys):
    units = {"energy": "eV", "forces": "eV/Ang"}
    path = tmp_path / "a.db"
    store = ASEAtomsData.create(str(path), distance_unit="Ang", property_unit_dict=units)
    frames = [molecule("H2O"), molecule("H2O"), molecule("CH4")]
    labels = [{"energy": np.zeros(1), "forces": np.zeros((len(f), 3))} for f in frames]
    store.add_systems(labels, frames)
    store.update_metadata(origin="word " * 100)
    assert main(["info", str(path)]) == 0
    text = capsys.readouterr().out
    for part in (
        "rows:         3\n",
        "periodic:     0\n",
        "H2O (2), CH4 (1)",
        "C (1 atoms), H (8 atoms), O (2 atoms)",
        "energy in eV, forces in eV/Ang",
        "word word",
    ):
        assert part in text, text
    assert max(map(len, text.splitlines())) < 230


def test_a_file_of_another_kind(tmp_path, capsys):
    (tmp_path / "a.xyz").write_text("1\n\nHe 0 0 0\n")
    assert main(["info", str(tmp_path / "a.xyz")]) == 1
    assert "a.xyz is a text file and not a file of torch.save" in capsys.readouterr().err
    (tmp_path / "a.db").write_text("no database")
    assert main(["info", str(tmp_path / "a.db")]) == 1
    assert "cannot be read as an ASE database" in capsys.readouterr().err
    assert main(["info", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith("gpip: FILE ")


def test_a_hostile_model_is_named_and_not_run(tmp_path, capsys):
    class Call:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    model = torch.nn.Linear(1, 1)
    model.extra = Call()
    torch.save(model, tmp_path / "best_model")
    assert main(["info", str(tmp_path)]) == 1
    assert "uses posix.mkdir, which a model of SchNetPack does not need" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
    del model.extra
    torch.save(model, tmp_path / "best_model")
    assert main(["info", str(tmp_path)]) == 0
    assert "numbers: 2" in " ".join(capsys.readouterr().out.split())


def test_outline_and_loaded_model_have_the_same_settings(stored):
    path = stored()
    _, archive = open_archive(path)
    outlined = read_outline(path, archive).content
    assert settings_of(outlined.representation) == load(path).settings
    assert {k: v.shape for k, v in tensors_of(outlined).items()} == {
        k: tuple(v.shape) for k, v in load(path).state_dict.items()
    }
