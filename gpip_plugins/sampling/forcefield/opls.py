"""OPLS-AA: atoms are typed by SMARTS, parameters come from the published table.

Jorgensen, Maxwell, Tirado-Rives, J. Am. Chem. Soc. 118, 11225 (1996) and later papers up to
OPLS/2020. Four tables make the parameters of a molecule:

- `opls_types.txt`: chemical environment -> atom type, written for this package;
- `oplsaa2024.lt` of moltemplate: atom type -> charge and Lennard-Jones constants, classes of
  types -> bonded terms, see `opls_table`;
- `opls_variants.txt`: environment -> one of several sets of constants for the same classes, written
  for this package;
- `opls_additions.txt`: bonded terms that the published table lacks, by analogy.

A term in neither table is taken from similar classes (small rings as open chains and so on).
Additions and similar terms are reported as estimated.

Improper torsions have the order (x, y, centre, z). In the published tables the centre is the third
atom; z is the oxygen of a carbonyl group, else the neighbour outside the ring.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from itertools import product

from rdkit import Chem

from gpip_plugins.sampling.forcefield import topology
from gpip_plugins.sampling.forcefield.coverage import ComponentCoverage
from gpip_plugins.sampling.forcefield.opls_table import (
    WILDCARD,
    AtomType,
    BondedRule,
    opls_table,
)
from gpip_plugins.sampling.forcefield.parameters import ParameterTable, Terms

__all__ = ["OplsMolecule", "opls_types"]

MAX_RESIDUAL = 0.05  # e for the whole molecule; smaller sums are spread over the atoms

# Classes that may replace each other where the table has no term: small rings, acetal carbons,
# conjugated chains and fused rings are treated like the corresponding simple groups.
SIMILAR = {
    "CO": "CT",
    "CY": "CT",
    "C=": "CM",
    "C|": "CM",
    "CB": "CA",
    "C!": "CA",
    "O^": "OS",
    "OH": "OS",
    "HA": "HC",
    "NM": "N~",
    "C^": "C~",
}
# At the ends of an angle or torsion, carbon classes differ less than in its middle.
SIMILAR_ENDS = SIMILAR | {"CM": "CT", "CA": "CT", "C~": "CT", "CZ": "CT"}


def opls_types(mol: Chem.Mol) -> tuple[AtomType | None, ...]:
    """Return the OPLS-AA type of every atom, None for atoms that no rule fits.

    Args:
        mol: molecule with explicit hydrogens.

    Example:
        >>> ethanol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
        >>> [t.number for t in opls_types(ethanol)]
        [54, 157, 154, 60, 60, 60, 176, 176, 155]
    """
    types: list[AtomType | None] = [None] * mol.GetNumAtoms()
    for number, pattern in _type_rules():
        for match in mol.GetSubstructMatches(pattern, uniquify=False, maxMatches=100_000):
            types[match[0]] = opls_table().types[number]
    return tuple(types)


@dataclass(frozen=True)
class OplsMolecule:
    """Types, coverage and parameters of one molecule in OPLS-AA.

    Args:
        name: name of the molecule.
        mol: molecule with explicit hydrogens.

    Example:
        >>> dme = OplsMolecule("DME", Chem.AddHs(Chem.MolFromSmiles("COCCOC")))
        >>> dme.coverage.complete, len(dme.table().torsions.atoms) > 0
        (True, True)
        >>> peroxide = OplsMolecule("peroxide", Chem.AddHs(Chem.MolFromSmiles("COOC")))
        >>> peroxide.coverage.problems()
        'no type for atoms 0, 1, 2, 3'
    """

    name: str
    mol: Chem.Mol

    def __post_init__(self):
        """Type the atoms and look up all terms."""
        types = opls_types(self.mol)
        estimated, missing, rows = {}, {}, {"bond": [], "angle": [], "dihedral": []}
        for kind, atoms in self._groups():
            if any(types[i] is None for i in atoms):
                continue
            classes = tuple(types[i].kind for i in atoms)
            values, source = _lookup(kind, classes, self._variants.get(atoms, ()))
            term = f"{kind} {'-'.join(classes)}"
            if values is None:
                missing[term] = None
                continue
            if source is None:
                estimated[f"{term} by an addition"] = None
            elif source != classes:
                estimated[f"{term} as {'-'.join(source)}"] = None
            rows[kind].append((atoms, values))
        total = sum(t.charge for t in types if t is not None)
        charge = Chem.GetFormalCharge(self.mol)
        coverage = ComponentCoverage(
            self.name,
            tuple(f"{t.number} {t.kind}: {t.description}" if t else "" for t in types),
            charge=charge,
            residual_charge=round(total - charge, 6) + 0.0,
            max_residual=MAX_RESIDUAL,
            estimated=tuple(estimated),
            missing=tuple(missing),
        )
        for name, value in (("types", types), ("coverage", coverage), ("rows", rows)):
            object.__setattr__(self, name, value)

    def table(self) -> ParameterTable:
        """Return the parameters; only for molecules whose coverage is complete."""
        if not self.coverage.complete:
            raise ValueError(self.coverage.problems())
        spread = self.coverage.residual_charge / len(self.types)
        dihedrals = [(a, t) for a, v in self.rows["dihedral"] for t in topology.fourier(v)]
        return ParameterTable(
            charges=[t.charge - spread for t in self.types],
            sigma=[t.sigma for t in self.types],
            epsilon=[t.epsilon for t in self.types],
            bonds=_terms(self.rows["bond"], 2),
            angles=_terms(self.rows["angle"], 3),
            torsions=_terms(dihedrals, 4),
            impropers=_terms(self._impropers(), 4),
        )

    @cached_property
    def _variants(self) -> dict[tuple[int, ...], tuple[str, ...]]:
        """Return the sets of constants for the environment of a torsion, in both directions."""
        chosen: dict[tuple[int, ...], tuple[str, ...]] = {}
        for name, pattern in _variant_rules()[1]:
            for match in self.mol.GetSubstructMatches(pattern, uniquify=False):
                for atoms in (match, match[::-1]):
                    chosen[atoms] = (*chosen.get(atoms, ()), name)
        return chosen

    def _groups(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        for kind, groups in (
            ("bond", topology.bonds),
            ("angle", topology.angles),
            ("dihedral", topology.torsions),
        ):
            for atoms in groups(self.mol):
                yield kind, atoms

    def _impropers(self) -> list[tuple[tuple[int, ...], tuple[float, int, float]]]:
        rings = self.mol.GetRingInfo()
        found = []
        for centre, around in enumerate(topology.neighbours(self.mol)):
            if len(around) != 3:
                continue
            kinds = tuple(self.types[i].kind for i in around)
            rule = opls_table().improper(self.types[centre].kind, kinds)
            if rule is None:
                continue
            half_v2, names_oxygen = rule
            # rank of the last atom: the named oxygen, or the substituent of the ring or chain
            last = min(
                around,
                key=lambda i: (
                    names_oxygen and self.types[i].kind != "O~",
                    bool(rings.AreAtomsInSameRing(i, centre)),
                    self.mol.GetAtomWithIdx(i).GetDegree(),
                    i,
                ),
            )
            x, y = (i for i in around if i != last)
            found.append(((x, y, centre, last), (half_v2, 2, 180.0)))
        return found


def _terms(rows, size: int) -> Terms:
    return Terms(*zip(*rows, strict=True)) if rows else Terms.none(size)


def _lookup(kind: str, classes: tuple[str, ...], variants: tuple[str, ...]):
    """Return (constants, their classes; None for an addition), with the fewest replaced classes."""
    table, defaults = opls_table(), _variant_rules()[0]
    values = table.find(kind, classes, (*defaults, *variants))
    if values is not None:
        return values, classes
    if (values := _addition(kind, classes)) is not None:
        return values, None
    last = len(classes) - 1
    options = [_similar(c, n in (0, last) and last > 1) for n, c in enumerate(classes)]
    trials = sorted(
        product(*options), key=lambda t: sum(o.index(c) for o, c in zip(options, t, strict=True))
    )
    for trial in trials:
        values = table.find(kind, trial, defaults) or _addition(kind, trial)
        if values is not None:
            return values, trial
    return None, classes


def _similar(kind: str, is_end: bool) -> list[str]:
    names = SIMILAR_ENDS if is_end else SIMILAR
    chain = [kind]
    while chain[-1] in names:
        chain.append(names[chain[-1]])
    return chain


def _addition(kind: str, classes: tuple[str, ...]) -> tuple[float, ...] | None:
    for rule_kind, rule in _additions():
        if rule_kind == kind and rule.fits(classes):
            return rule.values
    return None


@lru_cache(maxsize=1)
def _additions() -> list[tuple[str, BondedRule]]:
    rows = _rows("opls_additions.txt")
    return [
        (kind, BondedRule.parse(name.replace("?", WILDCARD), " ".join(values)))
        for kind, name, *values in rows
    ]


@lru_cache(maxsize=1)
def _type_rules() -> list[tuple[int, Chem.Mol]]:
    return [(int(n), _pattern(smarts)) for n, smarts in _rows("opls_types.txt")]


@lru_cache(maxsize=1)
def _variant_rules() -> tuple[tuple[str, ...], list[tuple[str, Chem.Mol]]]:
    """Return the default sets of constants, and (set, environment) of the others."""
    rows = [
        (f"{classes.replace('?', WILDCARD)}__{number}", where)
        for classes, number, where in _rows("opls_variants.txt")
    ]
    defaults = tuple(name for name, where in rows if where == "default")
    return defaults, [(name, _pattern(where)) for name, where in rows if where != "default"]


def _rows(name: str) -> list[list[str]]:
    """Return the columns of a data table of this package; a # after a blank starts a comment."""
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    lines = (f" {line}".split(" #")[0].split() for line in text.splitlines())
    return [line for line in lines if line]


def _pattern(smarts: str) -> Chem.Mol:
    pattern = Chem.MolFromSmarts(smarts)
    if pattern is None:
        raise ValueError(f"SMARTS {smarts!r} does not parse")
    return pattern
