"""Labelled configurations from files, converted to a database when they are needed.

For the electrolytes of GPIP (arXiv:2309.15718, section 4.1): 16 solutions, PBE with PAW at 400 eV
and the Gamma point, 8,000 configurations. The authors' archives
(https://cloud.tsinghua.edu.cn/f/f4364b9fbc844ea48725/, doi:10.5281/zenodo.10693481) state no
licence that we know of and no format; their program reads extended XYZ. So the user names the files
that were downloaded or computed: one file or folder for each solution.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gpip_plugins.datasets.prepared import PreparedData
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Row, write_rows
from gpip_plugins.io.paths import existing, resolve
from gpip_plugins.labels.frames import LabelledFrames
from gpip_plugins.labels.keys_and_units import Labels

__all__ = ["LabelledFiles"]


class LabelledFiles(PreparedData):
    """Database made from labelled files or folders, in eV and Å.

    Every source is checked as by `gpip import`; rows have the name of their file, up to the first
    dot, as `system`, and their number in it as `source_row`. The report of each import is printed.

    Args:
        datapath: database, created when it is missing.
        sources: one or several: extended XYZ, also gzipped, or any other format that ASE reads,
            folders of VASP runs, folders in DeePMD-kit's format; relative to the folder in which
            the command was typed.
        batch_size: configurations in a training batch.
        energy_unit: unit of the energies in extended XYZ; forces are in this unit per Å.
        energy_key: name of the energies.
        forces_key: name of the forces.
        progress: show a progress bar while reading, and the report.
        **kwargs: everything else that `gpip_plugins.data.GpipDataModule` takes.

    Raises:
        InputError: for a source that is missing, named twice, or that `gpip import` refuses.
    """

    def __init__(
        self,
        datapath: str,
        sources: str | Sequence[str],
        batch_size: int,
        energy_unit: str = "eV",
        energy_key: str = "energy",
        forces_key: str = "forces",
        progress: bool = True,
        **kwargs: Any,
    ):
        super().__init__(datapath=datapath, batch_size=batch_size, **kwargs)
        self.sources = [resolve(s) for s in ([sources] if isinstance(sources, str) else sources)]
        named = self.load_properties or ("energy", "forces")
        self.imported = [name for name in ("energy", "forces", "stress") if name in named]
        self.labels = Labels(
            energy_key, forces_key, energy_unit=energy_unit, stress="stress" in self.imported
        )
        self.progress = progress
        self.systems = [Path(source).name.split(".")[0] for source in self.sources]
        if not self.sources:
            raise InputError("sources is empty; name one or several files with labels.")
        for name in self.systems:
            if self.systems.count(name) > 1:
                raise InputError(
                    f"sources name {name} {self.systems.count(name)} times; give each file another "
                    "name."
                )

    @property
    def settings(self) -> dict[str, Any]:
        """Names of the sources and the unit of their energies."""
        names = [os.path.basename(source) for source in self.sources]
        return {"sources": names, "energy_unit": self.labels.energy_unit}

    def make(self, path: str) -> None:
        """Read all sources into one database."""
        for source in self.sources:
            existing("sources", source, "name files with labels")
        write_rows(path, self._rows(), self.labels.property_units(self.imported))

    def _rows(self) -> Iterator[Row]:
        """Yield the frames of all sources."""
        for source, system in zip(self.sources, self.systems, strict=True):
            name = os.path.basename(source)
            frames = LabelledFrames(
                source, self.labels, progress=self.progress, properties=self.imported
            )
            for number, (atoms, values, _) in enumerate(frames):
                yield atoms, values, {"system": system, "source": name, "source_row": number}
            if self.progress:
                print(f"{name}: {frames.report}", flush=True)
