"""The paper's four fine-tunings: settings, and a batch of each from data of the true format."""

import shlex

import hydra
import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from omegaconf import OmegaConf
from schnetpack.data import ASEAtomsData

from gpip_plugins.checkpoint import load_model
from gpip_plugins.errors import InputError

#: Training, validation and test configurations, epochs, optimiser.
PAPER = {
    "md17": (1000, 1000, None, 500, "torch.optim.AdamW"),
    "iso17": (20000, 4000, None, 500, "torch.optim.AdamW"),
    "water": (950, 50, 10000, 500, "torch.optim.AdamW"),
    "electrolyte": (240, 60, 500, 800, "torch.optim.Adam"),
}


def distorted(name, n, rng):
    found = []
    for _ in range(n):
        atoms = molecule(name)
        atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
        found.append(atoms)
    return found


def store(path, names, frames, rng, **metadata):
    """Write a database with random labels under two names, as SchNetPack's classes leave it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    units = dict(zip(names, ("eV", "eV/Ang"), strict=True))
    data = ASEAtomsData.create(str(path), distance_unit="Ang", property_unit_dict=units)
    data.update_metadata(**metadata)
    labels = [
        dict(zip(names, (rng.normal(size=1), rng.normal(size=(len(a), 3))), strict=True))
        for a in frames
    ]
    data.add_systems(labels, frames)


def md17(folder):
    rng = np.random.default_rng(0)
    frames = distorted("CH3CH2OH", 12, rng)
    store(folder / "here.db", ("energy", "forces"), frames, rng, molecule="ethanol")
    return [f"data.datapath={folder / 'here.db'}"]


def iso17(folder):
    rng = np.random.default_rng(0)
    for fold, n in (("reference", 12), ("test_within", 5), ("test_other", 4)):
        frames = distorted("CH3CH2OH", n, rng)
        store(folder / f"iso17/{fold}.db", ("total_energy", "atomic_forces"), frames, rng)
    return [f"data.datapath={folder}"]


def water(folder):
    rng = np.random.default_rng(0)
    content = {
        "wrapped_coords": rng.uniform(0, 6, (40, 6, 3)),
        "forces": rng.normal(size=(40, 6, 3)),
        "energy": rng.normal(size=40),
        "atom_types": np.array([8, 1, 1] * 2),
        "lengths": np.full(3, 6.0),
        "angles": np.full(3, 90.0),
    }
    np.save(folder / "water.npy", content)
    return [f"data.source={folder}/water.npy", f"data.datapath={folder}/w.db"]


def electrolyte(folder):
    rng = np.random.default_rng(0)
    frames = distorted("H2O", 12, rng)
    for atoms in frames:
        atoms.calc = SinglePointCalculator(
            atoms, energy=float(rng.normal()), forces=rng.normal(size=(3, 3))
        )
    write(folder / "LiPF6.xyz", frames)
    return [f"data.sources={folder}/LiPF6.xyz", f"data.datapath={folder}/e.db"]


FAMILIES = {"md17": md17, "iso17": iso17, "water": water, "electrolyte": electrolyte}
SIZES = ["data.num_train=6", "data.num_val=4"]


@pytest.mark.parametrize("family", PAPER)
def test_settings_of_the_paper(compose, family):
    config = compose(f"experiment=gpip_finetune_{family}")
    n_train, n_val, n_test, epochs, optimiser = PAPER[family]
    assert (config.data.num_train, config.data.num_val) == (n_train, n_val)
    assert config.data.num_test == n_test
    assert config.trainer.max_epochs == epochs
    assert config.task.optimizer_cls == optimiser
    assert config.run.experiment == f"gpip_finetune_{family}"
    assert not OmegaConf.missing_keys(config)
    # Eq. 7: |dE|^2 + 100/n sum_i |dF_i|^2.
    energy, forces = hydra.utils.instantiate(config.task.outputs)
    assert (energy.name, forces.name) == (config.globals.energy_key, config.globals.forces_key)
    assert forces.loss_weight == 3 * 100 * energy.loss_weight
    if family == "electrolyte":
        assert config.task.optimizer_args == {"lr": 5e-4, "weight_decay": 0.8}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_trains_a_batch_from_a_pretrained_run(train, database, family, tmp_path):
    words = ("experiment=gpip_pretrain", "data=configurations", f"data.datapath={database}")
    train(*words, folder="pretrained")
    folder = tmp_path / "downloads"
    folder.mkdir()
    words = [*SIZES, *FAMILIES[family](folder)]
    if family == "water":
        words.append("data.num_test=4")
    elif family == "electrolyte":
        words.append("data.num_test=2")
    path = f"pretrained.path={tmp_path / 'pretrained'}"
    trainer = train(
        f"experiment=gpip_finetune_{family}", *words, path, "globals.lr=0", folder="tuned"
    )
    assert trainer.global_step == 1
    start = torch.load(tmp_path / "pretrained" / "best_model", weights_only=False)
    tuned = load_model(str(tmp_path / "tuned" / "best_model"), "cpu")
    for name, value in start.representation.state_dict().items():
        assert torch.equal(value, tuned.representation.state_dict()[name]), name


def module(compose, family, folder, *words):
    config = compose(
        f"experiment=gpip_finetune_{family}", *SIZES, *FAMILIES[family](folder), *words
    )
    return hydra.utils.instantiate(config.data, train_sampler_cls=None)


@pytest.mark.parametrize(("fold", "n"), [("test_within", 5), ("test_other", 4)])
def test_both_test_sets_of_iso17(compose, tmp_path, fold, n):
    data = module(compose, "iso17", tmp_path, f"data.test_fold={fold}")
    data.prepare_data()
    data.setup()
    assert [len(d) for d in (data.train_dataset, data.val_dataset, data.test_dataset)] == [6, 4, n]
    stored = ASEAtomsData(str(tmp_path / f"iso17/{fold}.db"))
    seen = sum(len(batch["total_energy"]) for batch in data.test_dataloader())
    assert seen == len(stored) == n
    # The mean of the training energies is taken off test energies too.
    mean = torch.stack([data.dataset[k]["total_energy"] for k in data.train_idx]).mean() / 9
    first = next(iter(data.test_dataloader()))["total_energy"][0]
    assert first.item() == pytest.approx(
        stored[0]["total_energy"].item() - 9 * mean.item(), abs=1e-4
    )


def test_the_command_for_unknown_molecules_is_taken(compose):
    from gpip_plugins.cli import parser

    config = compose("experiment=gpip_finetune_iso17", "data.datapath='my downloads'")
    steps = hydra.utils.instantiate(config.callbacks.next_steps)
    steps.model_path = "/my runs/best_model"
    simulate, unknown = (line.split(":", 1)[1] for line in steps.text().splitlines()[1:])
    program, *words = shlex.split(unknown)
    args = parser().parse_args(words)
    assert (program, args.model_file, args.source) == (
        "gpip",
        "/my runs/best_model",
        "my downloads/iso17/test_other.db",
    )
    config = compose(*shlex.split(simulate)[1:], "simulation_dir=here", tree="md")
    names = ("model_file", "energy_key", "force_key")
    assert [config.calculator[name] for name in names] == [
        "/my runs/best_model",
        "total_energy",
        "atomic_forces",
    ]


def test_another_molecule_or_fold_is_refused(compose, tmp_path):
    data = module(compose, "md17", tmp_path, "data.molecule=aspirin")
    with pytest.raises(InputError, match="`ethanol` instead of `aspirin`"):
        data.prepare_data()
    with pytest.raises(Exception, match=r"molecule='water' is unknown; choose from"):
        module(compose, "md17", tmp_path / "b", "data.molecule=water")
    with pytest.raises(Exception, match=r"test_fold='reference' is unknown; choose"):
        module(compose, "iso17", tmp_path / "c", "data.test_fold=reference")
