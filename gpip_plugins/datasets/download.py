"""Downloads that resume, show their progress and are checked."""

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.request

from tqdm import tqdm

from gpip_plugins.errors import InputError

__all__ = ["check_md5", "download"]

CHUNK = 1 << 20


def download(url: str, target: str, md5: str, progress: bool = True) -> None:
    """Download a file, unless it exists; it appears complete and checked, or not at all.

    The part from an interrupted download stays in a hidden file beside the target, and the next
    download continues after it, if the server supports this.

    Args:
        url: address of the file.
        target: absolute path of the file.
        md5: published checksum, 32 hexadecimal digits.
        progress: show a progress bar.

    Raises:
        InputError: without connection, on a full disk, or for a different checksum.
    """
    if os.path.exists(target):
        check_md5(target, md5)
        return
    folder, name = os.path.split(target)
    partial = os.path.join(folder, f".{name}.download")
    try:
        os.makedirs(folder, exist_ok=True)
        _fetch(url, partial, name, progress)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(
            f"{url} cannot be downloaded to {target} ({error}); start again to continue, or put "
            "the file there by hand."
        ) from error
    try:
        check_md5(partial, md5)
    except InputError as error:
        os.remove(partial)
        raise InputError(
            f"The file from {url} has another MD5 than {md5} and was removed; start again."
        ) from error
    os.replace(partial, target)


def _fetch(url: str, partial: str, name: str, progress: bool) -> None:
    """Append the missing part to a partial file; start again if the server sends the whole file."""
    have = os.path.getsize(partial) if os.path.exists(partial) else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is missing
            error.close()
            return
        raise
    with contextlib.closing(answer):
        if answer.status != 206:
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with (
            open(partial, "ab" if have else "wb") as file,
            tqdm(
                total=total,
                initial=have,
                unit="B",
                unit_scale=True,
                desc=name,
                disable=not progress,
            ) as bar,
        ):
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and os.path.getsize(partial) < total:
        raise OSError(f"the connection ended after {os.path.getsize(partial)} of {total} bytes")


def check_md5(path: str, md5: str) -> None:
    """Compare a file with its published checksum.

    Args:
        path: path of the file.
        md5: 32 hexadecimal digits.

    Raises:
        InputError: if the checksums differ.
    """
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != md5:
        raise InputError(
            f"{path} has the MD5 {digest.hexdigest()} instead of {md5}; remove it to download it "
            "again."
        )
