"""Names and units of the labels in a file."""

import os
from collections.abc import Collection
from dataclasses import dataclass, field

from gpip_plugins.errors import InputError, check_choice
from gpip_plugins.labels.readers import Reader, reader_of
from gpip_plugins.labels.scalars import check_scalar_units
from gpip_plugins.labels.stress import SIGNS, stress_factor
from gpip_plugins.units import energy_in_ev, forces_in_ev_per_angstrom, length_in_angstrom

__all__ = ["Labels"]

#: Units of the properties of an imported database.
UNITS = {
    "energy": "eV",
    "forces": "eV/Ang",
    "stress": "eV/Ang/Ang/Ang",
    "total_charge": "1",
    "spin_multiplicity": "1",
}
USUAL_KEYS = {"energy": "energy", "forces": "forces"}


@dataclass(frozen=True)
class Labels:
    """Names and units of the labels in a file.

    Args:
        energy_key: name of the energy, in the results of ASE's calculator or in `info`. None does
            not read energies. Another name than `energy` must be in the file; with `energy`, a
            file without energies is one of forces alone.
        forces_key: name of the forces, in the results of ASE's calculator or in `arrays`; as
            `energy_key`. With None for both no label but the scalar properties is read.
        energy_unit: None takes the unit that the format states.
        forces_unit: None is energy unit per distance unit.
        distance_unit: unit of the positions and the cell; Å by the definition of the XYZ format.
        stress: whether to import a stress.
        stress_key: name of the stress or virial; None takes `stress`, else `virial` or `virials`.
        stress_unit: a pressure (GPa, kbar, eV/Ang^3, ...) for a stress, an energy (eV) for a
            virial. None is energy unit per cubed distance unit, for a virial the energy unit.
        stress_sign: `tension` if the numbers are positive in a stretched crystal, `pressure` if
            they are positive in a compressed one. None is tension for a stress, pressure for a
            virial.
        require_stress: whether a frame without stress cannot be used.
        scalars: names and units of scalar properties, one number per structure, such as
            `{"homo": "eV"}`; they keep their unit.
        elements: elements of the types 1, 2, ... of a format that numbers its types (LAMMPS).

    Raises:
        InputError: for a scalar property with an unknown unit or a reserved name, for an unknown
            unit or sign of the stress.
    """

    energy_key: str | None = "energy"
    forces_key: str | None = "forces"
    energy_unit: str | None = None
    forces_unit: str | None = None
    distance_unit: str = "Ang"
    stress: bool = True
    stress_key: str | None = None
    stress_unit: str | None = None
    stress_sign: str | None = None
    require_stress: bool = False
    scalars: dict[str, str] = field(default_factory=dict)
    elements: tuple[str, ...] = ()

    def __post_init__(self):
        """Check the scalar properties and the stress."""
        check_scalar_units(self.scalars)
        if self.stress_sign is not None:
            check_choice("stress_sign", self.stress_sign, SIGNS)
        if self.stress_unit is not None:
            stress_factor(self.stress_unit)

    @property
    def wanted(self) -> dict[str, str]:
        """The names of energy and forces, without those that are not read."""
        keys = {"energy": self.energy_key, "forces": self.forces_key}
        return {name: key for name, key in keys.items() if key is not None}

    @property
    def named(self) -> set[str]:
        """Which of energy and forces have a name of their own, so that they must be there."""
        return {name for name, key in self.wanted.items() if key != USUAL_KEYS[name]}

    def units(self, source: str, reader: Reader | None = None) -> dict[str, str]:
        """Return the units of a file, with the keys energy, distance and forces.

        Without energies and forces there is only distance.

        Args:
            source: absolute path.
            reader: its reader, if there is one already; to find that of a folder, its files are
                looked at.

        Raises:
            InputError: if neither the settings nor the format state the unit of the energies.
        """
        reader = reader or self.reader(source)
        reader.check_units(
            source,
            energy_unit=self.energy_unit,
            forces_unit=self.forces_unit,
            distance_unit=self.distance_unit,
        )
        if not self.wanted:
            return {"distance": self.distance_unit}
        name = os.path.basename(source)
        stated = reader.states_units(source)
        if stated and (self.stress_unit or self.stress_sign):
            given = "stress_unit" if self.stress_unit else "stress_sign"
            raise InputError(
                f"{given}={getattr(self, given)} is not used: {name} states its units and signs; "
                f"leave {given} out."
            )
        energy_unit = self.energy_unit
        if energy_unit is None and self.energy_key is None and self.forces_unit is not None:
            return {"distance": self.distance_unit, "forces": self.forces_unit}
        if energy_unit is None:
            if not stated:
                raise InputError(
                    f"{name} does not say in which units it is; name them, for example "
                    "energy_unit=eV or energy_unit=kcal/mol."
                )
            energy_unit = "eV"
        forces_unit = self.forces_unit or f"{energy_unit}/{self.distance_unit}"
        return {"energy": energy_unit, "distance": self.distance_unit, "forces": forces_unit}

    def reader(self, source: str) -> Reader:
        """Return the reader of a file or folder, which knows the names that were given."""
        return reader_of(source, self.elements, (self.energy_key or "", self.forces_key or ""))

    def property_units(self, properties: Collection[str] | None = None) -> dict[str, str]:
        """Return the units of the labels in the database that is written.

        Args:
            properties: names of the properties that every frame has, without scalar ones; None is
                energy and forces, as far as they are read.
        """
        properties = self.wanted if properties is None else properties
        return {name: UNITS[name] for name in UNITS if name in properties} | self.scalars


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
