"""Opens a file of weights, and says in words what another file is.

`torch.save` writes a zip archive without compression: a pickle `NAME/data.pkl`, and the numbers of
each tensor in `NAME/data/KEY`. Everything that the file declares is checked against its size before
it is believed, so that a small file cannot ask for much memory.
"""

import io
import os
import stat
import zipfile

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing

__all__ = ["Archive", "damaged_file", "model_path", "open_archive", "what_it_is"]

#: First bytes of formats that are taken for models by mistake.
_MAGIC = {
    b"SQLite format 3\x00": "an SQLite database, such as one of ASE",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x1f\x8b": "a file compressed by gzip",
    b"BZh": "a file compressed by bzip2",
    b"\xfd7zXZ": "a file compressed by xz",
    b"\x93NUMPY": "an array of NumPy",
    b"CDF": "a NetCDF file",
    b"\x89PNG": "a picture",
    b"%PDF": "a PDF document",
    b"\x80": "a pickle that is not in PyTorch's format since version 1.6",
}
_TEXT = frozenset(range(32, 127)) | {9, 10, 12, 13}


class Archive:
    """The records of a file of `torch.save`.

    Args:
        data: the whole file.

    Attributes:
        pickle: content of `data.pkl`.

    Raises:
        KeyError: there is no `data.pkl` (`TorchScript` as its argument: it is a TorchScript file).
        zipfile.BadZipFile, ValueError: the file is damaged, or was not written by `torch.save`.
    """

    def __init__(self, data: bytes):
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        records = self._zip.infolist()
        names = [record.filename for record in records]
        if any(name.endswith("/constants.pkl") for name in names):
            raise KeyError("TorchScript")
        if not data.startswith(b"PK\x03\x04") or any(r.compress_type for r in records):
            raise ValueError("torch.save writes no compressed records and nothing before them")
        if sum(record.file_size for record in records) > len(data):
            raise ValueError("the records overlap")
        if len(set(names)) < len(names):
            raise ValueError("two records have the same name")
        # PyTorch itself takes the folder of the first record.
        self._folder = names[0].split("/")[0] if names else ""
        self.pickle = self._zip.read(f"{self._folder}/data.pkl")

    def is_whole(self) -> bool:
        """Return whether all checksums are right; PyTorch writes them and does not check them."""
        return self._zip.testzip() is None

    def size(self, key: str) -> int:
        """Return the number of bytes of a tensor's record."""
        return self._zip.getinfo(f"{self._folder}/data/{key}").file_size

    def read(self, key: str) -> bytes:
        """Return the bytes of a tensor's record."""
        return self._zip.read(f"{self._folder}/data/{key}")


def model_path(path: str | os.PathLike, name: str = "path") -> str:
    """Return the absolute path of a file of weights.

    Args:
        path: the file, or the folder of a run with its `best_model`.
        name: name of the parameter that holds the path.

    Raises:
        InputError: there is no such file, or it is a device or a pipe.
    """
    path = existing(name, path, "name the best_model of a finished run")
    if os.path.isdir(path):
        inside = os.path.join(path, "best_model")
        if not os.path.isfile(inside):
            raise InputError(
                f"The folder {name}={path} has no best_model; give a file, or a finished run's "
                "folder."
            )
        path = inside
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise InputError(f"{name}={path} is not a file; give the best_model of a finished run.")
    return path


def open_archive(path: str, name: str = "path") -> tuple[bytes, Archive]:
    """Return the bytes of a file of weights, and its records.

    Args:
        path: result of `model_path`.
        name: name of the parameter that holds the path.

    Raises:
        InputError: the file cannot be read, is damaged, or is none of `torch.save`; the message
            says what it is.
    """
    try:
        with open(path, "rb") as handle:
            head = handle.read(4096)
            if not head.startswith(b"PK"):
                raise InputError(
                    f"{path} is {what_it_is(head)} and not a file of torch.save; give the "
                    "best_model of a run, or a checkpoint."
                )
            handle.seek(0)
            data = handle.read()
    except OSError as error:
        raise InputError(
            f"{name}={path} cannot be read ({error.strerror}); change its permissions."
        ) from error
    try:
        archive = Archive(data)
        if not archive.is_whole():
            raise damaged_file(path)
    except KeyError as error:
        if error.args == ("TorchScript",):
            raise InputError(
                f"{path} is a TorchScript file, whose weights cannot be loaded; give the"
                " best_model from which it was made."
            ) from None
        raise InputError(
            f"{path} is a zip archive, such as an .npz file, and not a file of torch.save; give "
            "the best_model of a run, or a checkpoint."
        ) from None
    except Exception as error:
        raise error if isinstance(error, InputError) else damaged_file(path) from error
    return data, archive


def damaged_file(path: str) -> InputError:
    """Return the error for a file that cannot be read."""
    return InputError(
        f"{path} is damaged or not a file of torch.save; copy it again, or give another checkpoint."
    )


def what_it_is(head: bytes) -> str:
    """Return in words what a file is.

    Args:
        head: its first bytes.

    Example:
        >>> what_it_is(b"2\\nwater\\nH 0 0 0\\n"), what_it_is(b""), what_it_is(b"%PDF-1.5")
        ('a text file', 'an empty file', 'a PDF document')
    """
    if not head:
        return "an empty file"
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if set(head) <= _TEXT:
        return "a text file"
    return "filled with zeros" if not any(head) else "a file of an unknown format"
