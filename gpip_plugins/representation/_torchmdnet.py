"""The blocks of TorchMD-Net, imported without the greeting of the package on which they rest."""

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

__all__ = ["attention", "blocks"]

#: What NVIDIA Warp writes past Python where there is no GPU; nothing here runs in Warp.
_NO_GPU = b"Warp CUDA warning: Could not find or load the NVIDIA CUDA driver"


@contextlib.contextmanager
def _without_line(start: bytes) -> Iterator[None]:
    """Hold the error stream back, then write it again without the lines that begin so."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (AttributeError, OSError, ValueError):
        yield  # a program without an error stream
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not line.startswith(start):
                    os.write(2, line)


@contextlib.contextmanager
def _quiet_warp() -> Iterator[None]:
    """Import Warp without its banner, and leave its settings as they were."""
    import warp

    before = {
        name: getattr(warp.config, name)
        for name in ("quiet", "log_level")  # one or both, by its version
        if name in vars(warp.config)
    }
    wanted = {"quiet": True, "log_level": getattr(warp, "LOG_WARNING", 30)}
    for name in before:
        setattr(warp.config, name, wanted[name])
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(warp.config, name, value)


with warnings.catch_warnings(), _without_line(_NO_GPU), _quiet_warp():
    # Escapes in docstrings of TorchMD-Net and Warp, told when Python compiles them.
    warnings.simplefilter("ignore", SyntaxWarning)
    import torchmdnet.models.torchmd_et as attention
    import torchmdnet.models.utils as blocks
