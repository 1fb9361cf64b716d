"""The exception for errors of the user, and the checks of single settings that raise it.

The library names its own parameters. The user may have typed another name: the command line has
`--energy-unit`, a recipe `data.datapath`. `with_names` puts these names into the message, where the
command or the recipe calls the library.
"""

import math
import numbers
import re
from collections.abc import Collection, Mapping
from typing import Any

from hydra.errors import CompactHydraException

__all__ = ["InputError", "check_choice", "check_number", "check_whole", "with_names"]


class InputError(CompactHydraException, ValueError):
    """A wrong input: one sentence with the parameter, the value and the remedy.

    Hydra prints a `CompactHydraException` without a trace-back and exits with code 1, so if this is
    raised anywhere below `spktrain`, `spkpredict` or `spkmd`, the user sees only the sentence.
    `gpip` does the same. For callers in Python it is a `ValueError`.

    Example:
        >>> raise InputError("sigma=-1 is negative; use for example sigma=0.15.")
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: sigma=-1 is negative; use for example sigma=0.15.
    """

    def __repr__(self) -> str:
        """Return only the sentence: Hydra shows this if the error occurs in `instantiate`."""
        return str(self)


def with_names(sentence: str, names: Mapping[str, str]) -> str:
    """Return a sentence with the names of parameters that the user knows.

    `parameter=value` is replaced everywhere, except in quotes, where a message writes what can be
    typed as it stands. A parameter without a value is replaced only if its
    name has an underscore; otherwise it could be an English word.

    Args:
        sentence: text of an `InputError`.
        names: parameter to the text that is written in front of its value, such as
            `--energy-unit ` or `data.datapath=`; text with neither ending replaces the parameter
            and its value (a flag).

    Example:
        >>> with_names("labels=a is none; type 'labels=[b]'.", {"labels": "data.labels="})
        "data.labels=a is none; type 'labels=[b]'."
        >>> with_names("energy_unit=cal is no unit; set energy_unit.", {"energy_unit": "--unit "})
        '--unit cal is no unit; set --unit.'
        >>> with_names("source=/data/energy_unit/a.xyz", {"energy_unit": "--unit "})
        'source=/data/energy_unit/a.xyz'
        >>> with_names("target exists; give overwrite=True.", {"overwrite": "--force"})
        'target exists; give --force.'
    """
    for parameter, shown in names.items():
        bare = shown.rstrip(" =")
        value = "" if bare != shown else r"(True|False|\w+)"
        sentence = re.sub(rf"(?<![\w./']){parameter}={value}", lambda _, s=shown: s, sentence)
        if "_" in parameter:
            alone = rf"(?<![\w./-]){parameter}(?![\w=/])"
            sentence = re.sub(alone, lambda _, b=bare: b, sentence)
    return sentence


def check_whole(name: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """Return a whole number in a range; True and False are refused.

    Args:
        name: name of the parameter.
        value: value of the parameter.
        least: smallest allowed value.
        most: largest allowed value.

    Raises:
        InputError: for anything else.

    Example:
        >>> check_whole("seed", 3, least=0)
        3
        >>> check_whole("cores", 0, least=1)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: cores=0 is not a whole number of at least 1; give for ...
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if whole and (least is None or value >= least) and (most is None or value <= most):
        return int(value)
    limits = _limits([("of at least", least), ("of at most", most)])
    example = next(n for n in (least, most, 1) if n is not None)
    raise InputError(
        f"{name}={value!r} is not a whole number{limits}; give for example {name}={example}."
    )


def check_number(
    name: str,
    value: Any,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    unit: str = "",
    example: float | None = None,
) -> float:
    """Return a finite number in a range; text such as `1e-3` is accepted, True and False are not.

    Args:
        name: name of the parameter.
        value: value of the parameter.
        least: smallest allowed value.
        above: value that must be exceeded.
        most: largest allowed value.
        unit: unit of the number, for the message.
        example: a sensible value, for the message.

    Raises:
        InputError: for anything else.

    Example:
        >>> check_number("time_step", "0.5", above=0.0)
        0.5
        >>> check_number("friction", -1, above=0, unit="1/ps", example=2.0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: friction=-1 is not a number above 0 (1/ps); give for ...
    """
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    inside = math.isfinite(number)
    inside = inside and (least is None or number >= least) and (most is None or number <= most)
    if inside and (above is None or number > above):
        return number
    limits = _limits([("of at least", least), ("above", above), ("of at most", most)])
    kind = "a number" if limits else "a finite number"
    unit = f" ({unit})" if unit else ""
    if example is None:
        example = next(n for n in (least, most, above and 2 * above, 1.0) if n is not None)
    raise InputError(
        f"{name}={value!r} is not {kind}{limits}{unit}; give for example {name}={example:g}."
    )


def check_choice(name: str, value: Any, choices: Collection[str]) -> str:
    """Return a value that must be one of some names.

    Args:
        name: name of the parameter.
        value: value of the parameter.
        choices: allowed names.

    Raises:
        InputError: for anything else.

    Example:
        >>> check_choice("box", "tiny", ["small", "large"])
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: box='tiny' is unknown; choose from small, large.
    """
    if value not in choices:
        raise InputError(f"{name}={value!r} is unknown; choose from {', '.join(choices)}.")
    return value


def _limits(limits: list[tuple[str, float | None]]) -> str:
    """Return the given limits in words."""
    given = [f"{words} {value:g}" for words, value in limits if value is not None]
    return f" {' and '.join(given)}" if given else ""
