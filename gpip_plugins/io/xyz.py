"""Read (extended) XYZ frame by frame, and believe nothing that it declares before it is there.

ASE parses the frames; here the file is cut into them. A declared number of atoms or of columns is
compared with the lines that follow, so that a wrong one costs neither memory nor time. Exponents of
Fortran (`1.5D-03`) become those of everyone else, blank lines between frames are skipped (ASE ends
there), and what stands behind the last frame is refused.
"""

import re
from collections.abc import Iterator
from io import StringIO
from typing import TextIO

import ase.io
from ase import Atoms

from gpip_plugins.errors import InputError
from gpip_plugins.io.elements import check_symbols

__all__ = ["read_xyz"]

LONGEST_LINE = 10_000_000  # characters; a frame of 100 000 numbers in its comment has 2 million
MOST_ATOMS = 10_000_000  # of one frame
FORTRAN = re.compile(r"(?<![\w.])([+-]?(?:\d+\.\d*|\.\d+))[dD]([+-]?\d+)(?![\w.])")
UNNAMED = "unnamed_columns"  # in `info`: number of columns behind the coordinates of a plain XYZ
QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|\{[^}]*\}|\[[^\]]*\]")
PROPERTIES = re.compile(r"Properties\s*=\s*[\"']?([^\s\"']+)")


def read_xyz(file: TextIO, name: str) -> Iterator[Atoms]:
    """Yield the frames of an (extended) XYZ file.

    Args:
        file: the open file.
        name: its name, for messages.

    Raises:
        InputError: naming frame and line of what cannot be read.

    Example:
        >>> text = "1\\nProperties=species:S:1:pos:R:3 energy=-1.5D+01\\nH 0 0 0\\n"
        >>> [float(a.get_potential_energy()) for a in read_xyz(StringIO(text), "a.xyz")]
        [-15.0]
    """
    lines = _Lines(file, name)
    number = 0
    seen: set[str] = set()
    while (count := lines.next_filled()) is not None:
        where = f"{name} cannot be read at frame {number} (counted from 0)"
        head, atoms, unnamed = _frame(lines, count, where)
        _check_comment(head[1], where)
        check_symbols(atoms, head[1], f"Frame {number} of {name} (counted from 0)", seen)
        text = "".join(part if part.endswith("\n") else f"{part}\n" for part in (*head, *atoms))
        if "d" in text or "D" in text:
            text = FORTRAN.sub(r"\1E\2", text)
        try:
            frame = ase.io.read(StringIO(text), format="extxyz")
        except Exception as error:  # ASE's readers raise exceptions of any kind
            why = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{where}: {why}; repair it.") from None
        if unnamed > 0:
            frame.info[UNNAMED] = unnamed
        yield frame
        number += 1


class _Lines:
    """The lines of a file, one at a time, with a limit on their length."""

    def __init__(self, file: TextIO, name: str):
        self.file, self.name = file, name
        self.number = 0
        self.kept: str | None = None

    def next(self) -> str | None:
        """Return the next line, or None at the end."""
        if self.kept is not None:
            line, self.kept = self.kept, None
            return line
        line = self.file.readline(LONGEST_LINE + 1)
        self.number += 1
        if len(line) > LONGEST_LINE:
            raise InputError(
                f"{self.name} has a line of more than {LONGEST_LINE} characters (line "
                f"{self.number}), which is no XYZ; repair or convert it."
            )
        return line or None

    def next_filled(self) -> str | None:
        """Return the next line that is not blank."""
        line = self.next()
        while line is not None and not line.strip():
            line = self.next()
        return line


def _frame(lines: _Lines, count: str, where: str) -> tuple[list[str], list[str], int]:
    """Return first two lines, other lines, and number of columns without name of one frame."""
    start = lines.number
    try:
        n_atoms = int(count)
    except ValueError:
        n_atoms = -1
    if n_atoms < 0:
        shown = count.strip()[:40]
        raise InputError(
            f"{where}: line {start} is {shown!r}, not a number of atoms; repair or convert it."
        )
    if n_atoms > MOST_ATOMS:
        raise InputError(
            f"{where}: line {start} declares {n_atoms} atoms, more than {MOST_ATOMS}; repair it."
        )
    comment = lines.next()
    head, atoms = [count, comment if comment is not None else ""], []
    n_columns = _columns(head[1], where)
    words: list[str] = []
    for k in range(n_atoms):
        line = lines.next()
        words = line.split() if line is not None else []
        if len(words) < max(n_columns, 4) or len(words) > n_columns > 0:
            raise InputError(_short(where, start, n_atoms, k, n_columns, line, words))
        atoms.append(line)
    while (line := lines.next()) is not None and line.startswith("VEC"):
        atoms.append(line)
    lines.kept = line
    return head, atoms, len(words) - 4 if not n_columns else 0


def _check_comment(comment: str, where: str) -> None:
    """Refuse a comment line of which ASE would lose a part.

    An open quote swallows all that follows, and of a name that comes twice the last one counts.
    """
    if "=" not in comment:
        return
    bare = QUOTED.sub("", comment)
    if re.search(r"[\"'{\[]", bare):
        raise InputError(f"{where}: its comment line has a quote that is not closed; repair it.")
    names = re.findall(r"(?:^|\s)([^\s=]+)\s*=", bare)
    double = [name for name in names if names.count(name) > 1]
    if double:
        raise InputError(f"{where}: its comment line names {double[0]} twice; repair it.")


def _columns(comment: str, where: str) -> int:
    """Return the declared number of columns, 0 for plain XYZ."""
    found = PROPERTIES.search(comment)
    if found is None:
        return 0
    words = found[1].split(":")[2::3]
    if not all(word.isdecimal() and len(word) < 10 for word in words):
        raise InputError(f"{where}: its columns {found[1][:80]} cannot be understood; repair it.")
    return sum(map(int, words))


def _short(where, start, n_atoms, k, n_columns, line, words) -> str:
    """Return the sentence for atoms or columns that are declared and not there."""
    if line is None or not words:
        return (
            f"{where}: line {start} declares {n_atoms} atoms, but only {k} follow; the file breaks "
            "off or the number is wrong."
        )
    if n_columns:
        return (
            f"{where}: it declares {n_columns} columns, but atom {k} has {len(words)}; repair its "
            "Properties or its lines."
        )
    return f"{where}: atom {k} is {line.strip()[:60]!r}, not an element and three coordinates."
