"""Allowed imports: a room uses only rooms above it in the table of CONTRIBUTING.md."""

import ast
from pathlib import Path

import pytest

import gpip_plugins

ROOT = Path(gpip_plugins.__file__).parent
#: A room imports only rooms before it.
ORDER = (
    "errors",
    "units",
    "properties",
    "io",
    "analysis",
    "nn",
    "transform",
    "representation",
    "atomistic",
    "labels",
    "data",
    "task",
    "checkpoint",
    "potential",
    "report",
    "train",
    "sampling",
    "datasets",
    "md",
    "testing",
    "cli",
)
#: Modules outside this order: the version, and the search path of Hydra.
APART = ("__init__", "_search_path", "_hydra_plugin")
MODULES = sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    """Return the room of a file: the first folder below the package, or the module itself."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> list[str]:
    """Return the full names of the modules of the package that a file imports, anywhere in it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gpip_plugins"):
            whole = (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
            found += whole if node.module == "gpip_plugins" else [node.module]
        elif isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.startswith("gpip_plugins")]
    return [name for name in found if name not in ("gpip_plugins", "gpip_plugins.__version__")]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_room_imports_only_rooms_above_it_in_the_table(path):
    room = room_of(path)
    for name in imported(path):
        other = name.split(".")[1]
        assert (
            other == room
            or other in APART
            or room in APART
            or (ORDER.index(other) < ORDER.index(room))
        ), f"{path.relative_to(ROOT)} imports {name}"


def test_the_rooms_of_the_package_are_those_of_the_list():
    rooms = {room_of(path) for path in MODULES}
    assert rooms - set(APART) == set(ORDER)


@pytest.mark.parametrize("room", ["sampling", "md", "train"])
def test_sampling_simulation_and_training_do_not_import_each_other(room):
    others = {"sampling", "md", "train"} - {room}
    for path in (ROOT / room).rglob("*.py"):
        assert not {name.split(".")[1] for name in imported(path)} & others, path


def test_only_the_command_line_imports_commands():
    for path in MODULES:
        if room_of(path) != "cli":
            commands = [n for n in imported(path) if n.split(".")[-1] in ("command", "cli")]
            assert not commands, path


def test_analysis_imports_no_database_and_no_picture():
    for path in (ROOT / "analysis").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not any(word in text for word in ("ase.db", "schnetpack", "matplotlib", "argparse"))


def test_torchmdnet_is_imported_only_where_it_is_used():
    """Its import takes seconds and prints a banner, so no module does it at its top."""
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in getattr(node, "names", ())]
            names.append(getattr(node, "module", None) or "")
            assert not any(name.split(".")[0] in ("torchmdnet", "warp") for name in names), path


def test_every_module_has_a_place_in_the_reference():
    pages = (ROOT.parent / "docs" / "api").glob("*.md")
    listed = [
        line.removeprefix("::: ")
        for page in pages
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("::: ")
    ]
    if not listed:
        pytest.skip("the documentation is not here")
    assert len(listed) == len(set(listed))
    for path in MODULES:
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        if not parts[-1].startswith("_") and parts[-1] != "command":
            assert ".".join(parts) in listed, path
