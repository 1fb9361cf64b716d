"""The systems of a data set: one small class for every way to specify them.

Each class is a choice of the recipes' group `system`. Its fields are the settings, and
`build(seed)` makes the systems when they are needed: embedding and packing take time.
`packed=False` omits the packing when only names, composition and force field are needed, for
example to open an existing database.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Final, Protocol

from omegaconf import ListConfig

from gpip_plugins.errors import InputError, check_choice, check_whole
from gpip_plugins.io.smiles_values import BRACKET_ATOM
from gpip_plugins.sampling.seeds import derive_seed, fingerprint
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.chemistry import check_size
from gpip_plugins.sampling.systems.electrolytes import electrolyte, is_of_the_paper
from gpip_plugins.sampling.systems.embedding import parsed, shown
from gpip_plugins.sampling.systems.files import read_systems
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.packing import components_from, pack, unpacked
from gpip_plugins.sampling.systems.stereo import stereoisomers

__all__ = [
    "SOURCES",
    "Electrolyte",
    "Files",
    "Isomers",
    "Presets",
    "Smiles",
    "SystemSource",
    "Water",
    "file_name",
]


CHOICES_OF_ISOMERS: Final = ("one", "all")
PAPER: Final = ("C7H10O2", 100)


class SystemSource(Protocol):
    """Anything that makes systems from a seed."""

    @property
    def label(self) -> str:
        """Name of the data set, from its systems."""
        ...

    def build(self, seed: int, packed: bool = True) -> list[MolecularSystem] | list[Box]:
        """Return the systems; `InputError` when they cannot be made."""
        ...


@dataclass(frozen=True)
class Presets:
    """Isolated molecules by name (see `gpip_plugins.sampling.systems.presets`).

    Args:
        molecules: one name or several, for example `ethanol` or `[ethanol, toluene]`.

    Example:
        >>> [system.formula for system in Presets("ethanol").build(seed=0)]
        ['C2H6O']
    """

    molecules: str | Sequence[str]

    @property
    def label(self) -> str:
        """Name of the data set, from its systems."""
        return "+".join(_several("molecules", self.molecules))

    def build(self, seed: int, packed: bool = True) -> list[MolecularSystem]:
        """Return the molecules, in geometries that the seed determines.

        Args:
            seed: seed of the embedding.
            packed: not used.
        """
        names = _several("molecules", self.molecules)
        return [MolecularSystem.from_preset(name, seed) for name in names]


@dataclass(frozen=True)
class Smiles:
    """Isolated molecules by SMILES; hydrogens are added.

    Args:
        smiles: one or several.
        isomers: what to do with stereocentres and double bonds that a SMILES leaves open: `one`
            samples the stereoisomer that the embedding chooses, which is printed and stored, `all`
            samples every one that can be embedded.

    Raises:
        InputError: when `isomers` is unknown, or a list of one entry may stand for a single atom.

    Example:
        >>> [system.name for system in Smiles(["CCO", "COC"]).build(seed=0)]
        ['CCO', 'COC']
        >>> len(Smiles("CC=CC", isomers="all").build(seed=0))
        2
    """

    smiles: str | Sequence[str]
    isomers: str = "one"

    def __post_init__(self):
        """Check the choice, and lists that Hydra may have made of an atom in brackets."""
        check_choice("isomers", self.isomers, CHOICES_OF_ISOMERS)
        if isinstance(self.smiles, ListConfig) and len(self.smiles) == 1:
            atom = f"[{self.smiles[0]}]"
            if BRACKET_ATOM.fullmatch(atom):
                raise InputError(
                    f"smiles={atom} is read as a list of one molecule, but may be the atom in "
                    f"brackets; for the molecule write smiles={self.smiles[0]}, for the atom "
                    f"\"smiles='{atom}'\"."
                )

    @property
    def label(self) -> str:
        """Name of the data set, from its systems."""
        return "+".join(_several("smiles", self.smiles))

    def build(self, seed: int, packed: bool = True) -> list[MolecularSystem]:
        """Return the molecules, in geometries that the seed determines.

        Args:
            seed: seed of the embedding.
            packed: not used.
        """
        found = _several("smiles", self.smiles)
        return [system for smiles in found for system in of_smiles(smiles, self.isomers, seed)]


@dataclass(frozen=True)
class Files:
    """Systems from files: every structure, a box for a periodic one, otherwise a molecule.

    A file with several systems gives each of them once (see
    `gpip_plugins.sampling.systems.files`).

    Args:
        file: one file that ASE reads or an SDF, or several; relative to the folder in which the
            command was typed.
        charge: charge of isolated molecules in e, used to find bonds; None takes the `charge` of
            the structure in extended XYZ, else 0.
        charges: charges of the molecules in a box in e, by formula, for example `{Cl: -1}`; only
            for charged molecules that are not presets. Monatomic ions are presets.
    """

    file: str | Sequence[str]
    charge: int | None = None
    charges: Mapping[str, int] | None = None

    @property
    def label(self) -> str:
        """Name of the data set, from its systems."""
        return "+".join(Path(path).stem for path in _several("file", self.file))

    def build(self, seed: int, packed: bool = True) -> list[MolecularSystem | Box]:
        """Return the systems.

        Args:
            seed: seed of the geometry of molecules that a file gives only in two dimensions.
            packed: not used.
        """
        if self.charge is not None:
            check_whole("charge", self.charge)
        if not isinstance(self.charges or {}, Mapping):
            raise InputError(
                f"charges={self.charges!r} is no mapping; give for example charges={{Cl: -1}}."
            )
        charges = {
            str(name): check_whole(f"charges.{name}", value)
            for name, value in (self.charges or {}).items()
        }
        paths = _several("file", self.file)
        found = [s for path in paths for s in read_systems(path, self.charge, charges, seed)]
        parts = [part for system in found for part, _ in system.components]
        formulas = {re.sub(r"[+-]\d*$", "", part.formula) for part in parts}
        if unknown := set(charges) - formulas:
            raise InputError(
                f"charges={charges} names {', '.join(sorted(unknown))}, but the molecules are "
                f"{', '.join(sorted(formulas))}; write formulas in Hill's order, without charge."
            )
        return found


@dataclass(frozen=True)
class Isomers:
    """Isolated isomers of a formula: random ones, or those of a list.

    Args:
        formula: for example C7H10O2; None takes every molecule of the list, or without a list the
            paper's, C7H10O2.
        count: number of isomers; None takes the whole list, or without a list the paper's 100.
        source: SMILES or structures to choose from (see `isomers_from_file`); None draws random
            graphs.

    Example:
        >>> sorted(system.name for system in Isomers("C2H6O", 2).build(seed=0))
        ['CCO', 'COC']
    """

    formula: str | None = None
    count: int | None = None
    source: str | None = None

    @property
    def label(self) -> str:
        """Name of the data set, from its systems."""
        return f"isomers_{self.formula or (Path(self.source).stem if self.source else PAPER[0])}"

    def build(self, seed: int, packed: bool = True) -> list[MolecularSystem]:
        """Return the isomers.

        Args:
            seed: seed of the graphs, or of the choice from the list, and of the geometries.
            packed: not used.
        """
        # Imported here: reading structure files needs torch, whose import takes seconds.
        from gpip_plugins.sampling.systems.isomer_lists import isomers_from_file
        from gpip_plugins.sampling.systems.isomers import isomers

        if self.source is None:
            count = PAPER[1] if self.count is None else self.count
            return isomers(self.formula or PAPER[0], count, seed)
        return isomers_from_file(self.source, self.count, seed, self.formula)


@dataclass(frozen=True)
class Water:
    """A cubic box of water.

    Args:
        count: number of molecules.
        cell: edge in Å, for example that of labelled data; None: a loose cell, whose density is
            found at constant pressure.

    Example:
        >>> box, = Water(count=8, cell=7.0).build(seed=0)
        >>> box.name, box.positions.shape
        ('water8', (24, 3))
    """

    count: int = 64
    cell: float | None = None

    @property
    def label(self) -> str:
        """Name of the data set, from its systems."""
        return f"water{self.count}"

    def build(self, seed: int, packed: bool = True) -> list[Box]:
        """Return the box, packed at random.

        Args:
            seed: seed of the packing.
            packed: false leaves all atoms at the origin.
        """
        name = f"water{self.count}"
        components = components_from({"water": self.count}, seed)
        if not packed:
            return [unpacked(name, components, cell=self.cell)]
        return [pack(name, components, derive_seed(seed, name), cell=self.cell)]


@dataclass(frozen=True)
class Electrolyte:
    """Boxes of ions and solvent in the paper's compositions or at a molarity.

    Every combination of the named cations, anions, solvents and concentrations is one box.

    Args:
        cation: one or several of `gpip_plugins.sampling.systems.electrolytes.CATIONS`.
        anion: one or several of `ANIONS` there.
        solvent: one or several of `SOLVENTS` there, or mixtures such as `EC:EMC`.
        concentration: one or several in mol/L; for the paper's ions and solvents 1 and 4 are its
            compositions (see `electrolyte` there).
        box: `small` (the paper's cells for labels, about 250 atoms) or `large` (its cells for
            sampling, about 2500).

    Example:
        >>> electrolyte = Electrolyte("Li", ["PF6", "TFSI"], "DME", 4)
        >>> [name for name, _ in electrolyte.compositions()]
        ['Li-PF6-DME-4M', 'Li-TFSI-DME-4M']
    """

    cation: str | Sequence[str] = "Li"
    anion: str | Sequence[str] = "PF6"
    solvent: str | Sequence[str] = "EC:DMC"
    concentration: float | Sequence[float] = 1
    box: str = "small"

    @property
    def label(self) -> str:
        """Name of the data set, from its systems."""
        return "+".join(name for name, _ in self.compositions())

    def compositions(self) -> list[tuple[str, dict[str, int]]]:
        """Return the name and the number of each molecule of every box."""
        return [
            ("{}-{}-{}-{}M".format(*choice).replace(":", "-"), electrolyte(*choice, self.box))
            for choice in self._choices()
        ]

    def build(self, seed: int, packed: bool = True) -> list[Box]:
        """Return the boxes, packed at random.

        Args:
            seed: seed of the geometries and the packing.
            packed: false leaves all atoms at the origin.
        """
        boxes = []
        for choice, (name, composition) in zip(self._choices(), self.compositions(), strict=True):
            components = components_from(composition, seed)
            if packed:
                box = pack(name, components, derive_seed(seed, name, self.box))
            else:
                box = unpacked(name, components)
            cation, *_, concentration = choice
            asked = {} if is_of_the_paper(*choice) else {cation: float(concentration)}
            boxes.append(replace(box, molarity_asked=asked))
        return boxes

    def _choices(self) -> list[tuple[str, str, str, float]]:
        """Return all combinations of cation, anion, solvent and concentration."""
        return list(
            product(
                _several("cation", self.cation),
                _several("anion", self.anion),
                _several("solvent", self.solvent),
                _several("concentration", self.concentration),
            )
        )


def file_name(label: str) -> str:
    """Return a valid file name for a label, different for different labels.

    Args:
        label: any text.

    Example:
        >>> file_name("Li-PF6-DME-1M"), file_name("CC(=O)O")
        ('Li-PF6-DME-1M', 'CC-O-O-4245')
    """
    plain = re.sub(r"[^\w+.-]+", "-", label)[:60]
    return plain if plain == label else f"{plain}-{fingerprint(label)[:4]}"


def _several(name: str, values: Any) -> list[Any]:
    """Return one or several values as a list."""
    if values is None:
        raise InputError(f"{name} is not given, but this system needs it; add {name}=...")
    single = isinstance(values, str) or not isinstance(values, Sequence)
    found = [values] if single else list(values)
    if not found:
        raise InputError(f"{name}=[] leaves nothing to sample; name at least one.")
    return found


def of_smiles(smiles: str, isomers: str, seed: int) -> list[MolecularSystem]:
    """Return the molecule of a SMILES, or all stereoisomers that it leaves open.

    Args:
        smiles: the molecule.
        isomers: `one` or `all`.
        seed: seed of the geometries.

    Raises:
        InputError: when the SMILES is no molecule that can be sampled.
    """
    if isomers == "one":
        return [MolecularSystem.from_smiles(smiles, seed=seed)]
    mol, where = parsed(smiles), shown(smiles)
    check_size(mol, where)
    names = stereoisomers(mol, where)
    if len(names) == 1:
        return [MolecularSystem.from_smiles(smiles, seed=seed)]
    found = []
    for name in names:
        # Some combinations cannot exist, such as a trans double bond in a small ring.
        with contextlib.suppress(InputError):
            found.append(MolecularSystem.from_smiles(name, name=name, seed=seed))
    return found or [MolecularSystem.from_smiles(smiles, seed=seed)]  # raises the reason


#: All classes of systems in this module.
SOURCES = (Presets, Smiles, Files, Isomers, Water, Electrolyte)
