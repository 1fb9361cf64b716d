"""Text files, also compressed ones."""

import io

from ase.io.formats import open_with_compression

__all__ = ["open_text"]


def open_text(path: str) -> io.TextIOWrapper:
    """Open a text file; gzip, bzip2 and xz are unpacked while it is read.

    What is no UTF-8 can only be in comments, and is replaced.

    Args:
        path: absolute path of the file.

    Example:
        >>> with open_text(__file__) as file:
        ...     file.readline()
        '\"\"\"Text files, also compressed ones.\"\"\"\\n'
    """
    packed = open_with_compression(path, "rb")
    return io.TextIOWrapper(packed, encoding="utf-8-sig", errors="replace")
