"""The force fields that consist of tables: OPLS-AA with ions and water, and TIP3P alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import openmm
from rdkit import Chem

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield.assembly import assemble
from gpip_plugins.sampling.forcefield.coverage import ComponentCoverage, Coverage
from gpip_plugins.sampling.forcefield.literature import model_of
from gpip_plugins.sampling.forcefield.opls import OplsMolecule
from gpip_plugins.sampling.forcefield.parameters import ParameterTable

__all__ = ["OPLS", "TIP3P"]


@dataclass(frozen=True)
class OPLS:
    """OPLS-AA for molecules and boxes, with TIP3P water, Åqvist's Li+ and Na+, CL&P's anions.

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
        return Coverage(self.name, tuple(self._coverage(m) for m, _ in system.components))

    def table(self, molecule) -> ParameterTable:
        """Return the parameters of one kind of molecule.

        Args:
            molecule: the molecule.

        Raises:
            InputError: when the molecule is not covered; the message names atoms and terms.
        """
        _require(self.coverage(molecule))
        model = model_of(molecule.mol)
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

    def _coverage(self, molecule) -> ComponentCoverage:
        model = model_of(molecule.mol)
        if model is None:
            return OplsMolecule(molecule.name, molecule.mol).coverage
        scaled = self.charge_scale != 1.0 and Chem.GetFormalCharge(molecule.mol) != 0
        return replace(
            _model_coverage(molecule),
            note=f"charges scaled by {self.charge_scale:g}" if scaled else "",
        )


@dataclass(frozen=True)
class TIP3P:
    """Flexible TIP3P water, alone or as a liquid; numbers and sources: `.literature`.

    Example:
        >>> from gpip_plugins.sampling.systems.molecule import MolecularSystem
        >>> TIP3P().table(MolecularSystem.from_smiles("O", name="water")).charges
        array([-0.834,  0.417,  0.417])
    """

    name: str = "tip3p"

    def coverage(self, system) -> Coverage:
        """Return whether all molecules are water, without raising.

        Args:
            system: the molecule or box.
        """
        return Coverage(self.name, tuple(self._coverage(m) for m, _ in system.components))

    def table(self, molecule) -> ParameterTable:
        """Return the parameters of water.

        Args:
            molecule: the molecule.

        Raises:
            InputError: when it is not water.
        """
        _require(self.coverage(molecule))
        return model_of(molecule.mol).table(molecule.mol, molecule.positions)

    def create(self, system, cutoff: float | None = None) -> openmm.System:
        """Return the OpenMM system of a molecule or box; arguments as in `OPLS.create`."""
        return _create(self, system, cutoff)

    def _coverage(self, molecule) -> ComponentCoverage:
        model = model_of(molecule.mol)
        if model is not None and model.name == "TIP3P":
            return _model_coverage(molecule)
        return ComponentCoverage(molecule.name, ("",) * molecule.mol.GetNumAtoms())


def _model_coverage(molecule) -> ComponentCoverage:
    model = model_of(molecule.mol)
    types = model.types(molecule.mol)
    return ComponentCoverage(molecule.name, tuple(f"{model.name}: {kind}" for kind in types))


def _create(force_field: OPLS | TIP3P, system, cutoff: float | None) -> openmm.System:
    tables = list(_tables(force_field, system))
    return assemble(tables, system.masses, system.cell, cutoff)


def _tables(force_field: OPLS | TIP3P, system) -> Iterator[tuple[ParameterTable, int]]:
    _require(force_field.coverage(system))  # reports all molecules in one message
    for molecule, count in system.components:
        yield force_field.table(molecule), count


def _require(coverage: Coverage) -> None:
    if not coverage.complete:
        raise InputError(
            f"force_field={coverage.force_field!r} does not cover {coverage.problems()}; choose "
            "another molecule, or another force field (mmff94 covers most organic molecules)."
        )
