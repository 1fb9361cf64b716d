"""Teachers: ASE calculators that label configurations, by short name or by import path.

A new short name is one line in `TEACHERS`.
"""

import ast
import difflib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ase.calculators.calculator import BaseCalculator

from gpip_plugins.errors import InputError

__all__ = ["TEACHERS", "Teacher", "load_teacher", "parse_options"]


@dataclass(frozen=True)
class Teacher:
    """A calculator with a short name.

    Args:
        path: import path of its class.
        package: package to install with pip.
        options: default keyword arguments.
    """

    path: str
    package: str
    options: Mapping[str, Any] = field(default_factory=dict)


TEACHERS: Final[dict[str, Teacher]] = {
    # Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019)
    "xtb": Teacher(
        "tblite.ase:TBLite",
        "gpip_plugins[xtb]",
        # Forces of ethanol and benzene are then converged to 3e-5 eV/Å, instead of 2e-4 with
        # tblite's default, in 5 % more time.
        {"method": "GFN2-xTB", "accuracy": 0.1, "verbosity": 0},
    ),
}


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """Return the options of a calculator from arguments like `method=GFN1-xTB` and `charge=1`.

    Args:
        options: key=value each; a Python literal (a number, True, a list) is converted, any other
            value is text.

    Raises:
        InputError: for an argument without `=`.

    Example:
        >>> parse_options(["method=GFN1-xTB", "charge=1"])
        {'method': 'GFN1-xTB', 'charge': 1}
    """
    parsed = {}
    for word in options:
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(f"options={word} is not an option; write options=KEY=VALUE.")
        try:
            parsed[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            parsed[key] = value
    return parsed


def load_teacher(teacher: str, options: Mapping[str, Any] | None = None) -> BaseCalculator:
    """Return an ASE calculator.

    Args:
        teacher: `xtb` (GFN2-xTB), or the import path of a class or function, `package.module:Name`
            or `package.module.Name`.
        options: keyword arguments.

    Raises:
        InputError: when it cannot be imported, does not accept the options, or is not a calculator
            of energies and forces.

    Example:
        >>> type(load_teacher("ase.calculators.emt:EMT")).__name__
        'EMT'
    """
    known = TEACHERS.get(teacher)
    given = dict(options or {})
    factory = _imported(teacher, known)
    if known is not None:
        _check_options(teacher, given, {*known.options, *factory.default_parameters})
        given = {**known.options, **given}
    try:
        calculator = factory(**given)
    except Exception as error:  # constructors raise exceptions of any kind
        raise InputError(
            f"teacher={teacher} cannot be made ({type(error).__name__}: {error}); correct its "
            "options."
        ) from error
    missing = {"energy", "forces"} - set(getattr(calculator, "implemented_properties", ()))
    if missing:
        raise InputError(
            f"teacher={teacher} computes no {' and no '.join(sorted(missing))}; name an ASE "
            "calculator that does."
        )
    return calculator


def _imported(teacher: str, known: Teacher | None) -> Any:
    """Return the class or function that creates the calculator."""
    path = known.path if known else teacher
    module, _, attribute = path.partition(":") if ":" in path else path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        remedy = f"pip install '{known.package}'" if known else "write package.module:Name"
        raise InputError(f"teacher={teacher} cannot be imported ({error}); {remedy}.") from None


def _check_options(teacher: str, given: Mapping[str, Any], allowed: set[str]) -> None:
    """Refuse unknown options, which the constructor of tblite silently ignores."""
    for key in given:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            meant = (
                f"did you mean {near[0]}?" if near else f"it knows {', '.join(sorted(allowed))}."
            )
            raise InputError(f"options={key}: {teacher} has no such option; {meant}")
