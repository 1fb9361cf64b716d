"""Pack a composition into a periodic box with Packmol.

Martínez, Andrade, Birgin, Martínez, J. Comput. Chem. 30, 2157 (2009). Packmol places whole
molecules with a minimum distance between atoms of different molecules and periodic images.
"""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import ase.io
import numpy as np
from ase import Atoms
from packmol.cli import get_binary_path
from rdkit.Chem import AllChem

from gpip_plugins import units
from gpip_plugins.errors import InputError, check_number, check_whole
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.presets import PRESETS

__all__ = ["components_from", "filled_fraction", "pack", "unpacked"]

LOOSE: Final = 0.5  # filled fraction of the cell when no density is given; liquids: 0.6
DENSEST: Final = 0.85  # more than any molecular crystal
TIME_LIMIT: Final = 300  # s; a loose box of 2500 atoms takes a few seconds
LOOPS: Final = 50  # of Packmol's optimiser
IMPERFECT: Final = 173  # exit status of Packmol when molecules remain too close


def components_from(
    composition: Mapping[str, int], seed: int = 0
) -> tuple[tuple[MolecularSystem, int], ...]:
    """Return the components of a composition.

    Args:
        composition: name -> number of molecules; names are presets or SMILES.
        seed: seed of the geometries.

    Raises:
        InputError: when a name is neither preset nor SMILES, or a number is not a positive integer.

    Example:
        >>> [(m.name, n) for m, n in components_from({"Na": 1, "[Cl-]": 1, "water": 60})]
        [('Na', 1), ('[Cl-]', 1), ('water', 60)]
    """
    for name, count in composition.items():
        check_whole(f"composition.{name}", count, least=1)
    return tuple(
        (
            MolecularSystem.from_preset(name, seed)
            if name in PRESETS
            else MolecularSystem.from_smiles(name, seed=seed),
            count,
        )
        for name, count in composition.items()
    )


def filled_fraction(components: Sequence[tuple[MolecularSystem, int]], volume: float) -> float:
    """Return the fraction of a volume inside van der Waals spheres; about 0.6 in liquids.

    Monatomic cations are not counted: their van der Waals radius is unrelated to their size.

    Args:
        components: molecules with their numbers.
        volume: Å^3.

    Example:
        >>> water = MolecularSystem.from_preset("water")
        >>> round(filled_fraction([(water, 64)], 12.445**3), 1)
        0.7
    """
    filled = sum(
        count * AllChem.ComputeMolVolume(part.mol)
        for part, count in components
        if len(part.numbers) > 1 or part.charge <= 0
    )
    return float(filled / volume)


def pack(
    name: str,
    components: Sequence[tuple[MolecularSystem, int]],
    seed: int,
    density: float | None = None,
    cell: float | Sequence[float] | None = None,
    tolerance: float = 2.0,
) -> Box:
    """Fill a box with molecules at random; the same seed gives the same box.

    Args:
        name: name of the box.
        components: molecules with their numbers.
        seed: seed of Packmol.
        density: density of a cubic cell in g/cm^3. Without density and cell, the molecules fill
            half of a cubic cell, somewhat less than in liquids, so that packing is easy; constant
            pressure then gives the density.
        cell: edge of a cubic cell or the three edges of a rectangular one, Å.
        tolerance: smallest distance between atoms of different molecules, Å.

    Raises:
        InputError: when the composition is charged, the density or the cell is impossible, or
            Packmol finds no packing.

    Example:
        >>> water = MolecularSystem.from_preset("water")
        >>> box = pack("water", [(water, 8)], seed=1, density=0.8)
        >>> box.positions.shape, round(box.density, 3)
        ((24, 3), 0.8)
    """
    tolerance = check_number("tolerance", tolerance, above=0, most=10, unit="Å", example=2)
    empty = unpacked(name, components, density, cell)
    return replace(empty, positions=_packmol(empty, tolerance, seed))


def unpacked(
    name: str,
    components: Sequence[tuple[MolecularSystem, int]],
    density: float | None = None,
    cell: float | Sequence[float] | None = None,
) -> Box:
    """Return a box before packing, with all atoms at the origin.

    Only the positions are missing; making it takes almost no time.

    Args:
        name: as for `pack`.
        components: as for `pack`.
        density: as for `pack`.
        cell: as for `pack`.

    Raises:
        InputError: when the composition is charged, or the density or the cell is impossible.

    Example:
        >>> water = MolecularSystem.from_preset("water")
        >>> box = unpacked("water", [(water, 8)], density=0.8)
        >>> box.source, round(box.density, 3)
        ('8 x O', 0.8)
    """
    components = tuple(components)
    edges = _edges(name, components, density, cell)
    n_atoms = sum(len(part.numbers) * count for part, count in components)
    box = Box(name, components, np.zeros((n_atoms, 3)), np.diag(edges).astype(float))
    filled = filled_fraction(components, box.volume)
    if filled > DENSEST:
        raise InputError(
            f"{name}: density={box.density:.2f} g/cm3 is impossible, because the molecules' van "
            f"der Waals spheres alone take {filled:.0%} of the cell; give at most "
            f"density={box.density * 0.7 / filled:.2f}."
        )
    return box


def _edges(name, components, density, cell) -> np.ndarray:
    """Return the edges of the cell in Å, shape (3,)."""
    if density is not None and cell is not None:
        raise InputError(
            f"{name}: density={density} and cell={cell} are both given; leave one of them out."
        )
    if cell is not None:
        edges = np.broadcast_to(np.asarray(cell, dtype=float), 3)
        if not (np.isfinite(edges).all() and (edges > 0).all()):
            raise InputError(f"{name}: cell={cell} is not positive; give its edges in Å.")
        return edges
    if density is None:
        return np.full(3, np.cbrt(filled_fraction(components, 1.0) / LOOSE))
    density = check_number("density", density, above=0, unit="g/cm3", example=1)
    mass = sum(part.masses.sum() * count for part, count in components)
    return np.full(3, np.cbrt(units.density(mass, 1.0) / density))


def _packmol(empty: Box, tolerance: float, seed: int) -> np.ndarray:
    """Return the positions found by Packmol in Å, shape (n_atoms, 3)."""
    lines = [
        f"tolerance {tolerance}",
        f"seed {seed}",
        "filetype xyz",
        "output packed.xyz",
        f"nloop {LOOPS}",
        "pbc {:.8f} {:.8f} {:.8f}".format(*np.diag(empty.cell)),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for k, (part, count) in enumerate(empty.components):
            ase.io.write(Path(folder, f"{k}.xyz"), Atoms(part.numbers, part.positions), "xyz")
            lines += [f"structure {k}.xyz", f"  number {count}", "end structure"]
        Path(folder, "packing.inp").write_text("\n".join(lines) + "\n")
        if not _runs(folder):
            raise InputError(
                f"{empty.name}: Packmol cannot place the molecules {tolerance} Å apart at "
                f"density={empty.density:.2f} g/cm3; give a lower density, a larger cell or a "
                "smaller tolerance."
            )
        return ase.io.read(Path(folder, "packed.xyz"), format="xyz").positions


def _runs(folder: str) -> bool:
    """Run Packmol on packing.inp; return whether it found a packing within the time limit."""
    with open(Path(folder, "packing.inp")) as script:  # Packmol rewinds its input: a pipe fails
        try:
            done = subprocess.run(
                [get_binary_path()],
                stdin=script,
                cwd=folder,
                text=True,
                capture_output=True,
                timeout=TIME_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    if done.returncode not in (0, IMPERFECT):
        raise RuntimeError(f"Packmol failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0 and "Success!" in done.stdout
