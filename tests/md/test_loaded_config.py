"""A configuration from a file runs no foreign code."""

import pytest
from omegaconf import OmegaConf

from gpip_plugins.errors import InputError
from gpip_plugins.md.loaded_config import loaded_config

HOOKS = "schnetpack.md.simulation_hooks"


@pytest.fixture
def load(tmp_path):
    """Return a function that loads a configuration with one changed value."""

    def run(key=None, value=None, text=None):
        stored = OmegaConf.create(
            {
                "seed": 3,
                "calculator": {
                    "_target_": "gpip_plugins.md.calculator.PotentialCalculator",
                    "neighbor_list": {
                        "_target_": "gpip_plugins.md.neighbors.MoleculeNeighbors",
                        "base_nbl": "schnetpack.transform.MatScipyNeighborList",
                        "collate_fn": "schnetpack.data.loader._atoms_collate_fn",
                    },
                },
                "callbacks": {"hdf5": {"_target_": f"{HOOKS}.FileLogger", "filename": "a.hdf5"}},
            }
        )
        if key:
            OmegaConf.update(stored, key, value, force_add=True)
        path = tmp_path / "config.yaml"
        path.write_text(OmegaConf.to_yaml(stored) if text is None else text)
        base = OmegaConf.create(
            {"load_config": str(path), "seed": None, "calculator": {}, "callbacks": {}}
        )
        return loaded_config(base)

    return run


def test_a_configuration_of_an_earlier_run_is_loaded(load):
    merged = load()
    assert merged.seed == 3 and merged.load_config is None
    assert merged.callbacks.hdf5.filename == "a.hdf5"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("calculator._target_", "os.system"),
        ("calculator.extra", {"_target_": "builtins.eval", "_args_": ["1"]}),
        ("calculator._target_", "schnetpack.md.calculators.OrcaCalculator"),
        ("calculator.neighbor_list.base_nbl", "os.system"),
        ("calculator.neighbor_list.base_nbl", "schnetpack.transform.CachedNeighborList"),
        ("calculator.neighbor_list.collate_fn", "shutil.rmtree"),
        ("system.initializer", {"_target_": "schnetpack.utils.load_model", "path": "x"}),
        ("dynamics.simulation_hooks", [{"_target_": "subprocess.Popen", "args": "ls"}]),
        ("callbacks.hdf5.filename", "../../a.hdf5"),
        ("callbacks.hdf5.checkpoint_file", "/etc/passwd"),
    ],
)
def test_foreign_code_and_files_are_refused(load, key, value):
    with pytest.raises(InputError, match=r"load_config=.* was not loaded because "):
        load(key, value)


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "a: [", "\x00\x01", "just words"])
def test_what_is_no_configuration_gets_one_sentence(load, text):
    with pytest.raises(InputError, match=r"load_config=.* is not a configuration in YAML; name"):
        load(text=text)


def test_a_loaded_file_trusts_nobody_by_itself(load):
    with pytest.raises(InputError, match=r"trusts the packages os; if they are yours, give"):
        load("calculator.trust", ["os"])
