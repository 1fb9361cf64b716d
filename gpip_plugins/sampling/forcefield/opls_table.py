"""The published OPLS-AA parameters, read from a file of the package moltemplate.

The file `oplsaa2024.lt` (moltemplate, MIT licence) is a conversion of the parameter files of
W. L. Jorgensen, M. M. Ghahremanpour, A. Saar, J. Tirado-Rives, J. Phys. Chem. B 128, 250 (2024).
It is read as data: types of atoms with charges and Lennard-Jones constants, and bonded terms by
the two-letter classes of the atoms. A class may contain wildcards of one letter. If rules for
several classes match, the last one in the file is used, which is the most specific one.

The file may have several sets of constants for the same classes, either numbered or with the
classes in reverse order: `CT_CT_OH_HO` has those of alcohols and `HO_OH_CT_CT` those of
trifluoroethanol. Their order in the file has no meaning; the caller names the set.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from gpip_plugins.errors import InputError

__all__ = ["WILDCARD", "AtomType", "BondedRule", "OplsTable", "opls_table"]

WILDCARD = "€"  # stands for one letter; moltemplate forbids "?" in names
KINDS = ("bond", "angle", "dihedral", "improper")

_CHARGE = re.compile(r"^\s*set type @atom:(\d+)\s+charge\s+(\S+)\s*#[^|]*\|\s*(.*?)\s*$")
_CLASS = re.compile(r"^\s*replace\{ @atom:(\d+)\s+@atom:\d+_b(\S+?)_a\S+ \}")
_PAIR = re.compile(r"^\s*pair_coeff @atom:(\d+)_\S+ @atom:(\d+)_\S+ (\S+) (\S+)")
_TERM = re.compile(r"^\s*(bond|angle|dihedral|improper)_coeff @\w+:(\S+)\s+([^#]*)")


@dataclass(frozen=True)
class AtomType:
    """One type of atom of the force field.

    Args:
        number: number of the type in the file.
        kind: two-letter class for the bonded terms.
        charge: e.
        sigma: Å.
        epsilon: kcal/mol.
        description: name given by the authors of the force field.
    """

    number: int
    kind: str
    charge: float
    sigma: float
    epsilon: float
    description: str


@dataclass(frozen=True)
class BondedRule:
    """Constants of a bonded term for classes of atoms.

    Args:
        classes: two-letter classes, perhaps with `WILDCARD` in place of letters.
        variant: number among several sets of constants for the same classes.
        values: the constants.

    Example:
        >>> rule = BondedRule.parse("€€_CA_CA_€€__2", "0.0 7.25 0.0 0.0")
        >>> rule.variant, rule.fits(("HA", "CA", "CA", "CT"))
        (2, True)
    """

    classes: tuple[str, ...]
    variant: int
    values: tuple[float, ...]

    @classmethod
    def parse(cls, name: str, values: str) -> "BondedRule":
        """Read a rule from its name (classes joined by `_`, variant after `__`) and constants."""
        classes, _, variant = name.partition("__")
        numbers = tuple(float(value) for value in values.split())
        return cls(tuple(classes.split("_")), int(variant or 1), numbers)

    @property
    def name(self) -> str:
        """Name of the rule with its number, also if the file omits the number of a single set."""
        return f"{'_'.join(self.classes)}__{self.variant}"

    @property
    def key(self) -> tuple[str, ...]:
        """The classes in the direction that sorts first."""
        return min(self.classes, self.classes[::-1])

    def fits(self, classes: tuple[str, ...]) -> bool:
        """Return whether the rule holds for these classes, in either direction."""
        return self._fits(classes) or self._fits(classes[::-1])

    def _fits(self, classes: tuple[str, ...]) -> bool:
        return all(
            len(mine) == len(theirs)
            and all(m in (WILDCARD, t) for m, t in zip(mine, theirs, strict=True))
            for mine, theirs in zip(self.classes, classes, strict=True)
        )


class OplsTable:
    """Types and bonded rules of one OPLS-AA file in moltemplate's format.

    Args:
        path: the file.

    Example:
        >>> table = opls_table()
        >>> oxygen = table.types[154]
        >>> oxygen.kind, oxygen.charge, oxygen.description
        ('OH', -0.683, 'all-atom O: mono alcohols')
        >>> table.find("bond", ("OH", "CT"))  # kcal/mol/Å^2, Å
        (320.0, 1.41)
    """

    def __init__(self, path: Path):
        charges, classes, pairs = {}, {}, {}
        self._rules = {kind: [] for kind in KINDS}
        for line in path.read_text(encoding="utf-8").splitlines():
            if found := _CHARGE.match(line):
                charges[int(found[1])] = float(found[2]), found[3]
            elif found := _CLASS.match(line):
                classes[int(found[1])] = found[2]
            elif (found := _PAIR.match(line)) and found[1] == found[2]:
                pairs[int(found[1])] = float(found[4]), float(found[3])
            elif found := _TERM.match(line):
                self._rules[found[1]].append(BondedRule.parse(found[2], found[3]))
        self.types = {
            number: AtomType(number, kind, charges[number][0], *pairs[number], charges[number][1])
            for number, kind in classes.items()
        }

    @lru_cache(maxsize=10_000)  # noqa: B019 (one table lives as long as the program)
    def find(
        self, kind: str, classes: tuple[str, ...], preferred: tuple[str, ...] = ()
    ) -> tuple[float, ...] | None:
        """Return the constants of a bonded term, None if the file has none.

        Args:
            kind: `bond` (k, r0), `angle` (k, t0) or `dihedral` (V1, V2, V3, V4); kcal/mol, Å,
                degrees.
            classes: classes of the atoms along the chain; the direction does not matter.
            preferred: names of rules; among several sets of constants for the same classes, the
                one named last is used, or the one with the lowest number if none is named.
        """
        rules = self._rules[kind]
        best = next((rule for rule in reversed(rules) if rule.fits(classes)), None)
        if best is None:
            return None
        sets = {rule.name: rule for rule in rules if rule.key == best.key}
        named = [name for name in preferred if name in sets]
        return (sets[named[-1]] if named else best).values

    def improper(self, centre: str, others: tuple[str, ...]) -> tuple[float, bool] | None:
        """Return (V2/2 in kcal/mol, whether an O= is named) of a three-coordinated centre.

        Args:
            centre: class of the central atom.
            others: classes of its three neighbours.
        """
        for rule in reversed(self._rules["improper"]):
            first, second = rule.classes[:2]
            names_oxygen = WILDCARD not in second
            if first == centre and (not names_oxygen or second in others):
                return rule.values[0], names_oxygen
        return None


@lru_cache(maxsize=1)
def opls_table() -> OplsTable:
    """Return the table of the installed moltemplate, read once.

    Raises:
        InputError: when moltemplate is not installed or lacks the file.
    """
    spec = find_spec("moltemplate")  # not imported: only the data file is read
    folders = spec.submodule_search_locations if spec else []
    for folder in folders:
        path = Path(folder) / "force_fields" / "oplsaa2024.lt"
        if path.is_file():
            return OplsTable(path)
    raise InputError(
        "force_field='opls' needs the parameter file oplsaa2024.lt of moltemplate 2.22 or later; "
        "install it with: pip install 'moltemplate>=2.22'."
    )
