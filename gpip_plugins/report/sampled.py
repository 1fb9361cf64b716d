"""Read a sampled database in one pass: scalars of all frames, positions of a random sample."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_masses
from ase.db.row import AtomsRow

from gpip_plugins.analysis.first_fault import first_fault
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database
from gpip_plugins.units import density

__all__ = ["SampledSystem", "choose", "read_sampled"]

CHECKED = 1000  # rows that are checked together


@dataclass(frozen=True)
class SampledSystem:
    """The frames of one system, at all temperatures, in the order of the database.

    Args:
        name: name of the system.
        numbers: atomic numbers, shape (n_atoms,).
        pbc: periodic directions, shape (3,) bool.
        rows: row of each frame in the database, counted from 0, shape (n_frames,).
        temperature: temperature of the thermostat in K, shape (n_frames,).
        kinetic_temperature: instantaneous temperature in K, shape (n_frames,); NaN if not stored.
        energy: potential energy in eV, shape (n_frames,).
        density: g/cm^3, shape (n_frames,); NaN without three periodic directions.
        replica: number of the trajectory among those of one temperature, shape (n_frames,).
        chosen: frames whose positions were kept, ascending, shape (n_chosen,).
        positions: Å, shape (n_chosen, n_atoms, 3).
        cells: Å, shape (n_chosen, 3, 3).
    """

    name: str
    numbers: np.ndarray
    pbc: np.ndarray
    rows: np.ndarray
    temperature: np.ndarray
    kinetic_temperature: np.ndarray
    energy: np.ndarray
    density: np.ndarray
    replica: np.ndarray
    chosen: np.ndarray
    positions: np.ndarray
    cells: np.ndarray

    @property
    def temperatures(self) -> list[float]:
        """The thermostat's temperatures in K, ascending."""
        return np.unique(self.temperature).tolist()

    @property
    def formula(self) -> str:
        """Chemical formula in Hill's order."""
        return Atoms(self.numbers).get_chemical_formula()

    @property
    def mass(self) -> float:
        """Mass of the atoms in u."""
        return float(atomic_masses[self.numbers].sum())

    @property
    def degrees_of_freedom(self) -> int:
        """Degrees of freedom of the kinetic temperature.

        The sampler's thermostat acts on all 3 n_atoms degrees of freedom: those of the centre of
        mass and of the rotation too, in molecules of any shape, single atoms and boxes.
        """
        return 3 * len(self.numbers)

    def structure(self, index: int) -> Atoms:
        """Return a chosen frame.

        Args:
            index: index in `chosen`.
        """
        return Atoms(
            self.numbers, self.positions[index], cell=self.cells[index], pbc=self.pbc.tolist()
        )


class _Collector:
    """Collect the rows of one system."""

    def __init__(self, name: str, row: AtomsRow):
        self.name, self.numbers, self.pbc = name, row.numbers.copy(), row.pbc.copy()
        self.scalars: list[tuple[float, ...]] = []
        self.chosen: list[int] = []
        self.positions: list[np.ndarray] = []
        self.cells: list[np.ndarray] = []
        self.mass = float(atomic_masses[self.numbers].sum())

    def add(self, index: int, row: AtomsRow, database: Database, keep: bool) -> None:
        """Add the scalars of a row, and its positions if they are kept."""
        if not np.array_equal(row.numbers, self.numbers) or (row.pbc != self.pbc).any():
            raise InputError(
                f"system={self.name!r} names different atoms in rows {int(self.scalars[0][0])} and "
                f"{index} (counted from 0); give every composition a different name."
            )
        kinetic = database.number(row, index, "kinetic_temperature")
        replica = row.get("replica", 0)
        volume = abs(np.linalg.det(database.cell(row))) if self.pbc.all() else np.nan
        self.scalars.append(
            (
                index,
                database.number(row, index, "temperature"),
                np.nan if kinetic is None else kinetic,
                database.number(row, index, "energy"),
                density(self.mass, volume),
                replica if isinstance(replica, int | float) else 0,
            )
        )
        if keep:
            self.chosen.append(len(self.scalars) - 1)
            self.positions.append(database.positions(row))
            self.cells.append(database.cell(row))

    def system(self) -> SampledSystem:
        """Return the collected frames."""
        rows, *scalars = np.array(self.scalars).T
        return SampledSystem(
            self.name,
            self.numbers,
            self.pbc,
            rows.astype(int),
            *scalars,
            np.array(self.chosen, int),
            np.array(self.positions).reshape(-1, len(self.numbers), 3),
            np.array(self.cells).reshape(-1, 3, 3),
        )


def choose(n_frames: int, n_wanted: int, rng: np.random.Generator) -> np.ndarray:
    """Return which frames to keep, at random and without repetition; all if they are few enough.

    Args:
        n_frames: number of frames.
        n_wanted: largest number to keep.
        rng: random number generator.

    Returns:
        Ascending indices, shape (min(n_frames, n_wanted),).

    Example:
        >>> choose(3, 10, np.random.default_rng(0))
        array([0, 1, 2])
    """
    if n_frames <= n_wanted:
        return np.arange(n_frames)
    return np.sort(rng.choice(n_frames, n_wanted, replace=False))


def read_sampled(
    datapath: str | os.PathLike, max_frames: int, seed: int = 0, progress: bool = True
) -> tuple[list[SampledSystem], dict]:
    """Read a database of the sampler.

    Energies and temperatures are read for all frames, positions for `max_frames` random frames and
    for the first frame of every system, so that memory and time are limited.

    Args:
        datapath: the database; relative to the folder in which the command was typed.
        max_frames: number of frames whose positions are kept.
        seed: seed of the choice.
        progress: show a progress bar.

    Returns:
        The systems in the order of their first rows, and the database's metadata.

    Raises:
        InputError: when the database does not exist, or was not made by the sampler; for a row that
            cannot be read, whose structure cannot be real or whose energy is not finite.
    """
    database = Database(datapath, remedy="name a database that was sampled")
    kept = np.zeros(len(database), bool)
    kept[choose(len(database), max_frames, np.random.default_rng(seed))] = True
    systems: dict[str, _Collector] = {}
    for index, row in _checked(database, progress):
        name = str(row.get("system", row.formula))
        # The first frame of a system defines its bonds and is therefore always kept.
        if new := name not in systems:
            systems[name] = _Collector(name, row)
        systems[name].add(index, row, database, new or kept[index])
    if not systems:
        raise InputError(f"datapath={datapath} holds no frame; sample it again.")
    return [collector.system() for collector in systems.values()], database.metadata


def _checked(database: Database, progress: bool) -> Iterator[tuple[int, AtomsRow]]:
    """Yield the rows of a sampled database with their numbers, after a check of each."""
    rows = enumerate(database.rows("frames", progress))
    for chunk in itertools.batched(rows, CHECKED):
        for index, row in chunk:
            _check_scalars(database, index, row)
        found = [row for _, row in chunk]
        fault = first_fault(
            np.concatenate([row.numbers for row in found]),
            np.concatenate([database.positions(row) for row in found]),
            np.array([database.cell(row) for row in found]),
            np.array([row.pbc for row in found]),
            np.array([len(row.numbers) for row in found]),
        )
        if fault is not None:
            row = chunk[0][0] + fault[0]
            raise InputError(f"row {row} (counted from 0) of datapath={database.path} {fault[1]}.")
        yield from chunk


def _check_scalars(database: Database, index: int, row: AtomsRow) -> None:
    """Refuse a row without a finite energy and a temperature."""
    where = f"row {index} (counted from 0)"
    values = {name: database.number(row, index, name) for name in ("energy", "temperature")}
    if missing := [name for name, value in values.items() if value is None]:
        raise InputError(
            f"datapath={database.path} was not sampled by gpip_plugins: {where} has no "
            f"{' and no '.join(missing)}; name a sampled database."
        )
    if not (np.isfinite(values["energy"]) and 0.0 < values["temperature"] < np.inf):
        raise InputError(
            f"{where} of datapath={database.path} has an energy of {values['energy']:g} eV at a "
            f"temperature of {values['temperature']:g} K; remove it, or sample it again."
        )
