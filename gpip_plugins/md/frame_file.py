"""An HDF5 file of frames that opens after any interruption.

While the HDF5 library has a file open for writing, its tables of contents are partly in memory: a
process that is killed leaves a file that no program opens. Here the library only builds the head of
a new file, in memory: groups, attributes, and for each table a block of fixed length that may stay
empty (on most file systems it occupies nothing before it is written). Frames are then written at
their place, as plain bytes, and become valid in the moment when the eight bytes of the attribute
`entries` are replaced. So at any time the file is complete up to the last chunk of frames, also for
a reader beside the running simulation.

The format is that of SchNetPack's `FileLogger`; `schnetpack.md.data.HDF5Loader` reads it.
"""

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import h5py
import numpy as np

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import whole_file, writing

__all__ = ["FrameFile", "Table", "Tables"]

#: Stands for the number of valid frames until its place in the file is known.
_MARK = 0x6672616D65730000
_PAGE = 4096  # bytes
_BLOCK = 1 << 26  # bytes that are copied at once


@dataclass
class Table:
    """One table that a data stream asked for, before it is in a file.

    Args:
        row: shape of one frame.
        dtype: type of the numbers.
        attrs: attributes by name.
    """

    row: tuple[int, ...]
    dtype: np.dtype
    attrs: dict[str, object] = field(default_factory=dict)


class Tables(dict):
    """Takes the place of an open `h5py.File` while the data streams create their tables."""

    def create_dataset(self, name: str, shape: tuple, dtype, **_) -> Table:
        """Note a table.

        Args:
            name: name of the table.
            shape: (number of frames, ...); the number is ignored.
            dtype: type of the numbers.
        """
        self[name] = Table(tuple(shape[1:]), np.dtype(dtype))
        return self[name]


class FrameFile:
    """Tables of frames in one HDF5 file, written in chunks.

    Args:
        path: the file; an existing one is replaced by `create`.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.path.abspath(path)
        self.n_frames = 0
        self._data: dict[str, int] = {}  # place of the first frame, in bytes
        self._entries: dict[str, int] = {}  # place of the number of valid frames

    def create(self, n_frames: int, tables: Mapping[str, Table], keep: int = 0) -> None:
        """Write a new file, which appears whole or not at all.

        Args:
            n_frames: number of frames for which there is room.
            tables: the tables by name.
            keep: number of frames that are copied from the file that is replaced.

        Raises:
            InputError: if the disk is full, the folder cannot be written, or there are too many
                atoms for the head of such a file.
        """
        image = _Image()
        marks = {name: np.int64(_MARK + number) for number, name in enumerate(tables)}
        with h5py.File(image, "w", libver="earliest") as file:
            for name, table in tables.items():
                data = _create(file, name, table, max(n_frames, 1))
                data.attrs.create("entries", marks[name], dtype=np.int64)
                self._data[name] = data.id.get_offset()
        for name, mark in marks.items():
            self._entries[name] = image.replace(mark.tobytes(), np.int64(keep).tobytes())
        with whole_file(self.path) as partial, open(partial, "wb") as target:
            image.write_to(target)
            if keep:
                self._copy(target, keep)
            target.flush()
            os.fsync(target.fileno())
        self.n_frames = keep

    def _copy(self, target: io.BufferedWriter, keep: int) -> None:
        """Copy the first frames of the present file to a new one."""
        with h5py.File(self.path, "r") as old:
            for name, place in self._data.items():
                row = old[name].dtype.itemsize * int(np.prod(old[name].shape[1:]))
                step = max(_BLOCK // row, 1)
                target.seek(place)
                for start in range(0, keep, step):
                    target.write(old[name][start : min(start + step, keep)].tobytes())

    def append(self, frames: Mapping[str, np.ndarray]) -> None:
        """Write one chunk of frames behind the valid ones.

        Args:
            frames: numbers of every table, of its type, shape (n_new, ...).

        Raises:
            InputError: if the disk is full; the frames before these remain valid.
        """
        n_new = len(next(iter(frames.values())))
        with writing(self.path), open(self.path, "r+b", buffering=0) as file:
            for name, values in frames.items():
                row = values[:1].nbytes
                file.seek(self._data[name] + self.n_frames * row)
                _write_all(file, memoryview(np.ascontiguousarray(values)).cast("B"))
            # First the frames are on the disk, then they count.
            os.fsync(file.fileno())
            # The loader takes the number of the first table, `molecules`: it changes last.
            for place in reversed(self._entries.values()):
                file.seek(place)
                _write_all(file, memoryview(np.int64(self.n_frames + n_new).tobytes()))
        self.n_frames += n_new


def _write_all(file: io.FileIO, data: memoryview) -> None:
    """Write all bytes; the system may take only a part at once, as on a disk that is filling up."""
    while len(data):
        data = data[file.write(data) :]


def _create(file: h5py.File, name: str, table: Table, n_frames: int) -> h5py.Dataset:
    """Create a table of one contiguous block whose place is fixed, but where nothing is written."""
    kind = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    kind.set_layout(h5py.h5d.CONTIGUOUS)
    kind.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    kind.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple((n_frames, *table.row))
    number = h5py.h5t.py_create(table.dtype)
    data = h5py.Dataset(h5py.h5d.create(file.id, name.encode(), number, space, kind))
    for key, value in table.attrs.items():
        if key != "entries":
            data.attrs[key] = _small(key, value)
    return data


def _small(key: str, value: object) -> object:
    """Return an attribute in the smallest type of integers; it must not exceed 64 KB."""
    if isinstance(value, str):
        return value
    value = np.asarray(value)
    if value.size > 1 and value.dtype.kind == "i" and value.min() >= 0:
        value = value.astype(np.min_scalar_type(value.max()))
    if value.nbytes > 64000:
        raise InputError(
            f"The structures have {value.size} {key}, too many for this kind of trajectory (at "
            f"most {64000 // value.itemsize}); simulate fewer atoms at once, or let SchNetPack "
            "write the trajectory, callbacks.hdf5._target_=schnetpack.md.simulation_hooks."
            "FileLogger, which does not open after a kill."
        )
    return value


class _Image(io.RawIOBase):
    """A file in memory that holds only the pages that were written: blocks may stay empty."""

    def __init__(self):
        super().__init__()
        self.pages: dict[int, bytearray] = {}
        self.length = 0
        self.place = 0

    def replace(self, old: bytes, new: bytes) -> int:
        """Replace bytes that occur once by as many others; return their place."""
        places = []
        for page in self.pages:
            self.place = page * _PAGE
            here = self.read(_PAGE + len(old) - 1)
            if old in here:
                places.append(page * _PAGE + here.find(old))
        if len(places) != 1:
            raise RuntimeError("The head of the trajectory is not as expected.")
        self.place = places[0]
        self.write(new)
        return places[0]

    def write_to(self, target: io.BufferedWriter) -> None:
        """Write all pages to a file of the right length."""
        for page, content in sorted(self.pages.items()):
            target.seek(page * _PAGE)
            target.write(content)
        target.truncate(self.length)

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.place, os.SEEK_END: self.length}[whence]
        self.place = start + offset
        return self.place

    def _spans(self, n_bytes: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield page, place in it, place in the data and length, from the present place on."""
        done = 0
        while done < n_bytes:
            page, start = divmod(self.place + done, _PAGE)
            size = min(_PAGE - start, n_bytes - done)
            yield page, start, done, size
            done += size

    def write(self, data) -> int:
        data = bytes(data)
        for page, start, done, size in self._spans(len(data)):
            content = self.pages.setdefault(page, bytearray(_PAGE))
            content[start : start + size] = data[done : done + size]
        self.place += len(data)
        self.length = max(self.length, self.place)
        return len(data)

    def readinto(self, buffer) -> int:
        for page, start, done, size in self._spans(len(buffer)):
            content = self.pages.get(page, bytes(_PAGE))
            buffer[done : done + size] = content[start : start + size]
        self.place += len(buffer)
        return len(buffer)

    def truncate(self, size: int | None = None) -> int:
        self.length = self.place if size is None else size
        return self.length
