r"""Random connected molecular graphs of a formula with all valences filled.

Every heavy atom has one stub per valence. Hydrogens cap a random choice of the stubs; the other
stubs are joined in a random perfect matching (the configuration model: Bollobás, Eur. J. Comb. 1,
311 (1980)). The graph is kept if no atom is bonded to itself, no bond has an order above three and
the graph is connected. All matchings are equally likely, so that a graph with automorphism group
:math:`A` and bond orders :math:`b` is drawn with the weight

.. math:: w \propto \frac{1}{|A|} \prod_\text{atoms} \frac{1}{n_\mathrm{H}!}
          \prod_\text{bonds} \frac{1}{b!},

which favours neither chains nor rings strongly.
"""

import re
from collections.abc import Iterator

import numpy as np
from rdkit import Chem

from gpip_plugins.errors import InputError

__all__ = ["MAX_ATOMS", "VALENCES", "parse_formula", "random_graphs"]

#: Valences of neutral closed-shell atoms for which MMFF94 has parameters.
VALENCES = {"H": 1, "C": 4, "N": 3, "O": 2, "F": 1, "Si": 4, "S": 2, "Cl": 1, "Br": 1, "I": 1}
BONDS = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
BATCH = 256
#: Atoms of a formula; random matchings of larger ones are hardly ever connected.
MAX_ATOMS = 200
#: Number of matchings in a row without a molecule after which a formula counts as too large.
MAX_FAILURES = 400_000


def parse_formula(formula: str) -> dict[str, int]:
    """Return the number of atoms of each element in a formula.

    Args:
        formula: for example C7H10O2, in any order.

    Raises:
        InputError: when the formula does not parse, has an element without a known valence, has
            more than 200 atoms, or belongs to no connected molecule with all valences filled.

    Example:
        >>> parse_formula("C7O2H10")
        {'C': 7, 'O': 2, 'H': 10}
    """
    parts = re.findall(r"([A-Z][a-z]?)(\d*)", str(formula))
    if not parts or "".join(element + n for element, n in parts) != str(formula):
        raise InputError(f"formula={formula} does not parse; write it like formula=C7H10O2.")
    counts: dict[str, int] = {}
    for element, n in parts:
        if element not in VALENCES:
            raise InputError(
                f"formula={formula} holds {element}, for which no valence is known here; use "
                f"{', '.join(VALENCES)}, or name the isomers in a file of SMILES."
            )
        counts[element] = counts.get(element, 0) + int(n[:9] or 1)  # ten digits are too many anyway
    counts = {element: n for element, n in counts.items() if n}
    if sum(counts.values()) > MAX_ATOMS:
        raise InputError(
            f"formula={formula} has {sum(counts.values())} atoms, more than the {MAX_ATOMS} up to "
            "which isomers can be drawn; choose a smaller formula, or name the isomers in a list "
            "(source=FILE)."
        )
    n_heavy = sum(n for element, n in counts.items() if element != "H")
    heavy_valence = sum(VALENCES[element] * n for element, n in counts.items() if element != "H")
    free = heavy_valence - counts.get("H", 0)  # twice the bond orders between heavy atoms
    # A tree over the heavy atoms takes n - 1 bonds of two stubs each.
    if n_heavy == 0 or free < 2 * (n_heavy - 1) or free % 2 or (n_heavy == 1 and free):
        raise InputError(
            f"formula={formula} fits no connected molecule with all valences filled; correct "
            "the number of hydrogens (an isomer of MD17's ethanol is formula=C2H6O)."
        )
    return counts


def random_graphs(formula: str, rng: np.random.Generator) -> Iterator[Chem.Mol]:
    """Yield random molecules of a formula endlessly, sanitised, with implicit hydrogens.

    Args:
        formula: for example C7H10O2.
        rng: source of the random numbers.

    Raises:
        InputError: for an impossible formula, or one too large for random matchings.

    Example:
        >>> ethanol_or_ether = next(random_graphs("C2H6O", np.random.default_rng(0)))
        >>> Chem.MolToSmiles(ethanol_or_ether) in ("CCO", "COC")
        True
    """
    counts = parse_formula(formula)
    elements = [e for e, n in counts.items() if e != "H" for _ in range(n)]
    stubs = np.repeat(np.arange(len(elements)), [VALENCES[e] for e in elements])
    failures = 0
    while True:
        shuffled = rng.permuted(np.tile(stubs, (BATCH, 1)), axis=1)
        pairs = shuffled[:, counts.get("H", 0) :].reshape(BATCH, -1, 2)
        failures += BATCH
        for joined in pairs[(pairs[..., 0] != pairs[..., 1]).all(1)]:
            orders = np.zeros((len(elements), len(elements)), dtype=int)
            np.add.at(orders, (joined[:, 0], joined[:, 1]), 1)
            orders += orders.T
            if orders.max() <= 3 and _is_connected(orders):
                failures = 0
                yield _molecule(elements, orders)
        if failures >= MAX_FAILURES:
            raise InputError(
                f"formula={formula} is too large for the generator of random isomers (none in "
                f"{failures} trials); name its isomers in a file of SMILES."
            )


def _is_connected(orders: np.ndarray) -> bool:
    """Return whether every atom is connected to the first."""
    reached = np.zeros(len(orders), dtype=bool)
    reached[0] = True
    for _ in range(len(orders)):
        further = reached | (orders[reached] > 0).any(0)
        if (further == reached).all():
            break
        reached = further
    return bool(reached.all())


def _molecule(elements: list[str], orders: np.ndarray) -> Chem.Mol:
    """Return the RDKit molecule of a matrix of bond orders; RDKit adds the hydrogens."""
    mol = Chem.RWMol()
    for element in elements:
        mol.AddAtom(Chem.Atom(element))
    for i, j in np.argwhere(np.triu(orders)):
        mol.AddBond(int(i), int(j), BONDS[int(orders[i, j])])
    Chem.SanitizeMol(mol)
    return mol.GetMol()
