"""Checkpoints of TorchMD-Net and of Pre-training via Denoising: loaded, converted, transferred."""

import warnings

import pytest
import torch
from ase.build import molecule
from schnetpack.atomistic import Forces, PairwiseDistances
from schnetpack.model import NeuralNetworkPotential

from gpip_plugins.atomistic.torchmdnet_energy import TorchMDNetEnergy
from gpip_plugins.checkpoint import load, load_model
from gpip_plugins.cli import main
from gpip_plugins.errors import InputError
from gpip_plugins.representation import CosineCutoff, EquivariantTransformer, ExpNormalRBF
from gpip_plugins.testing import check_model, make_batch
from gpip_plugins.train import transfer

SETTINGS = {
    "model": "equivariant-transformer",
    "embedding_dimension": 16,
    "num_layers": 2,
    "num_rbf": 8,
    "rbf_type": "expnorm",
    "trainable_rbf": False,
    "activation": "silu",
    "attn_activation": "silu",
    "neighbor_embedding": True,
    "num_heads": 4,
    "distance_influence": "both",
    "cutoff_lower": 0.0,
    "cutoff_upper": 4.0,
    "max_z": 30,
    "max_num_neighbors": 64,
    "precision": 32,
    "output_model": "Scalar",
    "reduce_op": "add",
    "derivative": True,
    "atom_filter": -1,
    "prior_model": [{"Atomref": {"max_z": 30}}],
}
LIGHTNING = {
    "load_model": None,
    "remove_ref_energy": False,
    "lr": 1e-3,
    "weight_decay": 0.0,
    "lr_factor": 0.8,
    "lr_patience": 3,
    "lr_min": 1e-7,
    "y_weight": 1.0,
    "neg_dy_weight": 1.0,
}
SYSTEMS = [molecule("CH3CH2OH"), molecule("H2O")]


def shaken(model):
    """Change all weights, also the constants of the energy, from their initial values."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
        model.mean.fill_(-3.0)
        model.std.fill_(2.0)
    return model


def create(**changed):
    from torchmdnet.models.model import create_model

    return shaken(create_model(SETTINGS | changed))


@pytest.fixture
def own_checkpoint(tmp_path):
    """The checkpoint of TorchMD-Net's training module, and its model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TorchMD-Net's many dependencies
        from lightning import Trainer
        from torchmdnet.module import LNNP

        module = LNNP(dict(SETTINGS | LIGHTNING))
        shaken(module.model)
        trainer = Trainer(
            accelerator="cpu", logger=False, default_root_dir=tmp_path, enable_model_summary=False
        )
        trainer.strategy.connect(module)
        trainer.save_checkpoint(tmp_path / "et.ckpt")
    return tmp_path / "et.ckpt", module.model


def old_layout(tensors):
    """Name tensors as in the TorchMD-Net of 2022: no box, no `layers` in the heads."""
    return {
        key.replace("update_net.layers.", "update_net.").replace(
            "prior_model.0.", "prior_model."
        ): v
        for key, v in tensors.items()
        if not key.endswith("distance.box")
    }


@pytest.fixture
def denoising_checkpoint(tmp_path):
    """A file laid out as those of Pre-training via Denoising, and the original's weights."""
    from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

    changed = {"derivative": False, "prior_model": None}
    model = create(**changed)
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    tensors["model.representation_model.out_norm_vec.weight"] = 1 + 0.1 * torch.randn(16)
    tensors |= {
        key.replace("output_model", "output_model_noise"): value
        for key, value in tensors.items()
        if "output_model" in key
    }
    tensors |= {
        f"model.pos_normalizer.{key}": torch.ones(size)
        for key, size in (("acc_sum", 3), ("acc_squared_sum", 3), ("acc_count", 1))
    }
    content = {
        "epoch": 8,
        "global_step": 399999,
        "pytorch-lightning_version": "1.3.8",
        "state_dict": old_layout(tensors),
        "callbacks": {
            EarlyStopping: {"wait_count": 0, "best_score": torch.tensor(0.1)},
            ModelCheckpoint: {"monitor": "val_loss", "dirpath": "experiments"},
        },
        "optimizer_states": [],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": SETTINGS
        | changed
        | {
            "layernorm_on_vec": "whitened",
            "denoising_only": True,
            "output_model_noise": "VectorOutput",
            "position_noise_scale": 0.04,
        },
    }
    torch.save(content, tmp_path / "denoised.ckpt")
    return tmp_path / "denoised.ckpt", model, tensors


def inputs():
    """Return the molecules in the formats of TorchMD-Net and SchNetPack."""
    z = torch.cat([torch.from_numpy(a.numbers) for a in SYSTEMS])
    pos = torch.cat([torch.from_numpy(a.positions) for a in SYSTEMS]).float()
    idx_m = torch.repeat_interleave(torch.tensor([len(a) for a in SYSTEMS]))
    return (z, pos, idx_m), make_batch(SYSTEMS, 4.0, torch.float32)


def test_a_checkpoint_of_torchmdnet_gives_its_energies_and_forces(own_checkpoint, tmp_path, capsys):
    path, original = own_checkpoint
    assert main(["convert-checkpoint", str(path), str(tmp_path / "et_model")]) == 0
    printed = capsys.readouterr().out
    assert "representation, energy, forces" in printed
    assert "model.representation.vector_cutoff=false" in printed

    reference, batch = inputs()
    energy, forces = original.eval()(*reference)
    for model in (load_model(path), load_model(tmp_path / "et_model")):
        out = model(dict(batch))
        torch.testing.assert_close(out["energy"], energy.detach()[:, 0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(out["forces"], forces, rtol=1e-5, atol=1e-5)

    assert main(["convert-checkpoint", str(path), str(tmp_path / "et_model")]) == 1
    assert "exists already" in capsys.readouterr().err
    arguments = ["convert-checkpoint", str(tmp_path / "et_model"), str(tmp_path / "other")]
    assert main(arguments) == 1
    sentence = f"gpip: IN {tmp_path / 'et_model'} is a file of SchNetPack already"
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def whitened(vec, weight):
    """Whiten as Pre-training via Denoising states it, by singular values, in float64."""
    vec = vec.double() - vec.double().mean(-1, keepdim=True)
    apart = torch.diag(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    u, s, vh = torch.linalg.svd(vec @ vec.mT / vec.shape[-1] + 1e-5 * apart)
    return (u @ torch.diag_embed((s + 1e-5) ** -0.5) @ vh @ vec).float() * weight


def test_a_checkpoint_of_pretraining_via_denoising(denoising_checkpoint):
    """Without the authors' file: layout and equation follow their public code."""
    path, original, tensors = denoising_checkpoint
    checkpoint = load(path)
    assert checkpoint.kind == "torchmdnet"
    assert checkpoint.settings["vector_norm"] == "whitened"
    reference, batch = inputs()
    x, vec, *_ = original.representation_model(*reference)
    vec = whitened(vec, tensors["model.representation_model.out_norm_vec.weight"])
    out = checkpoint.module.representation(PairwiseDistances()(batch))
    torch.testing.assert_close(out["scalar_representation"], x, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(out["vector_representation"], vec, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="has no energy that could be used"):
        load_model(path)


def network(outputs=(), **changed):
    settings = {"n_heads": 4, "vector_cutoff": False, "vector_norm": "whitened", "max_z": 30}
    representation = EquivariantTransformer(
        16, 2, ExpNormalRBF(8, 4.0), CosineCutoff(4.0), **(settings | changed)
    )
    return NeuralNetworkPotential(representation, [PairwiseDistances()], list(outputs))


def test_weights_go_into_a_new_model(denoising_checkpoint):
    path, _, tensors = denoising_checkpoint
    model = network()
    result = transfer(load(path), model, {"representation": "representation"})
    assert not result.fresh and not result.differences
    layer = model.representation.attention_layers[1]
    name = "model.representation_model.attention_layers.1.q_proj.weight"
    assert torch.equal(layer.q_proj.weight, tensors[name])


@pytest.mark.parametrize(
    "changed, sentence",
    [
        ({"vector_cutoff": True}, "vector_cutoff is True here and False there"),
        ({"n_heads": 2}, "n_heads is 2 here and 4 there"),
        ({"vector_norm": None}, "vector_norm is None here and whitened there"),
    ],
)
def test_another_setting_is_refused(denoising_checkpoint, changed, sentence):
    with pytest.raises(InputError, match=sentence):
        transfer(
            load(denoising_checkpoint[0]), network(**changed), {"representation": "representation"}
        )


@pytest.mark.parametrize(
    "changed, sentence",
    [
        ({"model": "tensornet"}, "TorchMD-Net's model=tensornet; only equivariant-transformer"),
        ({"distance_influence": "all"}, "distance_influence='all' is unknown; choose from keys"),
        ({"num_heads": 3}, "n_atom_basis=16 is not divisible by n_heads=3"),
        ({"rbf_type": "bessel"}, "rbf_type=bessel, which TorchMD-Net does not know"),
        ({"layernorm_on_vec": "rms"}, "vector_norm='rms' is unknown; choose from whitened"),
        ({"num_layers": 3}, "attention_layers.2.layernorm.weight is None in the file"),
        ({"distance_influence": "keys"}, "dv_proj.weight is .* in the file and should be None"),
        ({"atom_filter": 1}, "trained with atom_filter=1"),
    ],
)
def test_unsupported_settings_are_refused(tmp_path, changed, sentence):
    content = {
        "state_dict": {f"model.{key}": value for key, value in create().state_dict().items()},
        "hyper_parameters": SETTINGS | changed,
    }
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(InputError, match=sentence):
        load(tmp_path / "other.ckpt")


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({k: v for k, v in SETTINGS.items() if k != "max_z"}, "lacks TorchMD-Net's setting max_z"),
        (None, "has weights of TorchMD-Net without hyper_parameters"),
    ],
)
def test_a_file_without_its_settings(tmp_path, settings, sentence):
    tensors = {"model.representation_model.embedding.weight": torch.ones(30, 16)}
    torch.save({"state_dict": tensors, "hyper_parameters": settings}, tmp_path / "other.ckpt")
    with pytest.raises(InputError, match=sentence):
        load(tmp_path / "other.ckpt")


def test_double_precision_stays(tmp_path):
    content = {
        "state_dict": {
            f"model.{key}": value for key, value in create(precision=64).state_dict().items()
        },
        "hyper_parameters": SETTINGS | {"precision": 64},
    }
    torch.save(content, tmp_path / "double.ckpt")
    model = load_model(tmp_path / "double.ckpt")
    out = model(make_batch(SYSTEMS, 4.0))
    assert {out[key].dtype for key in ("energy", "forces")} == {torch.float64}


def test_the_energy_head_passes_all_checks():
    def potential():
        outputs = [TorchMDNetEnergy(16), Forces()]
        return network(outputs, vector_cutoff=True, vector_norm=None)

    check_model(potential, elements=range(1, 30)).raise_if_failed()
