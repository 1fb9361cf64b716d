"""Every command in README and docs is one that the programs take."""

import re
import shlex
from pathlib import Path

import pytest

import gpip_plugins
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
