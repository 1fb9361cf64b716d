"""The systems of a data set: one small class for every way to specify them.

Each class is a choice of the recipes' group `system`. Its fields are the settings, and
`build(seed)` makes the systems when they are needed: embedding and packing take time.
`packed=False` omits the packing when only names, composition and force field are needed, for
example to open an existing database.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Protocol

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import resolve
from gpip_plugins.sampling.seeds import derive_seed, fingerprint
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem, read_structure
from gpip_plugins.sampling.systems.packing import components_from, pack, unpacked
from gpip_plugins.sampling.systems.presets import electrolyte, is_of_the_paper

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

    Example:
        >>> [system.name for system in Smiles(["CCO", "COC"]).build(seed=0)]
        ['CCO', 'COC']
    """

    smiles: str | Sequence[str]

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
        return [MolecularSystem.from_smiles(smiles, seed=seed) for smiles in found]


@dataclass(frozen=True)
class Files:
    """Systems from structure files: a box for a periodic structure, otherwise a molecule.

    Args:
        file: one file that ASE reads, or several; relative to the folder in which the command was
            typed.
        charge: charge of an isolated molecule in e, used to find its bonds.
        charges: charges of the molecules in a box in e, by formula, for example `{Cl: -1}`; only
            for charged molecules that are not presets.
    """

    file: str | Sequence[str]
    charge: int = 0
    charges: Mapping[str, int] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name of the data set, from its systems."""
        return "+".join(Path(path).stem for path in _several("file", self.file))

    def build(self, seed: int, packed: bool = True) -> list[MolecularSystem | Box]:
        """Return the systems; nothing in them is random.

        Args:
            seed: not used.
            packed: not used.
        """
        return [self._read(Path(resolve(path))) for path in _several("file", self.file)]

    def _read(self, path: Path) -> MolecularSystem | Box:
        if read_structure(path).pbc.any():
            return Box.from_file(path, charges=self.charges)
        return MolecularSystem.from_file(path, charge=self.charge)


@dataclass(frozen=True)
class Isomers:
    """Isolated isomers of a formula: random ones, or those of a list.

    Args:
        formula: for example C7H10O2; None takes every molecule of the list.
        count: number of isomers; None takes the whole list.
        source: SMILES or structures to choose from (see `isomers_from_file`); None draws random
            graphs.

    Raises:
        InputError: when neither formula and count nor a list is given.

    Example:
        >>> sorted(system.name for system in Isomers("C2H6O", 2).build(seed=0))
        ['CCO', 'COC']
    """

    formula: str | None = None
    count: int | None = 100
    source: str | None = None

    def __post_init__(self):
        """Check that the settings specify isomers."""
        if self.source is None and (self.formula is None or self.count is None):
            raise InputError(
                f"formula={self.formula} and count={self.count} name no isomers; give for example "
                "formula=C7H10O2 count=100, or a list with source=FILE."
            )

    @property
    def label(self) -> str:
        """Name of the data set, from its systems."""
        return f"isomers_{self.formula or Path(self.source).stem}"

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
            return isomers(self.formula, self.count, seed)
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
        cation: `Li`, `Na`, or both as a list.
        anion: `PF6`, `TFSI`, or both.
        solvent: `DME`, `EC:DMC`, or both.
        concentration: one or several; 1 and 4 are the paper's compositions, other values are mol/L
            (see `gpip_plugins.sampling.systems.presets.electrolyte`).
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
            asked = {} if is_of_the_paper(concentration) else {cation: float(concentration)}
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


#: All classes of systems in this module.
SOURCES = (Presets, Smiles, Files, Isomers, Water, Electrolyte)
