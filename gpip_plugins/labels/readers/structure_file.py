"""Read any file of structures that ASE knows: extended XYZ, results of ab initio programs, ..."""

import os
from collections.abc import Iterator

from ase import Atoms

from gpip_plugins.io.structures import read_structures, structure_format
from gpip_plugins.labels.readers.reader import Reader

__all__ = ["StructureFile"]

#: Formats without defined units; ASE converts all other formats to eV and Å.
WITHOUT_UNITS = ("extxyz", "xyz", "lammps-dump-text")


class StructureFile(Reader):
    """A file that ASE reads, also compressed.

    Extended XYZ has no field for units, and files in kcal/mol are as common as files in eV; a dump
    of LAMMPS is in the units of its input.
    """

    name = "a file that ASE reads"
    numbers_types = True
    converts = False  # an ASE trajectory may have been written in other units

    @classmethod
    def fits(cls, path: str) -> bool:
        """Return whether it is a file."""
        return os.path.isfile(path)

    def frames(self, path: str) -> Iterator[Atoms]:
        """Yield the frames, in the units of the file."""
        largest = 0.0
        for frame in read_structures(path, self.elements):
            results = getattr(frame.calc, "results", {})
            if results.get("energy") is not None and results.get("free_energy") is not None:
                largest = max(largest, abs(results["energy"] - results["free_energy"]))
            yield frame
        if largest > 1e-6:
            self.notes.append(
                f"energy and free_energy differ by up to {largest:.2g}; with smeared electrons the "
                "forces belong to the free energy (energy_key=free_energy takes it)"
            )

    def states_units(self, path: str) -> bool:
        """Return whether ASE converts this format to eV and Å."""
        return structure_format(path) not in WITHOUT_UNITS
