"""XYZ as people and programs write it: read rightly, or refused in one sentence."""

import gzip

import numpy as np
import pytest

from gpip_plugins.errors import InputError
from gpip_plugins.io.structures import read_structures

GOOD = (
    "2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-1.5\n"
    "H 0.0 0.0 0.0 1.0 0.0 0.0\nH 0.0 0.0 0.74 -1.0 0.0 0.0\n"
)


def read(tmp_path, text, name="a.xyz"):
    (tmp_path / name).write_bytes(text.encode())
    return list(read_structures(str(tmp_path / name)))


@pytest.mark.parametrize(
    ("text", "n_frames"),
    [
        (GOOD, 1),
        (GOOD.replace("\n", "\r\n"), 1),
        (GOOD.replace("\n", "  \n"), 1),
        (GOOD.replace(" 0.0", "\t0.0"), 1),
        (f"{GOOD}\n\n{GOOD}\n \n", 2),
        (f"\ufeff{GOOD}", 1),
        (GOOD.replace("-1.5", "-1.5D+00").replace("0.74", "7.4d-01"), 1),
        (GOOD.replace("energy", 'note="it\'s {1}" energy'), 1),
        (GOOD.rstrip("\n"), 1),
        (GOOD.replace("2\n", "  2  \n"), 1),
    ],
)
def test_what_is_read(tmp_path, text, n_frames):
    frames = read(tmp_path, text)
    assert len(frames) == n_frames
    for atoms in frames:
        assert atoms.get_potential_energy() == -1.5
        np.testing.assert_array_equal(atoms.get_forces(), [[1, 0, 0], [-1, 0, 0]])
        np.testing.assert_array_equal(atoms.positions, [[0, 0, 0], [0, 0, 0.74]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("2\n", "99999999999\n"), "frame 0 .* declares 99999999999 atoms"),
        (GOOD + GOOD.replace("2\n", "9\n"), "frame 1 .* line 5 declares 9 atoms, but only 2"),
        (GOOD.replace("forces:R:3", "forces:R:99999999"), "declares 100000003 columns, but atom 0"),
        (GOOD.replace("forces:R:3", "forces:R:-3"), "cannot be understood"),
        (GOOD.replace("forces:R:3", "forces:R:2"), "declares 6 columns, but atom 0 has 7"),
        (GOOD + "end\n", "frame 1 .*: line 5 is 'end', not a number of atoms"),
        (GOOD.replace("2\n", "-2\n"), "line 1 is '-2', not a number of atoms"),
        (GOOD.replace("energy", "note=it's energy"), "a quote that is not closed"),
        (GOOD.replace("energy", "energy=3.0 energy"), "names energy twice"),
        (GOOD.replace(" 1.0 0.0 0.0\nH", " ****** 0.0 0.0\nH"), "frame 0 .* could not convert"),
        ("2\n\nH 0 0\nH 0 0 1\n", "atom 0 is 'H 0 0', not an element and three coordinates"),
        ("2\n" + "x" * 10_000_001, "a line of more than 10000000 characters"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_columns_without_a_name_are_kept_in_mind(tmp_path):
    (atoms,) = read(tmp_path, "1\na comment of it's own\nH 0 0 0 1 2 3\n")
    assert atoms.info["unnamed_columns"] == 3 and atoms.calc is None


@pytest.mark.parametrize("name", ["x@1.xyz", "x@:.xyz", "a*b.xyz", "x@2.xyz.gz", "x@1.pdb"])
def test_signs_in_a_name_have_no_meaning(tmp_path, name):
    if name.endswith("pdb"):
        text = (
            "ATOM      1  H   MOL     1       0.000   0.000   0.500  1.00  0.00           H\nEND\n"
        )
        (atoms,) = read(tmp_path, text, name)
    else:
        packed = gzip.compress(GOOD.encode()) if name.endswith("gz") else GOOD.encode()
        (tmp_path / name).write_bytes(packed)
        (atoms,) = read_structures(str(tmp_path / name))
    assert set(atoms.symbols) == {"H"}


@pytest.mark.parametrize("name", ["bomb.xyz.gz", "bomb.cif.gz"])
def test_a_file_that_grows_without_end_is_refused(tmp_path, name, monkeypatch):
    monkeypatch.setattr("gpip_plugins.io.structures.LEAST_LIMIT", 1 << 20)
    (tmp_path / name).write_bytes(gzip.compress(bytes(20_000_000).replace(b"\0", b"0")))
    with pytest.raises(InputError, match="more than 1"):
        list(read_structures(str(tmp_path / name)))
