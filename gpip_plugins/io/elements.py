"""Elements are read, never guessed: which formats state them, and where ASE would guess.

Where a format numbers the types of its atoms, ASE takes type 1 for hydrogen, 2 for helium, ...;
where it has names of atoms, ASE takes the alpha carbon `CA` for calcium; where VASP 4 has nothing,
ASE takes words of the comment. A structure read in this way looks right and is wrong, so such files
are refused here, unless the elements of the types are given.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from ase import Atoms
from ase.data import atomic_numbers

from gpip_plugins.errors import InputError
from gpip_plugins.io.text import open_text

__all__ = ["check_elements", "check_names", "check_symbols", "element_options"]

#: Formats that state no elements, and what they have instead.
WITHOUT_ELEMENTS = {
    "gromacs": "names of atoms",
    "gromos": "names of atoms",
    "dlp4": "names of atoms",
    "dlp-history": "names of atoms",
    "lammps-dump-binary": "numbers of types",
    "cp2k-dcd": "only positions",
    "netcdftrajectory": "only positions",
}
#: Elements whose symbols in capitals (or, in GAFF, small letters) are common names or types of
#: atoms of lighter elements: CA is a carbon atom, HO a hydrogen atom.
ALSO_NAMES = frozenset(
    first + second
    for first, seconds in {
        "C": "ADEFMNORS",
        "H": "EFGO",
        "N": "ABDEP",
        "O": "S",
        "P": "ABD",
        "S": "BCEGMNR",
    }.items()
    for second in seconds
)
CONVERT = "convert it to extended XYZ with a program that knows the elements"


def check_names(elements: Sequence[str]) -> None:
    """Check that the elements that were given for types are elements.

    Raises:
        InputError: naming the first that is none.

    Example:
        >>> check_names(["Li", "H"])
    """
    for name in elements:
        if name not in atomic_numbers or name == "X":
            raise InputError(
                f"elements={','.join(elements)}: {name!r} is not the symbol of an element; give "
                "one for each type in order, for example elements=C,H,O."
            )


def element_options(path: str, kind: str, elements: Sequence[str] | None) -> dict[str, Any]:
    """Check that a file states its elements, and return options for ASE's reader.

    Args:
        path: file, also compressed.
        kind: ASE's name of its format.
        elements: elements of the types 1, 2, ...; none given is empty, None is for callers that
            have no such setting.

    Raises:
        InputError: if ASE would guess elements.
    """
    if kind in WITHOUT_ELEMENTS:
        raise InputError(f"{path} has {WITHOUT_ELEMENTS[kind]} and no elements; {CONVERT}.")
    if kind in ("lammps-dump-text", "lammps-data"):
        return _lammps(path, kind, elements)
    if elements:
        raise _not_used(elements, path)
    check = {"proteindatabank": _check_pdb, "vasp": _check_poscar}
    if kind in check:
        with open_text(path) as file:
            check[kind](file, path)
    return {}


def check_elements(frame: Atoms, kind: str, elements: Sequence[str] | None, where: str) -> None:
    """Check one frame that ASE read, and remove an energy that ASE made up.

    Args:
        frame: the structure; with a dump of LAMMPS ASE gives forces an energy of zero, which is
            removed.
        kind: ASE's name of the format.
        elements: as for `element_options`.
        where: file and number of the structure, for the message.

    Raises:
        InputError: for a type without an element; for a site of a crystal that elements share or
            that is partly empty, of which ASE would take the first element.
    """
    if kind == "lammps-dump-text" and frame.calc is not None:
        frame.calc.results.pop("energy", None)
    if elements and "type" in frame.arrays and frame.arrays["type"].max() > len(elements):
        raise InputError(
            f"elements={','.join(elements)} has no element for type "
            f"{frame.arrays['type'].max()} of {where}; give one for each type."
        )
    sites = frame.info.get("occupancy") if kind == "cif" else None
    for site in (sites or {}).values():
        if len(site) > 1 or any(abs(share - 1.0) > 0.01 for share in site.values()):
            shares = ", ".join(f"{element} {share:g}" for element, share in site.items())
            raise InputError(
                f"{where} has a partly occupied site ({shares}); give an ordered structure with "
                "one element on every site."
            )


def _lammps(path: str, kind: str, elements: Sequence[str] | None) -> dict[str, Any]:
    """Return ASE's option for the elements of the types, unless the file has elements."""
    with open_text(path) as file:
        stated = _dump_states(file, path) if kind == "lammps-dump-text" else _data_states(file)
    if stated:
        if elements:
            raise _not_used(elements, path)
        return {}
    if not elements:
        write = (
            "write it with the column element (dump_modify ID element C H O)"
            if kind == "lammps-dump-text"
            else "write it with the section Atom Type Labels"
        )
        give = ", or give the elements of types 1, 2, ..., for example elements=C,H,O"
        raise InputError(
            f"{path} has types of LAMMPS, which are not elements; {write}"
            f"{give if elements is not None else ', or convert it to extended XYZ'}."
        )
    if kind == "lammps-dump-text":
        return {"specorder": [*elements, *["X"] * 1000]}  # `check_elements` finds the X
    return {"Z_of_type": defaultdict(int, enumerate((atomic_numbers[e] for e in elements), 1))}


def _not_used(elements: Sequence[str], shown: str) -> InputError:
    return InputError(
        f"elements={','.join(elements)} is not used: {shown} states the elements itself; leave "
        "elements out."
    )


def _dump_states(lines: Iterator[str], shown: str) -> bool:
    """Return whether all frames of a LAMMPS dump have the column element."""
    stated = True
    for line in lines:
        if line.startswith("ITEM: UNITS"):
            units = next(lines, "").strip()
            if units not in ("metal", "real"):
                raise InputError(
                    f"{shown} is in LAMMPS units {units!r}; only metal and real are in Ang; "
                    f"{CONVERT}."
                )
        elif line.startswith("ITEM: ATOMS"):
            stated = stated and "element" in line.split()
    return stated


def _data_states(lines: Iterator[str]) -> bool:
    """Return whether the section Atom Type Labels of a LAMMPS data file names elements."""
    labels: list[str] = []
    inside = False
    for line in lines:
        words = line.partition("#")[0].split()
        if words == ["Atom", "Type", "Labels"]:
            inside = True
        elif inside and len(words) == 2 and words[0].isdigit():
            labels.append(words[1])
        elif inside and words:
            break
    return bool(labels) and all(label in atomic_numbers for label in labels)


def check_symbols(atoms: Sequence[str], comment: str, where: str, seen: set[str]) -> None:
    """Check the symbols in a frame of an XYZ file; ASE reports other faults of the format.

    Args:
        atoms: the lines of the atoms.
        comment: the comment line.
        where: file and number of the frame, for the message.
        seen: symbols that were found right in frames before; those of this frame are added.

    Raises:
        InputError: for what is no symbol, or may be the name of an atom of another element.

    Example:
        >>> check_symbols(["CA 0 0 0"], "", "Frame 0 of a.xyz", set())
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: Frame 0 of a.xyz has 'CA' for atom 0: this may be the ...
    """
    column = _species_column(comment)
    if column is None:
        return
    for atom, line in enumerate(atoms):
        words = line.split(None, column + 1)
        if len(words) > column and words[column] not in seen:
            _check_symbol(words[column], where, atom)
            seen.add(words[column])


def _species_column(comment: str) -> int | None:
    """Return the column of the symbols, or None if there are only atomic numbers."""
    match = re.search(r'Properties="?([^"\s]+)', comment)
    if not match:
        return 0
    fields = match[1].split(":")
    before = 0
    for name, width in zip(fields[::3], fields[2::3], strict=False):
        if name == "species":
            return before
        before += int(width) if width.isdigit() else 0
    return None


def _check_symbol(name: str, where: str, atom: int) -> None:
    """Check the symbol of one atom, which ASE takes in capitals or small letters as well."""
    if name in atomic_numbers and name != "X":
        return
    symbol = name.capitalize()
    if symbol not in atomic_numbers or symbol == "X":
        raise InputError(
            f"{where} has {name!r} in place of the element of atom {atom}; write symbols, such "
            "as C."
        )
    if name.upper() in ALSO_NAMES:
        raise InputError(
            f"{where} has {name!r} for atom {atom}: this may be the element {symbol} or the name "
            f"of a kind of {name[0].upper()}; write {symbol} or {name[0].upper()}."
        )


def _check_pdb(lines: Iterator[str], shown: str) -> None:
    """Check that every atom of a PDB file has its element in columns 77 and 78."""
    for number, line in enumerate(lines, 1):
        if line.startswith(("ATOM", "HETATM")):
            element = line[76:78].strip().capitalize()
            if element not in atomic_numbers or element == "X":
                raise InputError(
                    f"{shown} states no element for {line[12:16].strip()!r} in line {number} "
                    "(columns 77 and 78 of a PDB file), and names of atoms are ambiguous: CA may "
                    f"be carbon or calcium; {CONVERT}."
                )


def _check_poscar(lines: Iterator[str], shown: str) -> None:
    """Check that the sixth line of a POSCAR names elements, as since VASP 5."""
    words = next(islice(lines, 5, None), "").split()
    if words and words[0].isdigit():
        raise InputError(
            f"{shown} names no elements (format of VASP 4); write their symbols into a line above "
            f"the numbers {' '.join(words)!r}."
        )
