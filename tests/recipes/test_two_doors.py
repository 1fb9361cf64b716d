"""`gpip sample` and `spktrain data=classical_md` sample alike and find each other's databases."""

import hydra
import pytest
from ase.db import connect
from hydra.core.global_hydra import GlobalHydra

from gpip_plugins._search_path import recipes_folder
from gpip_plugins.sampling.campaign.generate import generate
from gpip_plugins.sampling.dynamics.engine import Engine
from gpip_plugins.sampling.program import translate
from gpip_plugins.sampling.settings import KEYWORDS
from gpip_plugins.sampling.systems.choices import register_molecules

TINY = ["n_frames=4", "temperatures=[300,600]", "sampling_interval=0.01", "equilibration=0.01"]
TINY += ["energy_check=0", "quality=false", "cores=1", "progress=false"]


@pytest.fixture
def compose_sample():
    """Return a function that composes what `gpip sample WORDS` would run."""

    def run(*words):
        register_molecules()
        GlobalHydra.instance().clear()
        folder = recipes_folder()
        overrides = [*translate(words), f"hydra.searchpath=[file://{folder / 'train'}]"]
        with hydra.initialize_config_dir(str(folder / "sample"), version_base="1.3"):
            return hydra.compose("config", overrides=overrides)

    return run


@pytest.mark.parametrize(
    ("system", "database"), [("system=ethanol", "ethanol_opls.db"), ("", "ethanol_opls.db")]
)
def test_training_finds_what_gpip_sample_sampled(
    compose, compose_sample, tmp_path, monkeypatch, system, database
):
    words = [word for word in [system, *TINY] if word]
    assert generate(hydra.utils.instantiate(compose_sample(*words).data))
    with connect(tmp_path / "data" / database, use_lock_file=False) as db:
        assert [row.force_field for row in db.select()] == ["opls"] * 4
    written = (tmp_path / "data" / database).stat().st_mtime_ns

    monkeypatch.setattr(Engine, "run", lambda *args, **kwargs: 1 / 0)
    config = compose(
        "experiment=gpip_pretrain", *translate(words), "data.num_train=2", "data.num_val=2"
    )
    data = hydra.utils.instantiate(config.data)
    data.prepare_data()
    assert data.datapath == str(tmp_path / "data" / database)
    assert (tmp_path / "data" / database).stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "system", ["aspirin", "md17", "isomers", "water64", "electrolyte", "electrolytes"]
)
def test_both_name_the_same_settings(compose, compose_sample, system):
    trained = compose("experiment=gpip_pretrain", f"data/system={system}").data
    sampled = compose_sample(f"system={system}").data
    keys = KEYWORDS | {"system"}
    assert {key: trained[key] for key in keys} == {key: sampled[key] for key in keys}
    paths = [data.datapath.rpartition("/")[2] for data in (trained, sampled)]
    assert paths[0] == paths[1]
