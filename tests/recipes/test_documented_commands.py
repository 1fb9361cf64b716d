"""Every command in README, docs and recipes is one that the programs take, and it runs.

The quick tests compose and parse the commands. The slow ones run them on small files, each in a
copy of one folder; what needs a download, a large box, a queue or hours is composed only.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

import gpip_plugins
from gpip_plugins._search_path import recipes_folder
from gpip_plugins.cli import parser

ROOT = Path(gpip_plugins.__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM = re.compile(r"^(?:OMP_NUM_THREADS=1 )?(?:\.venv/bin/)?(spktrain|spkmd|gpip) ")
#: Words for `spktrain experiment=gpip_pretrain`, in tables: which network or data need what.
SETTINGS = re.compile(r"^(?:\.\.\. )?((?:model/representation|data/system|data)=\S+ .*)$")


def listed():
    """Return program and words of every command, in code blocks, sentences and tables."""
    found = []
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        blocks = re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S)
        blocks += re.findall(r"(?:^ {4}.*\n)+", text, re.M)
        lines = [line.strip() for block in blocks for line in block.splitlines()]
        text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]
        for line in dict.fromkeys(lines):
            words = []
            if PROGRAM.match(line):
                program, _, rest = line[PROGRAM.match(line).start(1) :].partition(" ")
                words = shlex.split(rest, comments=True)
            elif SETTINGS.match(line):
                program = "spktrain"
                words = ["experiment=gpip_pretrain", *shlex.split(SETTINGS.match(line)[1])]
            # `spktrain ... +seed=7`, `spkmd simulation=` and the mere name `gpip import` are not
            # meant to be typed as they are.
            whole = "..." not in words and not any(word.endswith("=") for word in words)
            if words and whole and words != ["--help"] and (program, len(words)) != ("gpip", 1):
                found.append(pytest.param(program, words, id=f"{page.stem}: {line[:60]}"))
    return found


def test_commands_are_found():
    programs = [param.values[0] for param in listed()]
    assert {name: programs.count(name) > 2 for name in ("spktrain", "spkmd", "gpip")} == {
        "spktrain": True,
        "spkmd": True,
        "gpip": True,
    }


@pytest.mark.parametrize(("program", "words"), listed())
def test_command_is_taken(compose, capsys, program, words):
    if program == "gpip":
        assert parser().parse_args(words).run
    else:
        assert compose(*words, tree={"spktrain": "train", "spkmd": "md"}[program])


#: Commands that are composed only, by a word of theirs.
NOT_RUN = re.compile(
    "|".join(
        (
            r"experiment=(md17|gpip_finetune_md17|gpip_finetune_iso17)",  # downloads
            r"data=(md17_labels|iso17_labels)|members=\[(md17|qm9|ani1x|pcqm4mv2)\]",  # downloads
            r"water\.npy|electrolyte\.xyz|LiPF6|et\.ckpt|et_model|qm9\.xyz|selected_vasp",  # files
            r"cluster=|size=paper|system=(electrolyte|water|isomers|md17)|data\.system|data/system",
            r"^file=(box|salt)|WrapPositions|stress\]|num_train=160",
            r"experiment=gpip_(water|electrolyte|md17|iso17)$",
            r"^count|smiles=\[|^FILE$|--help|restart=|gap|oreo_qm9",
        )
    )
)
#: Experiments that sample first; they run on frames that were sampled once.
SAMPLED = ("gpip_pretrain", "gpip_classical_pretrain", "classical_pretrain")
SMALL = ["trainer.max_epochs=1", "trainer.accelerator=cpu", "run.id=run", "data.batch_size=4"]
NARROW = ["model.representation.n_atom_basis=16", "model.representation.n_interactions=2"]


def in_recipes():
    """Return program and words of every command in the comments of the recipes."""
    for path in sorted(recipes_folder().rglob("*.yaml")):
        text = re.sub(r"\\\n# *", " ", path.read_text())
        for program, rest in re.findall(r"^# *(spktrain|spkmd|gpip) (.*)", text, re.M):
            yield program, shlex.split(re.split(r" {3,}\(", rest)[0])


def to_run(program):
    """Return the words of all different commands of a program that are run."""
    found = [param.values for param in listed()] + list(in_recipes())
    found = {tuple(words) for name, words in found if name == program}
    return [list(words) for words in sorted(found) if not any(map(NOT_RUN.search, words))]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, run_folder, run_program):
    """Return a folder with the files that the commands name, all small."""
    folder = tmp_path_factory.mktemp("documented")
    for name in ("RUN", "RUN1", "RUN2"):
        shutil.copytree(run_folder / "run", folder / name)
    shutil.copy(run_folder / "run" / "best_model", folder)
    ethanol = molecule("CH3CH2OH")
    for name in ("a", "ethanol", "mine", "minima", "test"):
        write(folder / f"{name}.xyz", ethanol)
    boxed = ethanol.copy()
    boxed.set_cell([12.0, 12.0, 12.0])
    boxed.pbc = True
    write(folder / "box.xyz", boxed)
    short = ["n_frames=40", "sampling_interval=0.05", "equilibration=0.05", "energy_check=0"]
    run_program(folder, "gpip", "sample", "system=ethanol", "data.datapath=ethanol.db", *short)
    label(folder)
    (folder / "data").mkdir(exist_ok=True)
    run_program(folder, "gpip", "import", "labels.xyz", "labels.db", "--energy-unit", "eV")
    run_program(folder, "gpip", "import", "labels.xyz", "minima.db", "--unlabelled")
    for copy in ("test.db", "train.db", "data/off_equilibrium.db"):
        shutil.copy(folder / "labels.db", folder / copy)
    shutil.copy(folder / "minima.db", folder / "data" / "equilibrium.db")
    for copy in ("frames.db", "data/ethanol_opls.db", "data/ethanol.db"):
        shutil.copy(folder / "ethanol.db", folder / copy)
    return folder


def label(folder):
    """Write the sampled frames with the energies and forces of the force field as labels.xyz."""
    from gpip_plugins.io.ase_database import Database

    database, frames = Database(folder / "ethanol.db"), []
    for row in database.rows():
        atoms = database.structure(row)
        energy, forces = float(np.ravel(row.data["energy"])[0]), np.asarray(row.data["forces"])
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        frames.append(atoms)
    write(folder / "labels.xyz", frames)
    write(folder / "labels.xyz.gz", frames)


@pytest.fixture
def faults(prepared, tmp_path):
    """Return a function that runs commands in one process; it returns what went wrong."""

    def run(program, commands) -> str:
        jobs = []
        for k, words in enumerate(commands):
            shutil.copytree(prepared, tmp_path / str(k))
            jobs.append([str(tmp_path / str(k)), words])
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("typed.py"), program],
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        ends = json.loads(done.stdout.splitlines()[-1])
        pairs = zip(commands, ends, strict=True)
        return "\n\n".join(f"{program} {shlex.join(w)}\n{end}" for w, end in pairs if end)

    return run


@pytest.mark.slow
def test_documented_simulations_run(faults):
    few = ["dynamics.n_steps=12", "simulation_dir=md"]
    commands = [[*words, *few] for words in to_run("spkmd")]
    assert len(commands) > 15
    wrong = faults("spkmd", commands)
    assert not wrong, wrong


@pytest.mark.slow
def test_documented_trainings_run(faults):
    commands = []
    for words in to_run("spktrain"):
        experiment = words[0].removeprefix("experiment=")
        sampled = experiment in SAMPLED and not any("datapath" in word for word in words)
        more = ["data=configurations", "data.datapath=frames.db"] if sampled else []
        narrow = [] if any("pretrained.path" in word for word in words) else NARROW
        commands.append([*words, *more, *SMALL, *narrow])
    assert len(commands) > 30
    wrong = faults("spktrain", commands)
    assert not wrong, wrong


@pytest.mark.slow
def test_documented_gpip_commands_run(faults):
    few = ["n_frames=16", "sampling_interval=0.02", "equilibration=0.02", "energy_check=0"]
    few += ["data.datapath=out.db"]
    commands = []
    for words in to_run("gpip"):
        more = {"sample": few, "import": ["--force"], "select": ["--force"]}.get(words[0], [])
        commands.append(["3" if word == "200" else word for word in words] + more)
    assert len(commands) > 5
    wrong = faults("gpip", commands)
    assert not wrong, wrong
