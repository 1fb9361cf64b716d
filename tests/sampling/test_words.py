"""The words of `gpip sample`: values as they are typed, unknown names in our words."""

import hydra
import pytest

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.systems.sources import Smiles
from gpip_plugins.sampling.words import translate


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("CCO", "CCO"),
        ("[NH3+]CC(=O)[O-]", "[NH3+]CC(=O)[O-]"),
        ("[C]", "[C]"),
        ("[Na+]", "[Na+]"),
        ("[13CH4]", "[13CH4]"),
        ("C/C=C\\C", "C/C=C\\C"),
        ("CC#N", "CC#N"),
        ("'CC(=O)O'", "CC(=O)O"),
        ("[CCN,CCO]", ["CCN", "CCO"]),
        ("[CC(=O)O]", ["CC(=O)O"]),
        ("[CC(=O)O, C[N+](C)(C)C]", ["CC(=O)O", "C[N+](C)(C)C"]),
        ("[[NH3+]CC(=O)[O-],[Na+]]", ["[NH3+]CC(=O)[O-]", "[Na+]"]),
        ("[Na+],CC#N", ["[Na+]", "CC#N"]),
        ("['CC(=O)O',CCO]", ["CC(=O)O", "CCO"]),
    ],
)
def test_smiles_are_read_as_they_are_typed(compose, typed, read):
    assert compose("system=smiles", f"smiles={typed}").data.system.smiles == read


def test_an_atom_in_brackets_is_not_a_list_with_a_molecule(compose):
    """`spktrain data.system.smiles=[C]` gives a list; it must not become methane."""
    config = compose("system=smiles", "data.system.smiles=[C]")
    assert config.data.system.smiles == "[C]"
    config.data.system.smiles = ["C"]
    with pytest.raises(hydra.errors.InstantiationException, match=r"smiles=\[C\] is read as a li"):
        hydra.utils.instantiate(config.data.system)
    assert Smiles(["C"]).build(0)[0].name == "C"


@pytest.mark.parametrize(
    ("words", "key", "read"),
    [
        ("system=file|file=a b/x=1 (new).xyz", "system.file", "a b/x=1 (new).xyz"),
        ("system=file|file=it's(1).xyz", "system.file", "it's(1).xyz"),
        ("system=file|file=[a.xyz,b.xyz]", "system.file", ["a.xyz", "b.xyz"]),
        ("system=file|charges={Cl: -1}", "system.charges", {"Cl": -1}),
        ("system=file|charges={Cl:-1,H4N:1}", "system.charges", {"Cl": -1, "H4N": 1}),
        ("datapath=out=1/a(b).db", "datapath", "out=1/a(b).db"),
        ("system=electrolyte|cation=[Li,Na]", "system.cation", ["Li", "Na"]),
        ("system=electrolyte|solvent=EC:EMC:EMC", "system.solvent", "EC:EMC:EMC"),
        ("temperatures=[300,500]", "temperatures", [300, 500]),
    ],
)
def test_values_with_special_characters_are_read_as_typed(compose, words, key, read):
    node = compose(*words.split("|")).data
    for part in key.split("."):
        node = node[part]
    assert node == read


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "system=ethanl",
            r"system=ethanl is unknown \(did you mean ethanol\?\); choose from aspir",
        ),
        ("size=huge", "size=huge is unknown; choose from laptop, paper"),
        ("cluster=slrum", r"cluster=slrum is unknown \(did you mean slurm\?\)"),
        ("n_frame=3", r"n_frame is no setting \(did you mean n_frames\?\)"),
        ("preparation.ntp=3", r"preparation.ntp is no setting \(did you mean preparation.npt\?\)"),
        ("smiles=CCO", "smiles is no setting of system=ethanol; its own are molecules"),
        (
            "system=water64 molecules=ethanol",
            r"molecules is no setting of system=water64; ",
        ),
        ("temperatures=300,400", r"temperatures=300,400 holds a comma; write .*=\[300,400\]"),
        ("ethanol", "'ethanol' is no setting; type it as KEY=VALUE"),
        ("temperatures=[300", r"temperatures=\[300 cannot be read"),
    ],
)
def test_unknown_names_and_unreadable_values_are_one_sentence(words, message):
    with pytest.raises(InputError, match=message) as error:
        translate(words.split())
    assert "\n" not in str(error.value)


def test_commas_separate_jobs_where_there_are_several():
    words = translate(["-m", "system=smiles", "smiles=C=C,CCO", "seed=1,2"])
    assert words[2:] == ["data.system.smiles='C=C',CCO", "data.seed=1,2"]
