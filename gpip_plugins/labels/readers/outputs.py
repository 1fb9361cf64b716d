"""Read a folder of outputs of ORCA, CP2K or FHI-aims, one calculation in each file."""

from collections.abc import Iterator
from pathlib import Path

from ase import Atoms

from gpip_plugins.labels.readers.aims import AimsOutput
from gpip_plugins.labels.readers.cp2k import Cp2k
from gpip_plugins.labels.readers.cp2k_trajectory import PART
from gpip_plugins.labels.readers.orca import OrcaOutput
from gpip_plugins.labels.readers.reader import Reader

__all__ = ["OutputFolder"]


#: Files whose beginnings are not looked at: there may be 10^5 of them.
NEVER = (".npy", ".raw", ".png")


class OutputFolder(Reader):
    """A folder with outputs, at any depth; other files in it are not read."""

    name = "a folder of outputs of ORCA, CP2K or FHI-aims"

    @classmethod
    def fits(cls, path: str) -> bool:
        """Return whether the folder has such a file."""
        return next(_outputs(path), None) is not None

    def files(self, path: str) -> list[Path]:
        """Return the files that are read, in the order of their names."""
        return [part for file, reader in _outputs(path) for part in reader().files(str(file))]

    def frames(self, path: str) -> Iterator[Atoms]:
        """Yield the frames of all files, in eV and Å."""
        for file, kind in _outputs(path):
            reader = kind()
            yield from reader.frames(str(file))
            self.notes += [note for note in reader.notes if note not in self.notes]


def _outputs(path: str) -> Iterator[tuple[Path, type[Reader]]]:
    """Yield the outputs below a folder; of a run of CP2K only the positions."""
    files = sorted(f for f in Path(path).rglob("*") if f.suffix not in NEVER and f.is_file())
    runs = {file.parent for file in files if PART.fullmatch(file.name)}
    for file in files:
        part = PART.fullmatch(file.name)
        if part:
            if part[2] == "pos":
                yield file, Cp2k
        elif OrcaOutput.fits(str(file)):
            yield file, OrcaOutput
        elif file.parent not in runs and Cp2k.fits(str(file)):
            yield file, Cp2k
        elif AimsOutput.fits(str(file)):
            yield file, AimsOutput
