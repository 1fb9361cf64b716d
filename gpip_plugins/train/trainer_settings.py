"""Checks the settings of Lightning's trainer before a run does anything that takes long."""

import contextlib
import logging
import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import hydra
from hydra.errors import HydraException

from gpip_plugins.errors import InputError, check_whole

__all__ = ["check_trainer", "first_sentences"]

#: Whole numbers that Lightning uses without a check, and their smallest values; -1 is no limit.
WHOLE = {"max_epochs": -1, "min_epochs": 0, "max_steps": -1, "min_steps": 0}
WHOLE |= {"accumulate_grad_batches": 1, "log_every_n_steps": 1}


def check_trainer(settings: Mapping[str, Any]) -> None:
    """Build a trainer with the given settings, and name the setting with which that fails.

    Lightning's own checks are the only complete list of what a version accepts, and of what fits
    the machine; building a trainer takes a few milliseconds and starts nothing.

    Args:
        settings: node `trainer` of a recipe, with its `_target_`.

    Raises:
        InputError: Lightning refuses a setting, or a combination of several.

    Example:
        >>> check_trainer({"_target_": "pytorch_lightning.Trainer", "precision": "quarter"})
        ... # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: precision=quarter cannot be used: Precision 'quarter' is ...
    """
    settings = dict(settings)
    target = settings.pop("_target_", "pytorch_lightning.Trainer")
    for name, least in WHOLE.items():
        if settings.get(name) is not None:
            check_whole(name, settings[name], least)

    def error_with(names: Collection[str]) -> str | None:
        return _error_of({"_target_": target} | {name: settings[name] for name in names})

    reason = error_with(settings)
    if reason is None:
        return
    # A setting without which it works is to blame; if several are wrong, one that fails alone.
    others = {name: [n for n in settings if n != name] for name in settings}
    blamed = [name for name in settings if error_with(others[name]) is None]
    if not blamed:
        blamed = [name for name in settings if error_with([name])][:1]
        reason = (error_with(blamed) or reason) if blamed else reason
    shown = " with ".join(f"{name}={settings[name]}" for name in blamed) or "trainer"
    if "unexpected keyword argument" in reason:
        reason = "the trainer has no setting of this name"
    raise InputError(f"{shown} cannot be used: {reason.rstrip('.!')}; change it or leave it out.")


def _error_of(settings: dict[str, Any]) -> str | None:
    """Return why no trainer can be built; None if it can."""
    try:
        with _quiet():
            hydra.utils.instantiate(
                settings, callbacks=[], logger=False, default_root_dir=".", _convert_="partial"
            )
    except HydraException as error:
        return first_sentences(error.__cause__ or error)
    return None


def first_sentences(error: BaseException) -> str:
    """Return the message of an exception in one line, cut after 400 characters.

    Example:
        >>> first_sentences(ValueError("No GPU.\\n  Call `torch.x()` first."))
        'No GPU. Call torch.x() first.'
    """
    text = " ".join(str(error).split()).replace("`", "") or type(error).__name__
    return text if len(text) <= 400 else text[:400].rsplit(" ", 1)[0] + " ..."


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what Lightning reports about the machine: the run itself reports it again."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
