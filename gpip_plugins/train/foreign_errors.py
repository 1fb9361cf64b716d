"""Sentences for exceptions of PyTorch, Lightning and the file system that a setting causes."""

import errno
import os
import re
from collections.abc import Iterator

import torch
from hydra.errors import InstantiationException
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from gpip_plugins.errors import InputError
from gpip_plugins.train.trainer_settings import first_sentences

__all__ = ["sentence_of"]

#: Errors of a file system that is full or cannot be written.
FILES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
#: Texts of PyTorch for a file that could not be written to its end.
HALF_WRITTEN = ("PytorchStreamWriter failed", "unexpected pos", "iostream error")


def sentence_of(error: BaseException) -> str | None:
    """Return a sentence for an exception; None for an `InputError` and for unknown exceptions.

    An unknown exception may be a mistake in the code, whose trace-back is needed.

    Args:
        error: exception that ended a run.

    Example:
        >>> sentence_of(OSError(28, "No space left on device", "/r/metrics.csv"))
        'Writing /r/metrics.csv failed (No space left on device); free some space or correct the \
permissions of its folder, then start the same command again.'
        >>> sentence_of(ZeroDivisionError("division by zero")) is None
        True
    """
    for cause in _causes(error):
        if isinstance(cause, InputError):
            return None
        found = _sentence(cause)
        if found is not None:
            return found
    if isinstance(error, InstantiationException):
        return _instantiation(error)
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


def _sentence(error: BaseException) -> str | None:
    text = first_sentences(error)
    if isinstance(error, OSError) and error.errno in FILES:
        return _not_written(error.filename or "a file of the run", os.strerror(error.errno))
    if isinstance(error, RuntimeError) and any(part in text for part in HALF_WRITTEN):
        return _not_written("a file of the run", "the disk is full or a quota is reached")
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in text:
        return (
            "The memory does not suffice for a batch; give a smaller data.batch_size and "
            "data.val_batch_size, or a smaller network."
        )
    if "loading state_dict for" in text:
        return (
            f"The checkpoint does not fit the network of this run ({text[:200]} ...); take the "
            "settings of the run that wrote it from its config.yaml, or start another run."
        )
    if isinstance(error, MisconfigurationException) or "conditioned on metric" in text:
        return f"{text.rstrip('.')}; correct the setting that is named here."
    if 'ckpt_path="best"' in text:
        return (
            "The run has no best model to be tested, since no validation took place; give more "
            "epochs, or check trainer.limit_val_batches and data.num_val."
        )
    return None


def _not_written(file: object, why: str) -> str:
    return (
        f"Writing {file} failed ({why}); free some space or correct the permissions of its folder, "
        "then start the same command again."
    )


def _instantiation(error: InstantiationException) -> str:
    """Return a sentence for an object that Hydra could not create."""
    lines = str(error).splitlines()
    key = next((line.removeprefix("full_key: ") for line in lines if "full_key: " in line), "?")
    target = re.search(r"'([\w.]+)'", lines[0])
    why = first_sentences(error.__cause__) if error.__cause__ is not None else lines[0]
    # Python names the constructor, Hydra a key.
    why = re.sub(r"^\w+\.__init__\(\) got an unexpected keyword argument", "it has no setting", why)
    made = f" ({target[1]})" if target else ""
    return f"{key}{made} cannot be set up: {why.rstrip('.')}; correct this setting."
