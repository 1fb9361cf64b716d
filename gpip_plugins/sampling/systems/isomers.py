"""Random isomers of a formula.

The paper samples 100 isomers of C7H10O2 (GPIP, arXiv:2309.15718, section 4.1) and does not state
which. Here they are random graphs (`gpip_plugins.sampling.systems.graphs`) that pass four rules,
which select chemically reasonable molecules:

1. no triple bond and no cumulated double bonds in a ring of fewer than nine atoms;
2. no double bond at a bridgehead of a ring of fewer than nine atoms (Bredt's rule);
3. no bond between two oxygens, which breaks at the temperatures of the sampling;
4. RDKit embeds the molecule (ETKDG), MMFF94 has its parameters, and at the minimum of MMFF94 the
   terms of bonds and angles (stretch, bend, stretch-bend, out of plane) are below 40 kcal/mol.

The reference angles of MMFF94 include the strain of three- and four-membered rings, so
cyclopropane, oxetane and even cyclopropene (30 kcal/mol) pass, but twisted cages do not.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdForceFieldHelpers, rdMolDescriptors
from tqdm import tqdm

from gpip_plugins.errors import InputError, check_whole
from gpip_plugins.sampling.systems.graphs import parse_formula, random_graphs
from gpip_plugins.sampling.systems.molecule import MolecularSystem

__all__ = ["MAX_STRAIN", "is_reasonable", "isomers", "strain_and_minimum"]

MAX_STRAIN = 40.0  # kcal/mol
SMALL_RING = 9
#: Number of graphs in a row without a new isomer, per isomer found, after which the search ends.
PATIENCE = 50

CUMULATED = Chem.MolFromSmarts("[*]=[*]=[*]")
TRIPLE = Chem.MolFromSmarts("[*]#[*]")
PEROXIDE = Chem.MolFromSmarts("O-O")


def isomers(
    formula: str, count: int, seed: int = 0, progress: bool = True
) -> list[MolecularSystem]:
    """Return different random isomers of a formula, drawn by `random_graphs`.

    Args:
        formula: for example C7H10O2.
        count: number of isomers.
        seed: the same seed gives the same isomers and geometries; a larger count only adds to them.
        progress: show a progress bar.

    Returns:
        Molecules named by their canonical SMILES, in the geometry of the minimum of MMFF94.
        Stereocentres have the configuration of the embedding.

    Raises:
        InputError: for an impossible formula, or when there are fewer isomers than `count`.

    Example:
        >>> sorted(system.name for system in isomers("C2H6O", 2, progress=False))
        ['CCO', 'COC']
    """
    check_whole("count", count, least=1)
    parse_formula(formula)
    found: list[MolecularSystem] = []
    with tqdm(total=count, desc=f"isomers of {formula}", disable=not progress) as bar:
        for system in _reasonable_isomers(formula, seed):
            found.append(system)
            bar.update()
            if len(found) == count:
                return found
    raise InputError(
        f"formula={formula} has only {len(found)} isomers without absurd strain, but count={count} "
        "are requested; lower count, or give a list of isomers."
    )


def is_reasonable(mol: Chem.Mol) -> bool:
    """Return whether a graph passes the rules 1 to 3 of this module.

    Args:
        mol: sanitised molecule, hydrogens implicit or explicit.

    Example:
        >>> [is_reasonable(Chem.MolFromSmiles(s)) for s in ("C1CCC#CC1", "C1CC2=CC1C2", "CC#CO")]
        [False, False, True]
    """
    small = [set(ring) for ring in mol.GetRingInfo().AtomRings() if len(ring) < SMALL_RING]
    for pattern in (TRIPLE, CUMULATED):
        for match in mol.GetSubstructMatches(pattern):
            if any(set(match) <= ring for ring in small):
                return False
    bridgeheads: list[int] = []
    rdMolDescriptors.CalcNumBridgeheadAtoms(mol, bridgeheads)
    for index in bridgeheads:
        orders = [b.GetBondTypeAsDouble() for b in mol.GetAtomWithIdx(index).GetBonds()]
        if max(orders) > 1 and any(index in ring for ring in small):
            return False
    return not mol.HasSubstructMatch(PEROXIDE)


def strain_and_minimum(mol: Chem.Mol) -> tuple[float, np.ndarray]:
    """Minimise with MMFF94; return the energy of its bond and angle terms, and the positions.

    Args:
        mol: molecule with explicit hydrogens and one conformer, which is not changed.

    Returns:
        Strain in kcal/mol (infinite when MMFF94 has no parameters) and positions of the minimum in
        Å, shape (n_atoms, 3).
    """
    mol = Chem.Mol(mol)
    with rdBase.BlockLogs():
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
        if properties is None:
            return float("inf"), mol.GetConformer().GetPositions()
        rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties).Minimize(maxIts=2000)
        for term in ("VdW", "Ele", "Torsion"):
            getattr(properties, f"SetMMFF{term}Term")(False)
        strain = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties).CalcEnergy()
    return strain, mol.GetConformer().GetPositions()


def _reasonable_isomers(formula: str, seed: int) -> Iterator[MolecularSystem]:
    """Yield isomers that pass all rules, each once, until no new ones are found."""
    rng = np.random.default_rng(seed)
    seen: set[str] = set()
    since_new = 0
    for graph in random_graphs(formula, rng):
        smiles = Chem.MolToSmiles(graph)
        if smiles in seen:
            since_new += 1
            if since_new > PATIENCE * (len(seen) + 10):
                return
            continue
        seen.add(smiles)
        since_new = 0
        # Aromaticity is perceived anew from the SMILES, as everywhere else.
        if is_reasonable(Chem.MolFromSmiles(smiles)):
            system = _relaxed(smiles, seed)
            if system is not None:
                yield system


def _relaxed(smiles: str, seed: int) -> MolecularSystem | None:
    """Return the molecule at the minimum of MMFF94, or None if it breaks rule 4."""
    try:
        system = MolecularSystem.from_smiles(smiles, seed=seed)
    except InputError:  # it cannot be embedded: rule 4
        return None
    strain, positions = strain_and_minimum(system.mol)
    if strain > MAX_STRAIN:
        return None
    # The stereoisomer is drawn like the graph; `source` states it.
    return replace(system, positions=positions, assumed="")
