"""Composing recipes in this process as `spktrain` does, and a small database for them."""

from pathlib import Path

import hydra
import numpy as np
import pytest
from ase.build import molecule
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict
from pytorch_lightning import Trainer, seed_everything
from schnetpack.data import ASEAtomsData
from schnetpack.utils import str2class
from schnetpack.utils.script import log_hyperparameters

import gpip_plugins

RECIPES = Path(gpip_plugins.__file__).parents[1] / "recipes"
if not RECIPES.is_dir():
    RECIPES = Path(gpip_plugins.__file__).parent / "recipes"

#: Small enough for a batch in a fraction of a second.
SMALL = [
    "data.batch_size=4",
    "model.representation.n_atom_basis=8",
    "model.representation.n_interactions=1",
    "model.representation.radial_basis.n_rbf=6",
]


@pytest.fixture
def recipes():
    """Return the folder of the recipes."""
    return RECIPES


@pytest.fixture
def compose(tmp_path, monkeypatch):
    """Return a function that composes what `spktrain WORDS` would run, or `spkmd WORDS`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    (tmp_path / "configs").mkdir()  # which SchNetPack's search path names
    trees = {
        "train": ("schnetpack.configs", "train", ["run.id=test", f"run.work_dir={tmp_path}"]),
        "md": ("schnetpack.md.md_configs", "config", []),
    }

    def run(*words: str, tree: str = "train", resolve: bool = True) -> DictConfig:
        module, name, fixed = trees[tree]
        with hydra.initialize_config_module(module, version_base="1.2"):
            config = hydra.compose(name, overrides=[*words, *fixed], return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        if resolve:
            OmegaConf.to_container(config, resolve=True)
        # Paths are resolved from the current folder, as outside of Hydra.
        HydraConfig.instance().cfg = None
        return config

    return run


def write_labels(path, energy="energy", forces="forces"):
    """Write twelve distorted molecules with energies, -10 eV per atom, and forces; return path."""
    rng = np.random.default_rng(0)
    units = {energy: "eV", forces: "eV/Ang"}
    store = ASEAtomsData.create(str(path), distance_unit="Ang", property_unit_dict=units)
    frames, labels = [], []
    for k in range(12):
        atoms = molecule(("CH3CH2OH", "H2O", "CH4")[k % 3])
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
        frames.append(atoms)
        label = rng.normal(size=1) - 10.0 * len(atoms)
        labels.append({energy: label, forces: rng.normal(size=(len(atoms), 3))})
    store.add_systems(labels, frames)
    return path


@pytest.fixture
def database(tmp_path):
    """Return the path of labelled molecules, as `write_labels` writes them."""
    return write_labels(tmp_path / "labels.db")


@pytest.fixture
def renamed(tmp_path):
    """Return the path of the same molecules, whose labels have other names."""
    return write_labels(tmp_path / "renamed.db", "E_dft", "F_dft")


@pytest.fixture
def train(compose, database, tmp_path):
    """Return a function that trains a recipe with everything that it names, a batch per epoch."""

    def run(
        *words: str,
        folder: str = "run",
        datapath: Path = database,
        max_epochs: int = 1,
        accelerator: str = "cpu",
    ) -> Trainer:
        last = f"trainer.max_epochs={max_epochs}"
        config = compose(f"data.datapath={datapath}", *words, *SMALL, last)
        (tmp_path / folder).mkdir()
        seed_everything(0, verbose=False)
        # In the order of spktrain, whose file cannot be imported beside that of spkmd.
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path / folder)
            data = hydra.utils.instantiate(config.data, train_sampler_cls=None)
            model = hydra.utils.instantiate(config.model)
            scheduler = config.task.scheduler_cls
            task = hydra.utils.instantiate(
                config.task,
                model=model,
                optimizer_cls=str2class(config.task.optimizer_cls),
                scheduler_cls=str2class(scheduler) if scheduler else None,
            )
            trainer = hydra.utils.instantiate(
                config.trainer,
                callbacks=[hydra.utils.instantiate(c) for c in config.callbacks.values()],
                logger=[hydra.utils.instantiate(c) for c in config.logger.values()],
                accelerator=accelerator,
                limit_train_batches=1,
                limit_val_batches=1,
                limit_test_batches=1,
                enable_progress_bar=False,
                enable_model_summary=False,
                log_every_n_steps=1,
                default_root_dir=str(tmp_path),
                _convert_="partial",
            )
            log_hyperparameters(config=config, model=task, trainer=trainer)
            trainer.fit(task, datamodule=data)
            trainer.test(task, datamodule=data, ckpt_path="best", verbose=False)
        return trainer

    return run
