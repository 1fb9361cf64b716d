"""The wheel: what is in it, and that it works in an environment and a folder of its own."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPES = sorted(path.relative_to(ROOT) for path in (ROOT / "recipes").rglob("*.yaml"))
EXPERIMENTS = sorted(path.stem for path in (ROOT / "recipes/train/experiment").glob("*.yaml"))
SIMULATIONS = sorted(path.stem for path in (ROOT / "recipes/md/simulation").glob("*.yaml"))

pytestmark = pytest.mark.slow


def run(*command, cwd=None, timeout=900):
    """Run a command as a user would: nothing of this checkout or its environment leaks in."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "HYDRA_FULL_ERROR", "PYTHONWARNINGS")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def has_uv():
    """Tell whether uv runs: pyenv may have a shim of it without a program behind it."""
    if not shutil.which("uv"):
        return False
    return subprocess.run(["uv", "--version"], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    if has_uv():
        run("uv", "build", "--wheel", "--quiet", "--out-dir", folder, ROOT)
    else:
        run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    (path,) = folder.glob("gpip_plugins-*.whl")
    return path


@pytest.fixture(scope="module")
def bin_folder(wheel, tmp_path_factory):
    """Commands of a fresh environment that holds the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    if has_uv():
        run("uv", "venv", "--quiet", "--python", sys.executable, folder)
        run("uv", "pip", "install", "--quiet", "--python", folder / "bin/python", wheel)
    else:
        run(sys.executable, "-m", "venv", folder)
        run(folder / "bin/python", "-m", "pip", "install", "--quiet", wheel)
    return folder / "bin"


def test_wheel_holds_package_recipes_and_plugin_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        plugin = archive.read("hydra_plugins/gpip_plugins.py")
        metadata = archive.read(next(n for n in names if n.endswith("METADATA"))).decode()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "gpip_plugins",
        "hydra_plugins",
    }
    assert {f"gpip_plugins/{path.as_posix()}" for path in RECIPES} <= names
    assert plugin == (ROOT / "gpip_plugins/_hydra_plugin.py").read_bytes()
    # An __init__.py would turn Hydra's namespace package into ours and hide other plugins.
    assert "hydra_plugins/__init__.py" not in names
    assert not [name for name in names if "__pycache__" in name or name.endswith((".db", ".pt"))]
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    assert any("schnetpack" in line for line in required)
    # SchNetPack 2.2 itself installs pytest; we ask for it in the extra `test` only.
    assert not [line for line in required if "pytest" in line and "extra" not in line]


def test_every_module_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    sources = {p.relative_to(ROOT).as_posix() for p in (ROOT / "gpip_plugins").rglob("*.py")}
    # Hatchling moves a file that is force-included: the plugin is found under its new name only.
    assert sources - names == {"gpip_plugins/_hydra_plugin.py"}


def test_installed_package_is_not_the_checkout(bin_folder, tmp_path):
    code = "import gpip_plugins; print(gpip_plugins.__file__)"
    file = run(bin_folder / "python", "-c", code, cwd=tmp_path).strip()
    assert Path(file).is_relative_to(bin_folder.parent)


def test_all_experiments_and_simulations_compose(bin_folder, tmp_path):
    """By Hydra's own composition; this needs the search path but not SchNetPack's imports."""
    code = f"""
from hydra import compose, initialize_config_module
for module, name, group, choices in (
    ("schnetpack.configs", "train", "experiment", {EXPERIMENTS}),
    ("schnetpack.md.md_configs", "config", "simulation", {SIMULATIONS}),
):
    with initialize_config_module(module, version_base="1.2"):
        for choice in choices:
            print(group, choice, len(compose(name, [f"{{group}}={{choice}}"])))
"""
    printed = run(bin_folder / "python", "-c", code, cwd=tmp_path).splitlines()
    assert len(printed) == len(EXPERIMENTS) + len(SIMULATIONS) >= 2


def test_spktrain_composes_from_an_empty_folder(bin_folder, tmp_path):
    printed = run(bin_folder / "spktrain", "experiment=gpip_pretrain", "--cfg", "job", cwd=tmp_path)
    assert "_target_: gpip_plugins.transform.MaskAtoms" in printed
    assert list(tmp_path.iterdir()) == []


def test_spktrain_help_lists_our_experiments(bin_folder, tmp_path):
    printed = run(bin_folder / "spktrain", "--help", cwd=tmp_path)
    (line,) = [line for line in printed.splitlines() if line.startswith("experiment:")]
    assert set(EXPERIMENTS) <= {name.strip() for name in line.partition(":")[2].split(",")}
    assert "simulation:" not in printed, "spktrain must not see the recipes of spkmd"


def test_spkmd_composes_from_an_empty_folder(bin_folder, tmp_path):
    printed = run(bin_folder / "spkmd", "simulation=molecule_nvt", "--cfg", "job", cwd=tmp_path)
    assert "temperature_bath" in printed
    assert "experiment" not in run(bin_folder / "spkmd", "--help", cwd=tmp_path)


def test_every_gpip_command_answers(bin_folder, tmp_path):
    usage = run(bin_folder / "gpip", "--help", cwd=tmp_path)
    commands = re.findall(r"^    ([a-z-]+)(?: |$)", usage, re.MULTILINE)
    assert {"sample", "import", "predict", "quality", "select", "leakage"} <= set(commands)
    for command in commands:
        assert f"gpip {command}" in run(bin_folder / "gpip", command, "--help", cwd=tmp_path)


def test_gpip_sample_works_from_the_wheel(bin_folder, tmp_path):
    words = ["system=ethanol", "n_frames=2", "temperatures=[300]", "equilibration=0.01"]
    words += ["sampling_interval=0.01", "energy_check=0", "quality=false", "cores=1"]
    run(bin_folder / "gpip", "sample", *words, cwd=tmp_path)
    assert (tmp_path / "data" / "ethanol_opls.db").is_file()


def test_consistency_kit_runs_without_a_test_framework(bin_folder, tmp_path):
    """It must not load pytest, though SchNetPack 2.2 has it installed."""
    code = (
        "import sys; from gpip_plugins.testing import check_representation; "
        "from schnetpack.nn import CosineCutoff, GaussianRBF; "
        "from schnetpack.representation import PaiNN; "
        "check_representation(lambda: PaiNN(4, 1, GaussianRBF(6, 4.0), CosineCutoff(4.0)),"
        " elements=range(1, 9)).raise_if_failed(); "
        "print('pytest' in sys.modules)"
    )
    assert run(bin_folder / "python", "-W", "ignore", "-c", code, cwd=tmp_path).strip() == "False"
