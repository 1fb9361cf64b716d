"""ASE calculators by name: the built-in example, or any class that the user names."""

import ast
import difflib
import importlib
from collections.abc import Callable, Sequence
from typing import Any

from ase.calculators.calculator import BaseCalculator

from gpip_plugins.errors import InputError

__all__ = ["BUILT_IN", "calculator", "parse_options"]

#: Short name: import path, options, and what pip installs.
BUILT_IN = {
    "xtb": ("tblite.ase:TBLite", {"method": "GFN2-xTB", "verbosity": 0}, "gpip_plugins[xtb]"),
}


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the options of a calculator from words like `method=GFN1-xTB` and `charge=1`.

    Args:
        pairs: key=value; a value that reads as Python (a number, True, a list) is taken as such,
            anything else as text.

    Raises:
        InputError: for a word without `=`.

    Example:
        >>> parse_options(["method=GFN1-xTB", "charge=1"])
        {'method': 'GFN1-xTB', 'charge': 1}
    """
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(f"--set {pair} is no option; write --set key=value.")
        try:
            options[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[key] = value
    return options


def calculator(name: str, options: dict[str, Any] | None = None) -> BaseCalculator:
    """Return an ASE calculator.

    Args:
        name: `xtb` (GFN2-xTB: Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019)),
            or the import path of a class or function, `package.module:Name` or
            `package.module.Name`.
        options: keyword arguments.

    Raises:
        InputError: when it cannot be imported, does not take the options, or is no calculator of
            energies and forces.

    Example:
        >>> type(calculator("ase.calculators.emt:EMT")).__name__
        'EMT'
    """
    path, preset, package = BUILT_IN.get(name, (name, {}, None))
    module, _, attribute = path.partition(":") if ":" in path else path.rpartition(".")
    try:
        factory: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        remedy = f"pip install '{package}'" if package else "write package.module:Name"
        raise InputError(f"--label {name} cannot be imported ({error}); {remedy}.") from None
    if package:
        # Its constructor takes any option and forgets those that it does not know.
        known = {*preset, *factory.default_parameters}
        for key in options or {}:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                meant = (
                    f"did you mean {near[0]}?" if near else f"it knows {', '.join(sorted(known))}"
                )
                raise InputError(f"--set {key}: {name} has no such option; {meant}")
    try:
        made = factory(**preset | (options or {}))
    except Exception as error:  # whatever its constructor raises
        raise InputError(
            f"--label {name} cannot be made ({type(error).__name__}: {error}); correct the options "
            "given with --set."
        ) from error
    missing = {"energy", "forces"} - set(getattr(made, "implemented_properties", ()))
    if missing:
        raise InputError(
            f"--label {name} computes no {' and no '.join(sorted(missing))}; name an ASE "
            "calculator that does."
        )
    return made
