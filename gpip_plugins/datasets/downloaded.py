"""Published data sets that are downloaded once and converted into a database.

A new data set is a class with the address, checksum, name and size of the file, the units of its
labels, and `rows`, which reads it. Rows are read and written in chunks, so that the memory does not
grow with the data set.
"""

import itertools
import os
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from tqdm import tqdm

from gpip_plugins.datasets.download import check_md5, download
from gpip_plugins.datasets.prepared import PreparedData
from gpip_plugins.errors import InputError, check_whole
from gpip_plugins.io.ase_database import Row, write_rows
from gpip_plugins.io.paths import existing, resolve

__all__ = ["DownloadedData"]


class DownloadedData(PreparedData):
    """Database converted from a published file, which is downloaded.

    Args:
        datapath: database, created when it is missing.
        batch_size: configurations in a training batch.
        source: the published file, if you have it; by default it is downloaded beside the database.
        n_max: convert only the first `n_max` configurations; None for all.
        check: compare the file with its published checksum.
        progress: show progress bars.
        **kwargs: other arguments of `gpip_plugins.data.GpipDataModule`.

    Raises:
        InputError: for a file that is missing, cannot be downloaded, or is not the published one.
    """

    URL: ClassVar[str]
    MD5: ClassVar[str]
    FILE: ClassVar[str]
    SIZE: ClassVar[int]
    UNITS: ClassVar[dict[str, str]]

    def __init__(
        self,
        datapath: str,
        batch_size: int,
        source: str | None = None,
        n_max: int | None = None,
        check: bool = True,
        progress: bool = True,
        **kwargs: Any,
    ):
        if n_max is not None:
            check_whole("n_max", n_max, least=1)
        super().__init__(datapath=datapath, batch_size=batch_size, **kwargs)
        self.source, self.n_max, self.check, self.progress = source, n_max, check, progress

    @property
    def settings(self) -> dict[str, Any]:
        """Number of converted configurations, and their source."""
        return {"file": self.FILE, "n_max": self.n_max}

    @abstractmethod
    def rows(self, path: str) -> Iterator[Row]:
        """Yield structures with labels and key-value pairs from the published file."""

    def make(self, path: str) -> None:
        """Download the file and convert it."""
        if self.source is not None:
            source = existing("source", self.source, "leave it out to download the file")
            if self.check:
                check_md5(source, self.MD5)
        else:
            source = os.path.join(os.path.dirname(resolve(self.datapath)), self.FILE)
            download(self.URL, source, self.MD5, self.progress)
        rows = itertools.islice(self.rows(source), self.n_max)
        bar = tqdm(rows, self.FILE, self.n_max or self.SIZE, disable=not self.progress)
        n_rows = write_rows(path, bar, self.UNITS)
        if not n_rows:
            raise InputError(f"{source} holds no configurations; download it again.")
