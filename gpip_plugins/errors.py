"""The one exception for mistakes that a user can mend."""

from hydra.errors import CompactHydraException

__all__ = ["InputError"]


class InputError(CompactHydraException, ValueError):
    """A wrong input: one sentence that names the key, the value and the remedy.

    Hydra prints a `CompactHydraException` without a trace-back and exits with code 1, so raising
    this anywhere below `spktrain`, `spkpredict` or `spkmd` shows the user just the sentence.
    `gpip` does the same. For callers in Python it is a `ValueError`.

    Example:
        >>> raise InputError("sigma=-1 is negative; use for example sigma=0.15.")
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: sigma=-1 is negative; use for example sigma=0.15.
    """

    def __repr__(self) -> str:
        """Return the bare sentence: Hydra shows this when it was instantiating something."""
        return str(self)
