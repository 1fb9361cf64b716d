"""Formats in which ASE would guess elements are refused."""

import numpy as np
import pytest
from ase import Atoms

from gpip_plugins.errors import InputError
from gpip_plugins.io.structures import read_structures

DUMP = """ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS xy xz yz pp pp pp
0 12 2
0 10 0
0 10 0
ITEM: ATOMS id type {column}xs ys zs fx fy fz
2 2 {second}0.5 0.5 0.5 0 0 1
1 1 {first}0.25 0.5 0.1 0 0 -1
"""
TYPES = DUMP.format(column="", first="", second="")
STATED = DUMP.format(column="element ", first="C ", second="O ")
BOX = "0 9 xlo xhi\n0 9 ylo yhi\n0 9 zlo zhi\n"
DATA = "LAMMPS\n\n2 atoms\n2 atom types\n" + BOX + "{labels}\nAtoms # atomic\n\n{atoms}"
DATA_TYPES = DATA.format(labels="", atoms="1 1 0 0 0\n2 2 0 0 1.2\n")
DATA_LABELS = DATA.format(
    labels="\nAtom Type Labels\n\n1 C\n2 O\n", atoms="1 C 0 0 0\n2 O 0 0 1.2\n"
)
PDB = "ATOM      1  CA  ALA A   1      -0.446   0.029   1.234  1.00  0.00          {:>2}\n"
POSCAR = "In situ\n1.0\n4 0 0\n0 4 0\n0 0 4\n{}1 1\nDirect\n0 0 0\n.5 .5 .5\n"
GRO = "water\n1\n    1SOL     HW    1   0.100   0.100   0.100\n   1.0 1.0 1.0\n"
CIF = """data_x
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0 0 0 {}
"""


@pytest.fixture
def read(tmp_path):
    """Return a function: name and text of a file to its first structure."""

    def write_and_read(name, text, elements=None):
        (tmp_path / name).write_text(text)
        first, *_ = read_structures(str(tmp_path / name), elements)
        return first

    return write_and_read


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.dump", TYPES, "types of LAMMPS, which are not elements; write it with the column elem"),
        ("a.dump", STATED + TYPES, "types of LAMMPS"),  # one frame of two states elements
        ("a.dump", "ITEM: UNITS\nlj\n" + STATED, "LAMMPS units 'lj'; only metal and real"),
        ("a.data", DATA_TYPES, "write it with the section Atom Type Labels"),
        ("a.pdb", PDB.format("C") + PDB.format(""), "no element for 'CA' in line 2"),
        ("POSCAR", POSCAR.format(""), "names no elements .* a line above the numbers '1 1'"),
        ("a.gro", GRO, "names of atoms and no elements"),
        ("a.xyz", "1\n\n6 0 0 0\n", "Frame 0 .* has '6' in place of the element of atom 0"),
        ("a.xyz", "1\n\nC 0 0 0\n1\n\nX 0 0 0\n", "Frame 1 .* has 'X' in place"),
        ("a.xyz", "1\n\nC 0 0 0\n\n\n1\n\nD 0 0 0\n", "Frame 1 .* has 'D' in place"),
        ("a.xyz", "1\n\nCA 0 0 0\n", "element Ca or the name of a kind of C; write Ca or C"),
        ("a.xyz", "1\n\nho 0 0 0\n", "element Ho or the name of a kind of H"),
        ("a.xyz", "1\nProperties=pos:R:3:species:S:1\n0 0 0 OW\n", "has 'OW' in place"),
        ("a.cif", CIF.format(0.5), r"partly occupied site \(Cu 0\.5\); give an ordered"),
    ],
)
def test_a_guess_is_refused(read, name, text, message):
    with pytest.raises(InputError, match=message):
        read(name, text)


@pytest.mark.parametrize(
    ("name", "text", "symbols"),
    [
        ("a.dump", STATED, ["C", "O"]),
        ("a.lmp", DATA_LABELS, ["C", "O"]),
        ("a.pdb", PDB.format("CA"), ["Ca"]),
        ("POSCAR", POSCAR.format("C O\n"), ["C", "O"]),
        ("a.xyz", "2\nfrom an old program\nCL 0 0 0\nh 0 0 1.3\n", ["Cl", "H"]),
        ("a.xyz", "1\nProperties=Z:I:1:pos:R:3\n20 0 0 0\n", ["Ca"]),
        ("a.cif", CIF.format(1.0), ["Cu"]),
    ],
)
def test_stated_elements_are_taken(read, name, text, symbols):
    assert read(name, text).get_chemical_symbols() == symbols


@pytest.mark.parametrize(("name", "text"), [("a.dump", TYPES), ("a.data", DATA_TYPES)])
def test_elements_of_types_are_given(read, name, text):
    assert read(name, text, ["Li", "O"]).get_chemical_symbols() == ["Li", "O"]
    with pytest.raises(InputError, match="elements=Li has no element for type 2 of Frame 0"):
        read(name, text, ["Li"])
    with pytest.raises(InputError, match=r"give the elements of types 1, 2, .* elements=C,H,O"):
        read(name, text, [])


@pytest.mark.parametrize(("name", "text"), [("a.dump", STATED), ("a.xyz", "1\n\nC 0 0 0\n")])
def test_elements_that_are_not_used_are_refused(read, name, text):
    with pytest.raises(InputError, match=r"elements=C,O is not used: .* states the elements"):
        read(name, text, ["C", "O"])


def test_a_dump_has_scaled_positions_and_no_energy_of_zero(read):
    atoms = read("a.dump", TYPES, ["C", "O"])
    np.testing.assert_allclose(atoms.cell, [[10, 0, 0], [2, 10, 0], [0, 0, 10]])
    np.testing.assert_allclose(atoms.positions, [[3.5, 5, 1], [6, 5, 5]])
    assert set(atoms.calc.results) == {"forces"} and atoms.calc.results["forces"][0, 2] == -1


def test_names_that_are_both_are_left_to_nobody():
    from gpip_plugins.io.elements import ALSO_NAMES

    assert all(Atoms(name.capitalize()).numbers[0] for name in ALSO_NAMES)
