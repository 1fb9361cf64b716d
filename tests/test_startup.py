"""What the commands import: their start and their refusals must not wait for large packages."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.io import write

from gpip_plugins.io.ase_database import write_rows

HEAVY = ("ase.io", "ase.db", "scipy", "matplotlib", "openmm", "rdkit")
NEVER = ("schnetpack", "pytorch_lightning", "torch")
#: Runs commands one after the other in one process; prints the exit code and the large packages
#: that are loaded after each. From light to heavy, since modules stay loaded.
SCRIPT = """
import contextlib, io, json, sys
from gpip_plugins.cli import main
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, [name for name in json.loads(sys.argv[2]) if name in sys.modules]]))
"""
REFUSED = [
    "import none.xyz a.db --energy-unit eV",
    "import a.xyz a.csv --energy-unit eV",
    "quality none.db",
    "leakage none.db other.db",
    "select none.db -n 3",
    "select a.xyz -n 0",
    "select a.xyz -n 3 --format csv",
    "predict none a.xyz p.xyz",
    "convert-checkpoint none model",
    "convert-checkpoint a.xyz model",
    "info none",
    "info a.xyz",
]
HELP = ["--help", "import --help", "quality --help", "predict --help", "select --help"]


def run(folder, commands):
    """Return exit code and loaded packages after each command, and the processor-seconds of all."""
    program = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    program += [json.dumps([c.split() for c in commands]), json.dumps(HEAVY + NEVER)]
    before = os.times()
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=True)
    after = os.times()
    seconds = after.children_user + after.children_system
    seconds -= before.children_user + before.children_system
    return [json.loads(line) for line in done.stdout.splitlines()], seconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("startup")
    rng = np.random.default_rng(0)
    frames = [molecule("H2O") for _ in range(3)]
    for frame in frames:
        frame.positions += rng.normal(scale=0.05, size=(3, 3))
    write(folder / "a.xyz", frames)
    units = {"energy": "eV", "forces": "eV/Ang"}
    rows = ((f, {"energy": np.zeros(1), "forces": np.zeros((3, 3))}, {}) for f in frames)
    write_rows(str(folder / "rows.db"), rows, units)
    torch.save(torch.nn.Linear(2, 2), folder / "best_model")
    return folder


def test_help_and_refusals_import_nothing_large(folder):
    results, seconds = run(folder, [*HELP, *REFUSED, "info best_model"])
    assert [code for code, _ in results] == [0] * len(HELP) + [1] * len(REFUSED) + [0]
    assert not any(loaded for _, loaded in results), results
    # All together; one alone takes 0.7 on a quiet machine, which a loaded one may double.
    assert seconds < 3.0


def test_files_are_handled_without_schnetpack_and_pytorch(folder):
    commands = [
        "info rows.db",
        "select a.xyz -n 2 --out chosen.xyz",
        "select a.xyz -n 2 --out chosen.db --format db",
        "leakage a.xyz rows.db",
        "select a.xyz -n 2 --label ase.calculators.emt:EMT --out labels.db",
        "import labels.db copy.db --energy-unit eV",
        "import a.xyz structures.db --unlabelled",
    ]
    results, _ = run(folder, commands)
    assert [code for code, _ in results] == [0] * 5 + [results[5][0], 0]
    assert not {name for _, loaded in results for name in loaded} & set(NEVER)
