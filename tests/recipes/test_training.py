"""Every experiment, backbone and choice of our groups composes and trains a batch."""

import math

import pytest
import torch
from ase.build import molecule
from omegaconf import OmegaConf
from schnetpack import representation
from schnetpack.data import ASEAtomsData

from gpip_plugins.checkpoint import load, load_model
from gpip_plugins.errors import InputError
from gpip_plugins.potential import Card, Potential
from gpip_plugins.representation import EquivariantTransformer

PRETRAIN = ("experiment=gpip_pretrain", "data=configurations")
BACKBONES = {
    "painn": ((), representation.PaiNN),
    "equivariant_transformer": ((), EquivariantTransformer),
    "so3net": (
        ("model.representation.return_vector_representation=true",),
        representation.SO3net,
    ),
    "schnet": (("pretext=[mask,noise_gradient,contrast]",), representation.SchNet),
    "field_schnet": (
        (
            "pretext=[mask,noise_gradient,contrast]",
            "globals.mask_token=99",
            "+globals.response_properties=[]",
        ),
        representation.FieldSchNet,
    ),
}
LOSS = {
    "mask": "masked_atoms",
    "mask_embedding": "masked_atoms",
    "noise": "noise",
    "noise_gradient": "noise",
    "contrast": "structure_latent",
    "labels": "forces",
}


def losses(trainer):
    """Return the logged losses; all must be finite, and the weights must have moved."""
    found = {k: v.item() for k, v in trainer.logged_metrics.items() if k.endswith("_loss")}
    assert found and all(math.isfinite(value) for value in found.values()), found
    assert trainer.global_step == 1
    return found


@pytest.mark.parametrize("name", BACKBONES)
def test_gpip_with_every_backbone(train, name, tmp_path):
    words, kind = BACKBONES[name]
    trainer = train(*PRETRAIN, f"model/representation={name}", *words)
    found = losses(trainer)
    assert {f"test_{output}_loss" for output in set(LOSS.values()) - {"forces"}} <= found.keys()
    model = load_model(str(tmp_path / "run" / "best_model"), "cpu")
    assert type(model.representation) is kind
    assert (tmp_path / "run" / "curves.png").is_file()


@pytest.mark.parametrize("pretext", LOSS)
def test_every_pretext_alone(train, pretext):
    trainer = train(*PRETRAIN, f"pretext=[{pretext}]")
    found = losses(trainer)
    parts = {k for k in found if k not in ("test_loss", "val_loss", "train_loss")}
    expected = {"energy", "forces"} if pretext == "labels" else {LOSS[pretext]}
    assert {k.removeprefix("test_").removesuffix("_loss") for k in parts} == expected


@pytest.mark.parametrize("words", [PRETRAIN, ("experiment=gpip_finetune",)], ids=["pre", "fine"])
def test_checkpoints_of_our_runs_are_loaded_as_weights_only(train, words):
    trainer = train(*words)
    loaded = load(trainer.checkpoint_callback.best_model_path)
    assert loaded.kind == "lightning" and loaded.state_dict


def test_a_run_can_go_on_from_an_epoch_that_did_not_improve(train, tmp_path):
    """SchNetPack's own callback would leave the first epoch's file."""
    trainer = train(*PRETRAIN, "globals.lr=0", max_epochs=3)
    kept = torch.load(trainer.checkpoint_callback.best_model_path, weights_only=False)
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=False)
    assert (kept["epoch"], last["epoch"], last["global_step"]) == (0, 2, 3)
    assert len(list((tmp_path / "run" / "checkpoints").iterdir())) == 2


@pytest.mark.parametrize("order", ["labels,noise_gradient", "noise_gradient,labels"])
def test_two_derivatives_in_either_order(train, order):
    """Forces free the graph in validation; the gradient head has to come before them."""
    thirds = ("data.num_train=4", "data.num_val=4")
    found = losses(train(*PRETRAIN, f"pretext=[{order}]", *thirds))
    assert {"test_noise_loss", "test_forces_loss"} <= found.keys()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["~preprocessing.mask"], r"_is_masked.*add gpip_plugins\.transform\.MaskAtoms"),
        (["~preprocessing.noise"], r"'noise' has target_property=noise.*add .*GaussianNoise"),
        (["pretext=[labels]", "data.load_properties=[energy]"], r"'forces'.*load the label with"),
    ],
)
def test_a_pretext_without_what_it_learns_is_told(train, words, message):
    with pytest.raises(InputError, match=message):
        train(*PRETRAIN, *words)


def test_a_loss_that_is_not_finite_ends_the_run(train):
    with pytest.raises(InputError, match=r"loss of '.*' is (nan|inf) in step \d+; .* globals\.lr="):
        train(*PRETRAIN, "globals.lr=1e30", "trainer.max_epochs=3", "pretext=[noise]")


@pytest.mark.parametrize("experiment", ["gpip_classical_pretrain", "classical_pretrain"])
def test_classical_labels(train, experiment):
    thirds = ("data.num_train=4", "data.num_val=4")
    found = losses(train(f"experiment={experiment}", "data=configurations", *thirds))
    assert {"test_energy_loss", "test_forces_loss"} <= found.keys()
    assert ("test_noise_loss" in found) == (experiment == "gpip_classical_pretrain")


def test_the_model_of_a_classical_pretraining_predicts_whole_energies(train, tmp_path):
    """The shift by the mean comes back, heads of GPIP's tasks need no mask, elements are known."""
    thirds = ("data.num_train=4", "data.num_val=4", "globals.lr=0")
    train("experiment=gpip_classical_pretrain", "data=configurations", *thirds)
    units = {"energy_unit": "eV", "distance_unit": "Ang"}
    potential = Potential(str(tmp_path / "run" / "best_model"), "cpu", **units)
    (ethanol, water), forces = potential.predict([molecule("CH3CH2OH"), molecule("H2O")])
    # -10 eV per atom, and what an untrained network adds.
    assert (ethanol, water) == (pytest.approx(-90, abs=9), pytest.approx(-30, abs=3))
    assert [f.shape for f in forces] == [(9, 3), (3, 3)]
    with pytest.raises(InputError, match=r"contains Cl.*, but the model knows only H, C, O"):
        potential.predict([molecule("CH3Cl")])


@pytest.mark.parametrize(
    "words",
    [
        ("experiment=gpip_finetune",),
        (*PRETRAIN, "pretext=[labels]", "globals.corrupted_fraction=0"),
    ],
    ids=["gpip_finetune", "pretext labels"],
)
def test_labels_of_other_names(train, renamed, words, tmp_path):
    """Their units follow the names; `gpip predict` finds them in the record of the run."""
    keys = ("globals.energy_key=E_dft", "globals.forces_key=F_dft")
    trainer = train(*words, *keys, datapath=renamed)
    assert losses(trainer).keys() >= {"test_loss"}
    assert trainer.datamodule.property_units == {"E_dft": "eV", "F_dft": "eV/Ang"}
    model = load_model(str(tmp_path / "run" / "best_model"), "cpu")
    assert {"E_dft", "F_dft"} <= set(model.model_outputs)
    assert Card.from_model(model).units == {"E_dft": "eV", "F_dft": "eV/Ang"}


def test_configurations_without_any_label(train, tmp_path):
    store = ASEAtomsData.create(
        str(tmp_path / "frames.db"), distance_unit="Ang", property_unit_dict={}
    )
    store.add_systems([{}] * 10, [molecule("CH3CH2OH")] * 10)
    trainer = train(*PRETRAIN, datapath=tmp_path / "frames.db")
    assert "test_noise_loss" in losses(trainer)


@pytest.mark.parametrize("network", ["painn", "equivariant_transformer"])
def test_finetuning_from_a_pretrained_run_and_from_scratch(train, network, tmp_path, capsys):
    network = f"model/representation={network}"
    train(*PRETRAIN, network, folder="pretrained")
    start = torch.load(tmp_path / "pretrained" / "best_model", weights_only=False)
    capsys.readouterr()
    path = f"pretrained.path={tmp_path / 'pretrained'}"
    # A rate of zero leaves the loaded weights as they are, through EMA and the best model.
    train("experiment=gpip_finetune", network, path, "globals.lr=0", folder="tuned")
    assert "newly initialised" in capsys.readouterr().out
    tuned = load_model(str(tmp_path / "tuned" / "best_model"), "cpu")
    for name, value in start.representation.state_dict().items():
        assert torch.equal(value, tuned.representation.state_dict()[name]), name

    train("experiment=gpip_finetune", network, "globals.lr=0", folder="scratch")
    assert "Training from scratch" in capsys.readouterr().out
    scratch = load_model(str(tmp_path / "scratch" / "best_model"), "cpu")
    weights = scratch.representation.state_dict()
    assert not torch.equal(weights["embedding.weight"], start.representation.embedding.weight)
    assert set(Card.from_model(scratch).elements) <= {"H", "C", "O"}


def test_the_control_differs_in_nothing_but_the_start(compose, database):
    words = ("experiment=gpip_finetune", f"data.datapath={database}")
    scratch = OmegaConf.to_container(compose(*words), resolve=True)
    tuned = OmegaConf.to_container(compose(*words, "pretrained.path=RUN/best_model"), resolve=True)
    assert tuned["pretrained"].pop("path") == "RUN/best_model"
    assert tuned["callbacks"]["pretrained"].pop("path") == "RUN/best_model"
    assert scratch["pretrained"].pop("path") is scratch["callbacks"]["pretrained"].pop("path")
    assert scratch == tuned


def test_a_token_that_fieldschnet_cannot_train_is_refused(train):
    words = [w for w in BACKBONES["field_schnet"][0] if "mask_token" not in w]
    with pytest.raises(InputError, match=r"is never trained.*globals.mask_token=99"):
        train(*PRETRAIN, "model/representation=field_schnet", *words)


def test_vectors_that_so3net_does_not_give_are_told(train):
    with pytest.raises(InputError, match="return_vector_representation=true"):
        train(*PRETRAIN, "model/representation=so3net")
