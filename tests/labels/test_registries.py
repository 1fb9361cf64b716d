"""All registered readers, writers, teachers and ways to choose can be used."""

from dataclasses import fields

import pytest
from ase.build import molecule
from hydra.utils import get_method

from gpip_plugins.cli import parser
from gpip_plugins.errors import InputError
from gpip_plugins.labels.keys_and_units import Labels
from gpip_plugins.labels.readers import READERS, reader_of
from gpip_plugins.labels.teachers import TEACHERS, load_teacher
from gpip_plugins.labels.writers import WRITERS


def help_of(command):
    """Return the help of a sub-command, word by word."""
    return " ".join(parser()._subparsers._group_actions[0].choices[command].format_help().split())


def test_readers_have_a_name_and_only_one_fits_a_file(tmp_path):
    molecule("H2O").write(tmp_path / "a.xyz")
    assert len({reader.name for reader in READERS}) == len(READERS)
    assert [reader.fits(str(tmp_path / "a.xyz")) for reader in READERS].count(True) == 1
    assert not reader_of(str(tmp_path / "a.xyz")).states_units(str(tmp_path / "a.xyz"))


@pytest.mark.parametrize("kind", WRITERS)
def test_writers_can_be_imported_and_stand_in_the_help(kind):
    writer = WRITERS[kind]
    assert callable(get_method(writer.function))
    assert not writer.endings or writer.target.endswith(writer.endings)
    assert kind in help_of("select")


@pytest.mark.parametrize("name", TEACHERS)
def test_teachers_stand_in_the_help_and_compute(name):
    pytest.importorskip(TEACHERS[name].path.partition(".")[0])
    assert name in help_of("select")
    atoms = molecule("H2O")
    atoms.calc = load_teacher(name)
    assert atoms.get_forces().shape == (3, 3)


@pytest.mark.parametrize("path", ["ase.calculators.emt:EMT", "ase.calculators.emt.EMT"])
def test_a_teacher_is_named_by_its_import_path(path):
    assert type(load_teacher(path)).__name__ == "EMT"


def test_options_of_a_listed_teacher_are_checked():
    pytest.importorskip("tblite")
    with pytest.raises(InputError, match=r"options=multiplicty: xtb has no .* multiplicity\?"):
        load_teacher("xtb", {"multiplicty": 1})


def test_the_help_of_the_import_states_the_defaults_of_the_library():
    defaults = {field.name: field.default for field in fields(Labels)}
    text = help_of("import")
    for name in ("distance_unit", "energy_key", "forces_key"):
        option = "--" + name.replace("_", "-")
        told = text.split("options:")[1].split(f"{option} ")[1].split(" --")[0]
        assert told.endswith(f"default: {defaults[name]}")
