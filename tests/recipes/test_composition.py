"""Every recipe begins with its command, every choice composes, every command in it is right."""

import inspect
import re
import shlex
from pathlib import Path

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

import gpip_plugins
from gpip_plugins.cli import parser
from gpip_plugins.data import MixtureMember
from gpip_plugins.transform import SubtractCenter

CHECKOUT = Path(gpip_plugins.__file__).parents[1]
TREES = CHECKOUT / "recipes"
FILES = sorted(TREES.rglob("*.yaml"))


def name(path):
    return str(path.relative_to(TREES))


def header(path):
    """Return the comment at the top of a recipe, behind a package directive, line by line."""
    lines = path.read_text().splitlines()
    if lines and lines[0].startswith("# @package"):
        lines = lines[1:]
    end = next((k for k, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return [line.removeprefix("#").strip() for line in lines[:end]]


def commands(path):
    """Return the commands in the header of a recipe, as words."""
    text = "\n".join(header(path)).replace("\\\n", " ")
    found = re.findall(r"^(spktrain|spkmd|spkpredict|gpip) (.*)", text, re.MULTILINE)
    # A remark may follow behind several blanks.
    return [(program, shlex.split(re.split(r" {3,}\(", line)[0])) for program, line in found]


def programs(tree):
    return [
        pytest.param(path, words, id=f"{name(path)}-{k}")
        for path in FILES
        if path.is_relative_to(TREES / tree)
        for k, (program, words) in enumerate(commands(path))
        if program != "gpip"  # composed by the tests of `gpip sample`
    ]


def needed(path):
    """Return a choice with the words that it needs: an experiment, and what it leaves open."""
    group, choice = name(path.parent).split("/", 1)[1], path.stem
    words = [f"{group}={choice}"]
    if group in ("scaffold", "labels"):
        return commands(path)[0][1]
    if group == "data/member":
        return ["experiment=oreo_pretrain"]
    if group == "data/members" or choice == "mixture":
        return ["experiment=oreo_pretrain", *words]
    if group == "experiment":
        return [*words, "data.datapath=labels.db"]
    if group == "pretrained":
        return ["experiment=md17", "data.molecule=ethanol", f"+{group}={choice}"]
    if group == "callbacks":
        return ["experiment=md17", "data.molecule=ethanol", *words]
    if choice == "labelled" or choice.endswith("_labels") or group == "references":
        return ["experiment=gpip_finetune", *words, "data.datapath=labels.db"]
    if choice == "sampling":  # the part of classical_md that `gpip sample` reads, too
        words = ["data=classical_md"]
    words = ["experiment=gpip_pretrain", *words, "data.datapath=labels.db"]
    return words + {"smiles": ["data.system.smiles=CCO"], "file": ["data.system.file=a.xyz"]}.get(
        choice, []
    )


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_recipe_begins_with_a_command_that_uses_it(path):
    tree, *group, _ = path.relative_to(TREES).parts
    program, words = commands(path)[0]
    programs = {"train": ("spktrain", "gpip"), "md": ("spkmd",), "sample": ("gpip",)}
    assert program in programs.get(tree, ("spkpredict",))
    assert header(path)[0].startswith(program)
    # What every command of their tree, or many experiments, use.
    shared = ("config", "sampling", "default")  # `default` of Hydra itself, too
    used = any(path.stem in word or "/".join(group) in word for word in words)
    assert used or not group or group == ["scaffold"] or path.stem in shared


@pytest.mark.parametrize("path", [p for p in FILES if p.is_relative_to(TREES / "train")], ids=name)
def test_every_choice_composes_and_leaves_nothing_open(compose, path):
    config = compose(*needed(path))
    assert OmegaConf.missing_keys(config) <= {"pretrained.path"}


@pytest.mark.parametrize("path", sorted((TREES / "train/experiment").glob("*")), ids=name)
def test_every_experiment_begins_with_its_command(path):
    program, words = commands(path)[0]
    assert program == "spktrain"
    assert words[0] == f"experiment={path.stem}"
    assert header(path)[0] == f"spktrain {shlex.join(words)}"


@pytest.mark.parametrize(("path", "words"), programs("train"))
def test_commands_of_training_compose(compose, path, words):
    whole = "..." not in words
    config = compose(*[word for word in words if word != "..."], resolve=whole)
    if whole:
        assert not OmegaConf.missing_keys(config)
    if path.parent.name == "experiment":
        assert config.run.experiment == path.stem


@pytest.mark.parametrize(("path", "words"), programs("md"))
def test_commands_of_dynamics_compose(compose, path, words):
    config = compose(*words, "simulation_dir=here", tree="md")
    assert not OmegaConf.missing_keys(config)
    keys = ["device", "dynamics.integrator._target_"]
    if not any(word.startswith("callbacks=") for word in words):
        keys += ["callbacks.checkpoint", "callbacks.hdf5"]
    for key in keys:
        assert OmegaConf.select(config, key)


def test_there_are_commands_to_compose():
    """The expressions above find them: the experiments' own, and those of the MD presets."""
    assert len(programs("train")) >= 10 and len(programs("md")) >= 4


@pytest.mark.parametrize(
    "experiment",
    ["gpip_pretrain", "classical_pretrain", "oreo_pretrain", "gpip_oreo_pretrain", "gpip_finetune"],
)
def test_the_commands_printed_after_a_run_compose(compose, experiment):
    config = compose(f"experiment={experiment}", "data.datapath=labels.db")
    steps = instantiate(config.callbacks.next_steps)
    steps.model_path = "/my runs/a=b,[c]/epoch=01.ckpt"
    printed = [line.split(":", 1)[1].strip() for line in steps.text().splitlines()[1:]]
    assert len(printed) == (1 if experiment == "gpip_finetune" else 3)
    for program, *words in map(shlex.split, printed):
        if program == "gpip":
            assert parser().parse_args(words).run
            continue
        extra = ["simulation_dir=here"] if program == "spkmd" else []
        tree = {"spktrain": "train", "spkmd": "md"}[program]
        config = compose(*words, *extra, tree=tree)
        assert not OmegaConf.missing_keys(config)
        files = [OmegaConf.select(config, k) for k in ("pretrained.path", "calculator.model_file")]
        assert steps.model_path in files or "FINETUNED_RUN/best_model" in files


@pytest.mark.parametrize(("stress", "preset"), [(False, "box_nvt"), (True, "box_npt")])
def test_after_periodic_data_a_periodic_preset_is_printed(compose, stress, preset):
    steps = instantiate(compose("experiment=gpip_finetune").callbacks.next_steps)
    (line,) = steps.text(periodic=True, stress=stress).splitlines()[1:]
    program, *words = shlex.split(line.split(":", 1)[1])
    assert (program, words[0]) == ("spkmd", f"simulation={preset}")
    config = compose(*words, "simulation_dir=here", tree="md")
    assert not OmegaConf.missing_keys(config)
    assert bool(OmegaConf.select(config, "dynamics.barostat")) == stress


@pytest.mark.parametrize("backbone", ["painn", "equivariant_transformer"])
def test_the_gradient_head_of_the_noise_goes_on_as_the_energy_head(compose, backbone):
    words = (f"model/representation={backbone}", "pretext=[mask,noise_gradient,contrast]")
    for more, kept in ((words, True), (words[:1], False)):
        config = compose("experiment=gpip_pretrain", *more)
        command = instantiate(config.callbacks.next_steps).commands["fine-tune"]
        assert ("pretrained.head=true" in command) == kept


@pytest.mark.parametrize("pretexts", ["oreo,mask,noise,labels", "labels,noise,mask,oreo"])
def test_transforms_have_one_order_whatever_that_of_the_pretexts(compose, pretexts):
    words = ("experiment=gpip_oreo_pretrain", f"pretext=[{pretexts}]")
    config = compose(*words)
    assert [type(t).__name__ for t in instantiate(config.data.transforms)] == [
        "RemoveAtomReferences",
        "SelectCorrupted",
        "ForceTargets",
        "SubtractCenter",
        "GaussianNoise",
        "MaskAtoms",
        "NeighborList",
        "CastTo32",
    ]
    stored = instantiate(config.model.postprocessors)
    assert [type(t).__name__ for t in stored] == ["CastTo64", "AddAtomReferences"]


def test_a_transform_without_a_place_in_the_order_is_refused(compose):
    own = "+preprocessing.wrap={_target_:gpip_plugins.transform.SubtractCenter}"
    config = compose("experiment=gpip_pretrain", own)
    with pytest.raises(
        InstantiationException, match=r"order=\{centre: 40, .* has no place for wrap;"
    ):
        instantiate(config.data.transforms)
    config = compose(
        "experiment=gpip_pretrain",
        own,
        "+data.transforms.order.wrap=5",
    )
    assert type(instantiate(config.data.transforms)[0]) is SubtractCenter


def test_members_show_the_defaults_of_their_class(compose):
    shown = compose("experiment=oreo_pretrain").data.members.equilibrium
    for name, parameter in inspect.signature(MixtureMember).parameters.items():
        if name in shown and name not in ("kind", "datapath", "labels", "units"):
            assert shown[name] == parameter.default, name


def test_the_molecules_of_md17_are_data_sets_of_their_own(compose):
    words = ("experiment=oreo_pretrain", "data/members=[md17]")
    whole = instantiate(compose(*words).data, train_sampler_cls=None)
    assert len(whole.dataset_names) == 8
    config = compose(*words, "data.members.md17.molecules=[uracil,ethanol]")
    data = instantiate(config.data, train_sampler_cls=None)
    assert data.dataset_names == ["md17_uracil", "md17_ethanol"]
    assert data.members[0].path.endswith("data/md17_uracil.db")
    assert data.members[0].sizes["num_train"] == 0.98


@pytest.mark.parametrize("kind", ["langevin", "nose_hoover", "berendsen"])
def test_thermostats_can_be_chosen_at_the_preset(compose, kind):
    words = ("simulation=molecule_nvt", f"dynamics/thermostat={kind}", "temperature=321")
    files = ("calculator.model_file=a", "system.molecule_file=b", "simulation_dir=here")
    config = compose(*words, *files, tree="md")
    assert config.dynamics.thermostat.temperature_bath == 321
    assert config.system.initializer.temperature == 321


@pytest.mark.parametrize("molecule", ["aspirin", "uracil"])
def test_molecules_have_a_database_of_their_own(compose, molecule, tmp_path):
    config = compose("experiment=gpip_pretrain", f"data/system={molecule}")
    assert config.data.system.molecules == molecule
    assert instantiate(config.data).datapath == f"{tmp_path}/data/{molecule}_opls.db"
