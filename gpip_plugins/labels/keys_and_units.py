"""Names and units of the labels in a file."""

import os
from dataclasses import dataclass, field

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers import Reader, reader_of
from gpip_plugins.labels.scalars import check_scalar_units
from gpip_plugins.units import energy_in_ev, forces_in_ev_per_angstrom, length_in_angstrom

__all__ = ["Labels"]


@dataclass(frozen=True)
class Labels:
    """Names and units of the labels in a file.

    Args:
        energy_key: name of the energy, in the results of ASE's calculator or in `info`. None for
            structures without labels; then no label is read.
        forces_key: name of the forces, in the results of ASE's calculator or in `arrays`; None for
            structures without labels.
        energy_unit: None takes the unit that the format states.
        forces_unit: None is energy unit per distance unit.
        distance_unit: unit of the positions and the cell; Å by the definition of the XYZ format.
        stress: whether to import a stress, assumed in energy unit per cubed distance unit.
        scalars: names and units of scalar properties, one number per structure, such as
            `{"homo": "eV"}`; they keep their unit.
        elements: elements of the types 1, 2, ... of a format that numbers its types (LAMMPS).

    Raises:
        InputError: for a scalar property with an unknown unit or a reserved name.
    """

    energy_key: str | None = "energy"
    forces_key: str | None = "forces"
    energy_unit: str | None = None
    forces_unit: str | None = None
    distance_unit: str = "Ang"
    stress: bool = True
    scalars: dict[str, str] = field(default_factory=dict)
    elements: tuple[str, ...] = ()

    def __post_init__(self):
        """Check the scalar properties."""
        check_scalar_units(self.scalars)

    @property
    def wanted(self) -> bool:
        """Whether energies and forces are read."""
        return self.energy_key is not None and self.forces_key is not None

    def units(self, source: str) -> dict[str, str]:
        """Return the units of a file, with the keys energy, distance and forces.

        Without energies and forces there is only distance.

        Args:
            source: absolute path.

        Raises:
            InputError: if neither the settings nor the format state the unit of the energies.
        """
        reader = self.reader(source)
        reader.check_units(
            source,
            energy_unit=self.energy_unit,
            forces_unit=self.forces_unit,
            distance_unit=self.distance_unit,
        )
        if not self.wanted:
            return {"distance": self.distance_unit}
        energy_unit = self.energy_unit
        if energy_unit is None:
            if not reader.states_units(source):
                raise InputError(
                    f"{os.path.basename(source)} does not say in which units it is; name them, "
                    "for example energy_unit=eV or energy_unit=kcal/mol."
                )
            energy_unit = "eV"
        forces_unit = self.forces_unit or f"{energy_unit}/{self.distance_unit}"
        return {"energy": energy_unit, "distance": self.distance_unit, "forces": forces_unit}

    def reader(self, source: str) -> Reader:
        """Return the reader of a file or folder, which knows the names that were given."""
        return reader_of(source, self.elements, (self.energy_key or "", self.forces_key or ""))

    def property_units(self, stress: bool = False) -> dict[str, str]:
        """Return the units of the labels in the database that is written.

        Args:
            stress: whether the file has one.
        """
        units = {"energy": "eV", "forces": "eV/Ang"} if self.wanted else {}
        return units | self.scalars | ({"stress": "eV/Ang/Ang/Ang"} if stress else {})


def factors(units: dict[str, str]) -> dict[str, float]:
    """Return the conversion factors of units to eV, eV/Å and Å.

    Args:
        units: units as returned by `Labels.units`.

    Raises:
        InputError: for a unit of the wrong kind.

    Example:
        >>> factors({"distance": "nm"})
        {'distance': 10.0}
    """
    sizes = {
        "energy": energy_in_ev,
        "forces": forces_in_ev_per_angstrom,
        "distance": length_in_angstrom,
    }
    return {kind: sizes[kind](unit) for kind, unit in units.items()}
