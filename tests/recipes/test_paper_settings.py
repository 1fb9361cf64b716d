"""The settings of the paper and of its authors' code are a matter of overrides."""

import hydra
import pytest
import torch

from gpip_plugins.atomistic import GradientNoise, VectorNoise
from gpip_plugins.nn import ScaledCosineError

#: alpha, beta, mask rate, learning rate, batch: the paper's table.
PAPER = {
    "md17": (1.0, 1.0, 0.10, 1e-3, 100),
    "iso17": (1.0, 0.5, 0.15, 5e-5, 100),
    "water": (1.0, 0.1, 0.15, 4e-3, 100),
    "electrolyte": (1.0, 0.1, 0.05, 4e-3, 3),
}


def built(config, key):
    found = hydra.utils.instantiate(config[key])
    return list(found.values()) if hasattr(found, "values") else list(found)


@pytest.mark.parametrize("data", PAPER)
def test_settings_of_the_paper(compose, data):
    alpha, beta, mask_rate, lr, batch = PAPER[data]
    config = compose(
        "experiment=gpip_pretrain",
        "data=configurations",
        "data.datapath=frames.db",
        f"globals.noise_weight={alpha}",
        f"globals.contrast_weight={beta}",
        f"globals.mask_rate={mask_rate}",
        f"globals.lr={lr}",
        f"data.batch_size={batch}",
        "trainer.max_epochs=3",
    )
    outputs = {output.name: output for output in hydra.utils.instantiate(config.task.outputs)}
    weights = {name: output.loss_weight for name, output in outputs.items()}
    assert weights == {"masked_atoms": 1.0, "noise": alpha, "structure_latent": beta}
    transforms = {type(t).__name__: t for t in hydra.utils.instantiate(config.data.transforms)}
    assert transforms["MaskAtoms"].mask_rate == mask_rate
    assert transforms["GaussianNoise"].sigma == 0.15
    # Adam with weight decay 0.01, three epochs, in the batches of the table.
    assert config.task.optimizer_args == {"lr": lr, "weight_decay": 0.01}
    assert hydra.utils.get_class(config.task.optimizer_cls) in (
        torch.optim.Adam,
        torch.optim.AdamW,
    )
    assert (config.data.batch_size, config.trainer.max_epochs) == (batch, 3)


@pytest.mark.parametrize("data", PAPER)
def test_experiments_of_the_paper_s_data_sets_have_its_settings(compose, data):
    alpha, beta, mask_rate, lr, batch = PAPER[data]
    config = compose(f"experiment=gpip_{data}", "size=paper")
    assert (config.globals.noise_weight, config.globals.contrast_weight) == (alpha, beta)
    assert (config.globals.mask_rate, config.globals.lr) == (mask_rate, lr)
    assert (config.data.batch_size, config.trainer.max_epochs) == (batch, 3)
    assert config.task.optimizer_cls == "torch.optim.Adam"
    assert config.task.optimizer_args == {"lr": lr, "weight_decay": 0.01}
    coldest = 100 if data in ("water", "electrolyte") else 300
    assert config.data.temperatures == list(range(coldest, 1001, 100))
    assert (config.data.sampling_interval, config.data.time_step) == (1.0, 1.0)
    n_frames = {"md17": 160_000, "iso17": 2_000_000, "water": 100_000, "electrolyte": 10_000}
    assert config.data.n_frames == n_frames[data]
    assert config.data.num_train + config.data.num_val == config.data.n_frames
    force_field = "tip3p" if data == "water" else "opls"
    assert config.data.force_field == force_field
    if coldest == 100:
        assert (config.data.preparation.npt, config.data.preparation.annealing) == (5000, 10000)


def test_boxes_of_water_fit_into_a_laptop_s_memory(compose):
    """A hundred of them, the paper's batch, take 18 GB; ten take 3."""
    assert compose("experiment=gpip_water").data.batch_size <= 10


def test_size_paper_of_all_electrolytes_is_the_paper_s(compose):
    config = compose("experiment=gpip_electrolyte", "data/system=electrolytes", "size=paper")
    assert config.data.n_frames == 160_000
    source = hydra.utils.instantiate(config.data.system)
    compositions = dict(source.compositions())
    assert len(compositions) == 16
    assert compositions["Na-TFSI-DME-4M"] == {"Na": 48, "TFSI": 48, "DME": 72}
    assert compositions["Li-PF6-EC-DMC-1M"] == {"Li": 24, "PF6": 24, "EC": 96, "DMC": 96}


def test_what_only_the_code_of_the_authors_does(compose):
    """Gamma 1, noise summed, the scalar's sign reversed, 64 a batch, 5e-5, AdamW and a cosine."""
    config = compose(
        "experiment=gpip_pretrain",
        "pretext=[mask,noise_gradient,contrast]",
        "globals.mask_exponent=1",
        "globals.lr=5e-5",
        "globals.mask_rate=0.1",
        "data.batch_size=64",
        "pretexts.modules.noise.sign=gpip",
        "pretexts.outputs.noise.loss_fn.reduction=sum",
    )
    outputs = {output.name: output for output in hydra.utils.instantiate(config.task.outputs)}
    assert outputs["masked_atoms"].loss_fn.gamma == 1.0
    assert outputs["masked_atoms"].target_property == "_atomic_numbers_clean"
    assert outputs["noise"].loss_fn.reduction == "sum"
    assert outputs["structure_latent"].loss_fn.temperature == 0.1
    assert outputs["structure_latent"].loss_weight == 0.1
    head = next(
        module
        for module in hydra.utils.instantiate(config.model).output_modules
        if isinstance(module, GradientNoise)
    )
    assert head.factor == -1.0
    assert config.task.optimizer_cls == "torch.optim.AdamW"
    assert config.task.scheduler_cls.endswith("CosineAnnealing")


def test_what_only_the_paper_says(compose):
    """The "original feature" of a masked atom as target, and Adam."""
    config = compose(
        "experiment=gpip_pretrain",
        "pretext=[mask_embedding,noise,contrast]",
        "globals.mask_exponent=3",
        "task.optimizer_cls=torch.optim.Adam",
    )
    output = hydra.utils.instantiate(config.task.outputs)[0]
    assert output.target_property == "_embedding_clean"
    assert isinstance(output.loss_fn, ScaledCosineError) and output.loss_fn.gamma == 3.0
    modules = hydra.utils.instantiate(config.model).output_modules
    n_out = config.model.representation.n_atom_basis
    assert next(m for m in modules if hasattr(m, "mask_token")).outnet.out_features == n_out
    assert any(isinstance(module, VectorNoise) for module in modules)


@pytest.mark.parametrize(
    "chosen", [["mask"], ["noise"], ["contrast"], ["mask", "noise"], ["noise", "contrast"]]
)
def test_ablations_are_choices_of_pretext(compose, chosen):
    config = compose("experiment=gpip_pretrain", f"pretext=[{','.join(chosen)}]")
    assert len(config.task.outputs) == len(config.model.output_modules) == len(chosen)


def test_the_loss_of_the_finetuning_is_the_paper_s(compose):
    """Eq. 7: |dE|^2 + 100/n sum_i |dF_i|^2, where the mean runs over 3 n numbers."""
    config = compose("experiment=gpip_finetune", "data.datapath=labels.db")
    energy, forces = hydra.utils.instantiate(config.task.outputs)
    dE, dF = torch.tensor([0.3]), torch.randn(9, 3)
    loss = energy.calculate_loss({"energy": dE}, {"energy": torch.zeros(1)})
    loss += forces.calculate_loss({"forces": dF}, {"forces": torch.zeros(9, 3)})
    torch.testing.assert_close(loss, dE.square().sum() + 100 / 9 * dF.square().sum())
    assert config.trainer.max_epochs == 500
