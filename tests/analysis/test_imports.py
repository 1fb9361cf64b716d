"""The analysis does not import databases, commands or pictures."""

import ast
from pathlib import Path

import pytest

import gpip_plugins.analysis

MODULES = sorted(Path(gpip_plugins.analysis.__file__).parent.glob("*.py"))
ALLOWED = ("gpip_plugins.analysis", "gpip_plugins.errors", "gpip_plugins.units")
FOREIGN = ("ase.db", "ase.io", "argparse", "matplotlib", "hydra", "torch", "schnetpack")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_imports_are_those_of_a_library_of_arrays(module):
    names = []
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.append(node.module)
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    for name in names:
        assert not name.startswith("gpip_plugins") or name.startswith(ALLOWED)
        assert not name.startswith(FOREIGN)
