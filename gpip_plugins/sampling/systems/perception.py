"""Molecules in a periodic structure, found from the geometry.

Bonds are defined by `gpip_plugins.analysis.bonds`, as in the quality report.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import ase
import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from scipy.spatial.distance import pdist

from gpip_plugins.analysis.bonds import bonded_neighbours
from gpip_plugins.errors import InputError
from gpip_plugins.sampling.systems.chemistry import check_chemistry
from gpip_plugins.sampling.systems.embedding import with_bonds
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.presets import PRESETS

__all__ = ["find_components"]


def find_components(
    atoms: ase.Atoms, charges: Mapping[str, int], where: str
) -> list[tuple[MolecularSystem, list[np.ndarray]]]:
    """Return the components of a cell with the positions of their molecules.

    Args:
        atoms: periodic in three directions.
        charges: charge in e of charged molecules that are not presets, by formula.
        where: file and number of the structure, the beginning of messages.

    Returns:
        Pairs of a component and the whole positions in Å of each of its molecules, in the order
        of the component's atoms, shape (n_atoms of the component, 3) each.

    Raises:
        InputError: when a molecule extends over all periodic images, or no bond orders fit the
            charge.

    Example:
        >>> rod = ase.Atoms("N2", [[0, 0, 0.2], [0, 0, 4.1]], cell=[5, 5, 5], pbc=True)
        >>> [(nitrogen, [positions])] = find_components(rod, {}, "rod.xyz")
        >>> nitrogen.formula, np.linalg.norm(positions[0] - positions[1]).round(6)
        ('N2', np.float64(1.1))
    """
    kinds: list[tuple[MolecularSystem, Chem.Mol, list[np.ndarray]]] = []
    for members, positions, bonds in _molecules(atoms, where):
        graph = _graph(atoms.numbers[members], np.searchsorted(members, sorted(bonds)))
        for part, kind, found in kinds:
            ordered = _in_order(graph, positions, kind, part)
            if ordered is not None:
                found.append(ordered)
                break
        else:
            part = _component(atoms.numbers[members], positions, graph, charges, where)
            kind = _graph(part.numbers, part.bonds)
            kinds.append((part, kind, [_in_order(graph, positions, kind, part)]))
    return [(part, found) for part, _, found in kinds]


def _molecules(atoms: ase.Atoms, where: str) -> list[tuple[np.ndarray, np.ndarray, set]]:
    """Return (atoms, whole positions, bonds as pairs of atoms) of every molecule of a cell."""
    around = [[] for _ in atoms]
    for first, second, vector in zip(*bonded_neighbours(atoms), strict=True):
        around[first].append((int(second), vector))
    whole = np.full((len(atoms), 3), np.nan)
    molecules = []
    for start in range(len(atoms)):
        if np.isfinite(whole[start, 0]):
            continue
        whole[start] = atoms.positions[start]
        members, bonds, queue = [start], set(), deque([start])
        while queue:
            here = queue.popleft()
            for there, vector in around[here]:
                bonds.add((min(here, there), max(here, there)))
                if np.isnan(whole[there, 0]):
                    whole[there] = whole[here] + vector
                    members.append(there)
                    queue.append(there)
                elif np.linalg.norm(whole[here] + vector - whole[there]) > 1e-3:
                    raise InputError(
                        f"{where}: atom {here} is bonded to its own periodic image, so "
                        "this is not a box of molecules; solids and polymers cannot be sampled."
                    )
        molecules.append((np.sort(members), whole[np.sort(members)], bonds))
    return molecules


def _component(
    numbers, positions, graph, charges: Mapping[str, int], where: str
) -> MolecularSystem:
    """Return the preset with these bonds, or a molecule with fitting bond orders."""
    formula = rdMolDescriptors.CalcMolFormula(graph)
    preset = _preset(graph)
    if preset is not None and charges.get(formula, preset.charge) == preset.charge:
        if len(numbers) == 1 and formula not in charges:
            return replace(preset, assumed=f"taken as the ion of {preset.charge:+d} e")
        return preset
    charge = charges.get(formula, 0)
    remedy = f"give its charge, for example charges={{{formula}: -1}}, or repair the geometry"
    mol = with_bonds(numbers, positions, charge)
    if mol is None or _same(graph, _graph(numbers, _bonds(mol))) is None:
        raise InputError(
            f"{where}: no bonds fit the molecule {formula} with the charge {charge}; {remedy}."
        )
    check_chemistry(mol, f"{where}: {formula} with the charge {charge}", remedy)
    return MolecularSystem(formula, mol, positions, f"{Chem.MolToSmiles(mol)} charge={charge}")


def _preset(graph: Chem.Mol) -> MolecularSystem | None:
    """Return the preset with these bonds, None if there is none."""
    formula = rdMolDescriptors.CalcMolFormula(graph)
    for preset, kind in _presets().get(formula, []):
        if _same(graph, kind) is not None:
            return preset
    return None


@lru_cache(maxsize=1)
def _presets() -> dict[str, list[tuple[MolecularSystem, Chem.Mol]]]:
    """Return the presets and their graphs by formula without charge."""
    found: dict[str, list[tuple[MolecularSystem, Chem.Mol]]] = {}
    for name in PRESETS:
        preset = MolecularSystem.from_preset(name)
        kind = _graph(preset.numbers, preset.bonds)
        found.setdefault(rdMolDescriptors.CalcMolFormula(kind), []).append((preset, kind))
    return found


def _bonds(mol: Chem.Mol) -> np.ndarray:
    pairs = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
    return np.array(pairs, dtype=int).reshape(-1, 2)


def _graph(numbers: np.ndarray, bonds: np.ndarray) -> Chem.Mol:
    """Return elements and bonds without orders and charges, to compare graphs."""
    mol = Chem.RWMol()
    for number in numbers:
        atom = Chem.Atom(int(number))
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    for i, j in np.reshape(bonds, (-1, 2)):
        mol.AddBond(int(i), int(j), Chem.BondType.SINGLE)
    mol.UpdatePropertyCache(strict=False)
    return mol.GetMol()


def _in_order(
    graph: Chem.Mol, positions: np.ndarray, kind: Chem.Mol, part: MolecularSystem
) -> np.ndarray | None:
    """Return the positions in the order of a component's atoms, None for another molecule.

    Equivalent atoms may be exchanged, unless an atom has more than four neighbours: which of them
    lie opposite each other, as in PF6-, follows only from the component's geometry.
    """
    order = _same(graph, kind)
    if order is None:
        return None
    if max(atom.GetDegree() for atom in kind.GetAtoms()) > 4:
        wanted = pdist(part.positions)
        order = min(
            graph.GetSubstructMatches(kind, uniquify=False, maxMatches=100_000),
            key=lambda match: np.abs(pdist(positions[list(match)]) - wanted).sum(),
        )
    return positions[list(order)]


def _same(graph: Chem.Mol, kind: Chem.Mol) -> tuple[int, ...] | None:
    """Return the atoms of a graph in the order of another one, None if the graphs differ."""
    sizes = [(m.GetNumAtoms(), m.GetNumBonds()) for m in (graph, kind)]
    match = graph.GetSubstructMatch(kind) if sizes[0] == sizes[1] else ()
    return match or None
