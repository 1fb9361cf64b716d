"""Odd inputs made from valid ones end in the right result or in one sentence, at every door.

A valid labelled file is written from a list of frames. Operations that people's scripts do by
mistake or on purpose are applied: frames, atoms, columns and lines are dropped, repeated,
reordered, rescaled, relabelled, cut off. What was accepted must be the numbers in the file.
"""

import contextlib
import copy
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.data import chemical_symbols
from ase.db import connect
from ase.io import read
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gpip_plugins.cli import main
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database

pytestmark = pytest.mark.slow

ODD = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # the first failure as it is: shrinking takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
STIFFNESS = 10.0  # eV/Å^2


@dataclass(repr=False)
class Frame:
    """What one frame of the file says, as text."""

    symbols: list[str]
    columns: dict[str, list[list[str]]]
    energy: str
    count: int | None = None  # first line, if it is wrong
    more: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Return the frame in extended XYZ."""
        kinds = "".join(f":{self.names.get(n, n)}:R:{len(v[0])}" for n, v in self.columns.items())
        pairs = {self.names.get("energy", "energy"): self.energy, **self.more}
        comment = " ".join(f"{name}={value}" for name, value in pairs.items() if value)
        lines = [str(self.count or len(self.symbols)), f"Properties=species:S:1{kinds} {comment}"]
        for k, symbol in enumerate(self.symbols):
            lines.append(" ".join([symbol, *(t for c in self.columns.values() for t in c[k])]))
        return "\n".join(lines) + "\n"


@dataclass
class Odd:
    """A file that was changed: its frames, its text, and what was done, for the report."""

    frames: list[Frame] = field(repr=False)
    text: str = field(repr=False)
    done: str

    def written(self, folder: Path) -> Path:
        """Write the file into a folder; return its path."""
        (folder / "a.xyz").write_bytes(self.text.encode())
        return folder / "a.xyz"

    def has(self, numbers, positions, energy=None, forces=None) -> bool:
        """Return whether one of the frames says these numbers."""
        return is_in_file(self.frames, numbers, positions, energy, forces)


def valid(n_frames=24) -> list[Frame]:
    """Return frames of ethanol on springs, with the energies and forces of the springs."""
    rng = np.random.default_rng(0)
    rest = molecule("CH3CH2OH")
    frames = []
    for _ in range(n_frames):
        shift = rng.normal(scale=0.05, size=(9, 3))
        shift -= shift.mean(0)
        arrays = {"pos": rest.positions + shift, "forces": -STIFFNESS * shift}
        columns = {n: [[f"{x:.8f}" for x in row] for row in a] for n, a in arrays.items()}
        energy = f"{0.5 * STIFFNESS * (shift**2).sum() - 4200:.8f}"
        frames.append(Frame(list(rest.symbols), columns, energy))
    return frames


def scale(frame, name, factor):
    with contextlib.suppress(ValueError):  # an earlier operation put a text that is no number
        rows = frame.columns[name]
        frame.columns[name] = [[f"{float(x) * factor:.8g}" for x in row] for row in rows]


def put(frame, name, atom, axis, text):
    frame.columns[name][atom][axis] = text


def swap_atoms(frame, i, j):
    for rows in (frame.symbols, *frame.columns.values()):
        rows[i], rows[j] = rows[j], rows[i]


def drop_atom(frame, i):
    for rows in (frame.symbols, *frame.columns.values()):
        del rows[i]


def swap_columns(frame, i, j):
    frame.columns = dict(reversed(frame.columns.items()))


ATOM = st.integers(0, 7)
FACTORS = [-1.0, 0.0, 0.1, 1.8897, 23.06, 27.2114, 96.485, 1e30]
TEXTS = ["nan", "inf", "-inf", "1e400", "", "?", "1.0D+00", "0,5", "1_000", "0x1", "True", "*****"]
SYMBOLS = ["X", "Xx", "6", "c", "", "C1", "CA", "D", "Og", "None", "118", "0"]
MORE = {
    "pbc": ['"T T T"', '"F F F"', "T"],
    "Lattice": ['"1 0 0 0 1 0 0 0 1"', '"20 0 0 0 20 0 0 0 20"', '"20 0 0 0 20 0 40 0 0"', '""'],
    "charge": ["1", "0", "x"],
    "stress": ['"0 0 0 0 0 0 0 0 0"', '"1e9 0 0 0 1e9 0 0 0 1e9"', '"1 2"'],
    "virial": ['"0 0 0 0 0 0 0 0 0"', "3"],
    "free_energy": ["-4200.0", "nan"],
    "dipole": ['"0 0 1"'],
    "quote": ['"', '"a b', "'"],
}
OPERATIONS = st.one_of(
    st.tuples(st.just("scale"), st.sampled_from(["pos", "forces"]), st.sampled_from(FACTORS)),
    st.tuples(
        st.just("put"),
        st.sampled_from(["pos", "forces"]),
        ATOM,
        st.integers(0, 2),
        st.sampled_from(TEXTS),
    ),
    st.tuples(st.just("energy"), st.sampled_from([*TEXTS, "-1e30", "0", "4200", '"1 2"', "[1,2]"])),
    st.tuples(st.just("symbol"), ATOM, st.sampled_from(SYMBOLS)),
    st.tuples(st.just("swap_atoms"), ATOM, ATOM),
    st.tuples(st.just("drop_atom"), ATOM),
    st.tuples(st.just("twin"), ATOM, ATOM),
    st.tuples(st.just("swap_columns"), ATOM, ATOM),
    st.tuples(st.just("rename"), st.sampled_from(["pos", "forces", "energy"])),
    st.tuples(st.just("count"), st.sampled_from([1, 8, 10, 99999999999])),
    st.sampled_from(list(MORE)).flatmap(
        lambda name: st.tuples(st.just("more"), st.just(name), st.sampled_from(MORE[name]))
    ),
)


def apply(frame: Frame, operation: tuple) -> None:
    """Change one frame."""
    name, *words = operation
    if name == "energy":
        frame.energy = words[0]
    elif name == "symbol":
        frame.symbols[words[0]] = words[1]
    elif name == "twin":
        for rows in frame.columns.values():
            rows[words[0]] = list(rows[words[1]])
    elif name == "rename":
        frame.names[words[0]] = f"dft_{words[0]}"
    elif name == "count":
        frame.count = words[0]
    elif name == "more":
        frame.more[words[0]] = words[1]
    else:
        globals()[name](frame, *words)


@st.composite
def odd_files(draw):
    """Return a file after some operations."""
    frames = valid()
    some = draw(st.lists(st.integers(0, len(frames) - 1), min_size=1, max_size=4))
    everywhere = draw(st.booleans())
    changed = draw(st.lists(OPERATIONS, max_size=2))
    for operation in changed:
        for k in range(len(frames)) if everywhere else some:
            if len(frames[k].symbols) == 9:  # an atom is dropped once
                apply(frames[k], operation)
    order = draw(st.sampled_from(["", "", "drop", "repeat", "reorder"]))
    if order == "drop":
        frames = [f for k, f in enumerate(frames) if k not in some]
    elif order == "repeat":
        frames = [*frames, *(copy.deepcopy(frames[k]) for k in some)]
    elif order == "reorder":
        frames = frames[::-1]
    text = "".join(frame.text() for frame in frames)
    lines = text.splitlines(keepends=True)
    line = draw(st.integers(0, len(lines) - 1))
    cut = draw(st.sampled_from(["", "", "", "line", "head", "tail", "blank", "crlf", "tabs"]))
    if cut == "line":
        del lines[line]
    elif cut == "head":
        lines = lines[line:]
    elif cut == "tail":
        lines = lines[:line]
    elif cut == "blank":
        lines.insert(line, "\n")
    elif cut == "crlf":
        lines = [text.replace("\n", "\r\n") for text in lines]
    elif cut == "tabs":
        lines = [text.replace(" ", "\t") if "=" not in text else text for text in lines]
    return Odd(frames, "".join(lines), f"{changed}, {order}, {cut} at line {line}")


def known(frame: Frame):
    """Return what a frame says as numbers, or None where it says none."""
    try:
        numbers = [chemical_symbols.index(symbol) for symbol in frame.symbols]
        arrays = [np.array(frame.columns[name], dtype=float) for name in ("pos", "forces")]
    except ValueError:
        return None
    return numbers, *arrays, frame.energy


def is_in_file(frames, numbers, positions, energy=None, forces=None) -> bool:
    """Return whether one of the frames says these numbers."""
    for numbers_0, positions_0, forces_0, energy_0 in filter(None, map(known, frames)):
        if list(numbers) != numbers_0 or not np.allclose(positions, positions_0, atol=1e-6):
            continue
        if forces is not None and not np.allclose(forces, forces_0, atol=1e-6):
            continue
        try:
            if energy is None or abs(energy - float(energy_0)) < 1e-6:
                return True
        except ValueError:
            continue
    return False


@pytest.fixture
def typed(capsys):
    """Return a function that runs `gpip WORDS`; it returns whether that succeeded.

    A refusal is one sentence without a trace-back, and leaves no file at the target.
    """

    def run(target: Path, *words: str) -> bool:
        target.unlink(missing_ok=True)
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = main([str(word) for word in words])
        error = capsys.readouterr().err
        if code == 0:
            assert target.exists()
            return True
        assert code == 1 and error.startswith("gpip: "), error
        assert error.count("\n") == 1 and error.rstrip().endswith((".", ")")), error
        assert "Traceback" not in error
        assert not target.exists()
        return False

    return run


@ODD
@given(odd=odd_files())
def test_import(odd, tmp_path, typed):
    source, target = odd.written(tmp_path), tmp_path / "a.db"
    if typed(target, "import", source, target, "--energy-unit", "eV"):
        database = Database(target)
        for row in database.rows():
            energy = float(np.ravel(row.data["energy"])[0]) if "energy" in row.data else None
            forces = row.data.get("forces")
            assert odd.has(row.numbers, row.positions, energy, forces)


@ODD
@given(odd=odd_files())
def test_import_of_structures_alone(odd, tmp_path, typed):
    source, target = odd.written(tmp_path), tmp_path / "a.db"
    if typed(target, "import", source, target, "--unlabelled"):
        for row in Database(target).rows():
            assert odd.has(row.numbers, row.positions)


@ODD
@given(odd=odd_files())
def test_predict(odd, tmp_path, typed, run_folder):
    source, target = odd.written(tmp_path), tmp_path / "out.xyz"
    if typed(target, "predict", run_folder / "run", source, target):
        for atoms in read(target, ":"):
            assert odd.has(atoms.numbers, atoms.positions)
            assert np.isfinite(atoms.get_potential_energy())
            assert np.isfinite(atoms.get_forces()).all()


@ODD
@given(odd=odd_files())
def test_select(odd, tmp_path, typed):
    source, target = odd.written(tmp_path), tmp_path / "out.xyz"
    if typed(target, "select", source, "-n", 3, "--out", target):
        chosen = read(target, ":")
        assert len(chosen) == 3
        assert all(odd.has(atoms.numbers, atoms.positions) for atoms in chosen)


@ODD
@given(odd=odd_files())
def test_simulation_and_sampling(odd, tmp_path):
    from gpip_plugins.md.inputs import molecules
    from gpip_plugins.sampling.systems.sources import Files

    source = odd.written(tmp_path)
    doors = (molecules, lambda path: Files(path).build(seed=0))
    for door in doors:
        try:
            systems = door(str(source))
        except InputError as error:
            assert str(error).count("\n") == 0
            continue
        for system in systems:
            assert odd.has(system.numbers, system.positions)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Return the path of the database of the valid file."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "a.xyz").write_text("".join(frame.text() for frame in valid()))
    words = ["import", str(folder / "a.xyz"), str(folder / "a.db"), "--energy-unit", "eV"]
    assert main(words) == 0
    return folder / "a.db"


COLUMNS = ["numbers", "positions", "cell", "pbc", "data", "natoms", "key_value_pairs", "id"]
GARBAGE = [None, b"", b"\x00", b"garbage" * 30, "text", 7, -1, float("nan")]


@ODD
@given(
    column=st.sampled_from(COLUMNS),
    value=st.sampled_from(GARBAGE),
    row=st.integers(1, 24),
    door=st.sampled_from(["select", "predict", "info", "train"]),
)
def test_rows_of_a_database(column, value, row, door, tmp_path, typed, rows, run_folder):
    from gpip_plugins.data import GpipDataModule

    damaged, target = tmp_path / "damaged.db", tmp_path / "out.xyz"
    damaged.write_bytes(rows.read_bytes())
    with connect(damaged, use_lock_file=False) as store:
        try:
            store.connection.execute(f"update systems set {column}=? where id=?", (value, row))
        except Exception:
            return  # SQLite itself refuses
    frames = valid()
    if door == "select":
        if typed(target, "select", damaged, "-n", 24, "--out", target):
            chosen = read(target, ":")
            assert all(is_in_file(frames, a.numbers, a.positions) for a in chosen)
    elif door == "predict":
        if typed(target, "predict", run_folder / "run", damaged, target):
            for atoms in read(target, ":"):
                assert is_in_file(frames, atoms.numbers, atoms.positions)
    elif door == "info":
        assert main(["info", str(damaged)]) in (0, 1)
    else:
        try:
            units = {"energy": "eV", "forces": "eV/Ang"}
            data = GpipDataModule(
                str(damaged), 4, num_train=16, num_val=8, property_units=units, distance_unit="Ang"
            )
            data.split_file = str(tmp_path / f"{column}.npz")
            Path(data.split_file).unlink(missing_ok=True)
            data.setup()
        except InputError as error:
            assert str(error).count("\n") == 0
            return
        for k in range(len(data.dataset)):
            entry = {name: np.asarray(v) for name, v in data.dataset[k].items()}
            energy, forces = float(entry["energy"].ravel()[0]), entry["forces"]
            R = entry["_positions"]
            assert is_in_file(frames, entry["_atomic_numbers"], R, energy, forces)
