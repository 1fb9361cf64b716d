"""The force fields that consist of tables: OPLS-AA with ions and water, and TIP3P alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import openmm
from rdkit import Chem

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield.assembly import MAX_CUTOFF, assemble, longest_cutoff
from gpip_plugins.sampling.forcefield.coverage import ComponentCoverage, Coverage
from gpip_plugins.sampling.forcefield.literature import MODELS, LiteratureModel
from gpip_plugins.sampling.forcefield.models import holds_water, model_of
from gpip_plugins.sampling.forcefield.opls import OplsMolecule
from gpip_plugins.sampling.forcefield.parameters import ParameterTable

__all__ = ["OPLS", "TIP3P"]


@dataclass(frozen=True)
class OPLS:
    """OPLS-AA for molecules and boxes, with TIP3P water, monatomic ions, and CL&P's anions.

    The constants of monatomic ions depend on whether the box contains water, see `.ions`.

    Args:
        charge_scale: factor on the charges of all atoms of ions (0.8 mimics electronic screening);
            charges of neutral molecules are not scaled.

    Example:
        >>> from gpip_plugins.sampling.systems.molecule import MolecularSystem
        >>> ethanol = MolecularSystem.from_smiles("CCO", name="ethanol")
        >>> OPLS().coverage(ethanol).sentence()
        'opls: all atoms and terms are covered'
        >>> OPLS().create(ethanol).getNumParticles()
        9
        >>> OPLS(charge_scale=0.8).name
        'opls_q0.8'
    """

    charge_scale: float = 1.0

    def __post_init__(self):
        """Check the range of the factor."""
        if not 0.0 < self.charge_scale <= 1.0:
            raise InputError(
                f"charge_scale={self.charge_scale} is outside 0 to 1; give for example "
                "charge_scale=0.8, or 1 for the charges of the ions as published."
            )

    @property
    def name(self) -> str:
        """Name stored with the frames; it includes the factor of scaled charges."""
        return "opls" if self.charge_scale == 1.0 else f"opls_q{self.charge_scale:g}"

    def coverage(self, system) -> Coverage:
        """Return the coverage of a molecule or box by OPLS-AA, without raising.

        Args:
            system: a molecule or box, see `gpip_plugins.sampling.systems.molecule` and `.box`.
        """
        in_water = holds_water(system)
        components = (self._coverage(m, in_water) for m, _ in system.components)
        return Coverage(self.name, tuple(components), note=_short_cutoff(system))

    def table(self, molecule, in_water: bool = False) -> ParameterTable:
        """Return the parameters of one kind of molecule.

        Args:
            molecule: the molecule.
            in_water: whether the box contains water.

        Raises:
            InputError: when the molecule is not covered; the message names atoms and terms.
        """
        _require(self.coverage(molecule))
        model = model_of(molecule.mol, in_water)
        if model is None:
            return OplsMolecule(molecule.name, molecule.mol).table()
        table = model.table(molecule.mol, molecule.positions)
        is_ion = Chem.GetFormalCharge(molecule.mol) != 0
        return table.scaled(self.charge_scale) if is_ion else table

    def create(self, system, cutoff: float | None = None) -> openmm.System:
        """Return the OpenMM system of a molecule or box.

        Args:
            system: the molecule or box.
            cutoff: Å, boxes only; None takes 10 Å or the largest that the cell allows.

        Raises:
            InputError: when a molecule is not covered or the cutoff does not fit the cell.
        """
        return _create(self, system, cutoff)

    def _coverage(self, molecule, in_water: bool) -> ComponentCoverage:
        model = model_of(molecule.mol, in_water)
        if model is None:
            return OplsMolecule(molecule.name, molecule.mol).coverage
        scaled = self.charge_scale != 1.0 and Chem.GetFormalCharge(molecule.mol) != 0
        return replace(
            _model_coverage(molecule, model),
            note=f"charges scaled by {self.charge_scale:g}" if scaled else "",
        )


@dataclass(frozen=True)
class TIP3P:
    """Flexible TIP3P water, alone, as a liquid, or with monatomic ions.

    Numbers and sources: `.literature` and `.ions`.

    Example:
        >>> from gpip_plugins.sampling.systems.molecule import MolecularSystem
        >>> TIP3P().table(MolecularSystem.from_smiles("O", name="water")).charges
        array([-0.834,  0.417,  0.417])
    """

    name: str = "tip3p"

    def coverage(self, system) -> Coverage:
        """Return whether all molecules are water or monatomic ions, without raising.

        Args:
            system: the molecule or box.
        """
        components = (self._coverage(m) for m, _ in system.components)
        return Coverage(self.name, tuple(components), note=_short_cutoff(system))

    def table(self, molecule, in_water: bool = True) -> ParameterTable:
        """Return the parameters of water or an ion.

        Args:
            molecule: the molecule.
            in_water: not used; the ions are those for water.

        Raises:
            InputError: when it is neither water nor a known monatomic ion.
        """
        _require(self.coverage(molecule))
        return model_of(molecule.mol, in_water=True).table(molecule.mol, molecule.positions)

    def create(self, system, cutoff: float | None = None) -> openmm.System:
        """Return the OpenMM system of a molecule or box; arguments as in `OPLS.create`."""
        return _create(self, system, cutoff)

    def _coverage(self, molecule) -> ComponentCoverage:
        model = model_of(molecule.mol, in_water=True)
        if model is not None and model.mixing == MODELS[0].mixing:
            return _model_coverage(molecule, model)
        return ComponentCoverage(molecule.name, ("",) * molecule.mol.GetNumAtoms())


def _model_coverage(molecule, model: LiteratureModel) -> ComponentCoverage:
    types = model.types(molecule.mol)
    charge = Chem.GetFormalCharge(molecule.mol)
    residual = sum(model.atoms[kind][1] for kind in types) - charge
    names = tuple(f"{model.name}: {kind}" for kind in types)
    return ComponentCoverage(molecule.name, names, charge, round(residual, 9) + 0.0)


def _short_cutoff(system) -> str:
    """Return what is said about a cutoff that the cell shortens, empty text without one."""
    if system.cell is None:
        return ""
    cutoff = longest_cutoff(system.cell)
    if cutoff >= MAX_CUTOFF:
        return ""
    return f"a cutoff of {cutoff:.2f} Å instead of {MAX_CUTOFF:g} Å, because the cell is small"


def _create(force_field: OPLS | TIP3P, system, cutoff: float | None) -> openmm.System:
    tables = list(_tables(force_field, system))
    return assemble(tables, system.masses, system.cell, cutoff)


def _tables(force_field: OPLS | TIP3P, system) -> Iterator[tuple[ParameterTable, int]]:
    _require(force_field.coverage(system))  # reports all molecules in one message
    in_water = holds_water(system)
    for molecule, count in system.components:
        yield force_field.table(molecule, in_water), count


def _require(coverage: Coverage) -> None:
    if not coverage.complete:
        raise InputError(
            f"force_field={coverage.force_field!r} does not cover {coverage.problems()}; choose "
            "another molecule, or another force field (mmff94 covers most organic molecules)."
        )
