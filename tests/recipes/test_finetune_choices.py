"""The choices of a fine-tuning, through its recipes, one batch each."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from schnetpack.data import ASEAtomsData

from gpip_plugins.checkpoint import load_model
from gpip_plugins.errors import InputError
from gpip_plugins.potential import Potential

FINETUNE = "experiment=gpip_finetune"


@pytest.fixture
def orbitals(tmp_path):
    """Return the path of a database with orbital energies instead of energies and forces."""
    rng = np.random.default_rng(0)
    names = ("homo", "lumo", "gap")
    store = ASEAtomsData.create(
        str(tmp_path / "orbitals.db"),
        distance_unit="Ang",
        property_unit_dict=dict.fromkeys(names, "eV"),
    )
    frames = [molecule(("CH3CH2OH", "H2O", "CH4")[k % 3]) for k in range(12)]
    labels = [{name: rng.normal(size=1) - 7.0 for name in names} for _ in frames]
    store.add_systems(labels, frames)
    return tmp_path / "orbitals.db"


def test_everything_at_once(train, tmp_path, capsys):
    """Freezing, rates, references and denoising; the stored model predicts whole energies."""
    train(
        FINETUNE,
        "pretext=[noisy_nodes]",
        "references=fitted",
        "task.freeze=[representation.embedding]",
        "task.layer_decay=0.5",
        "globals.lr=0",
    )
    printed = capsys.readouterr().out
    for words in (
        "representation.embedding              800      2  frozen",
        "rates:     times 0.5 for every step of depth",
        "auxiliary: noise with weight 0.1; noise of 0.005 Å on the positions",
        "references of energy: fitted to the training labels of 3 compositions: H ",
        "averaging: weights are averaged (decay 0.995)",
    ):
        assert words in printed, words
    units = {"energy_unit": "eV", "distance_unit": "Ang"}
    potential = Potential(str(tmp_path / "run" / "best_model"), "cpu", **units)
    assert sorted(potential.model.model_outputs) == ["energy", "forces"]
    (ethanol,), _ = potential.predict([molecule("CH3CH2OH")])
    # -10 eV per atom, and what an untrained network adds.
    assert ethanol == pytest.approx(-90, abs=9)


def test_denoising_for_networks_without_vectors(train, capsys):
    train(FINETUNE, "pretext=[noisy_nodes_gradient]", "model/representation=schnet")
    assert "noise with weight 0.1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("pretext", "name", "kind"),
    [("noise_gradient", "pseudo_energy", "GradientNoise"), ("labels", "energy", "Atomwise")],
)
def test_heads_by_the_name_of_their_output(train, tmp_path, capsys, pretext, name, kind):
    thirds = ("data.num_train=4", "data.num_val=4")
    words = ("experiment=gpip_pretrain", "data=configurations", *thirds)
    train(*words, f"pretext=[mask,{pretext}]", folder="pretrained")
    source = load_model(str(tmp_path / "pretrained" / "best_model"), "cpu")
    path = f"pretrained.path={tmp_path / 'pretrained'}"
    capsys.readouterr()
    train(FINETUNE, path, f"pretrained.head={name}", "globals.lr=0", folder="tuned")
    printed = capsys.readouterr().out
    assert f"energy head: from output_modules.1 ({kind})" in printed
    assert f"head:      output_modules.1 of {tmp_path}/pretrained/best_model" in printed
    tuned = load_model(str(tmp_path / "tuned" / "best_model"), "cpu")
    torch.testing.assert_close(
        tuned.output_modules[0].state_dict(), source.output_modules[1].state_dict()
    )
    with pytest.raises(InputError, match=rf"head=dipole is no output .*there are: .*{name}"):
        train(FINETUNE, path, "pretrained.head=dipole", folder="refused")


def test_three_orbital_energies(train, orbitals, tmp_path, capsys):
    """Standardised in training, in eV in the stored model, in meV in the report."""
    sizes = ("data.num_train=6", "data.num_val=4", "data.num_test=2", "globals.lr=0")
    trainer = train("experiment=oreo_qm9", *sizes, datapath=orbitals)
    printed = capsys.readouterr().out
    for name in ("homo", "lumo", "gap"):
        error = trainer.callback_metrics[f"test_{name}_mae"].item()
        assert f"Test error of {name}: MAE {1000 * error:.1f} meV" in printed
        assert f"{name} standardised (mean -" in printed
    model = load_model(str(tmp_path / "run" / "best_model"), "cpu")
    data = trainer.datamodule
    # The reported error is that of the stored model against the labels as they are.
    store = ASEAtomsData(str(orbitals))
    found = []
    for idx in data.test_idx[:4]:
        batch = next(b for b in data.test_dataloader() if int(idx) in b["_idx"].tolist())
        at = batch["_idx"].tolist().index(int(idx))
        found.append(abs(model(dict(batch))["homo"][at].item() - store[int(idx)]["homo"].item()))
    assert trainer.callback_metrics["test_homo_mae"].item() == pytest.approx(
        np.mean(found), rel=1e-4
    )
    with pytest.raises(InputError, match="predicts gap, homo, lumo and no forces"):
        Potential(str(tmp_path / "run" / "best_model"), "cpu")


def test_a_property_that_the_data_lack(train):
    with pytest.raises(InputError, match=r"has no property 'homo', only \['energy', 'forces'\]"):
        train("experiment=oreo_qm9", "data.num_train=6", "data.num_val=4")
