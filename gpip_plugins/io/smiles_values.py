"""Values of the setting `smiles` as they are typed: one SMILES or a list, without Hydra's quotes.

Brackets, `=`, parentheses and `#` belong to Hydra's grammar and to SMILES. `[CCO,CCN]` is a list of
two molecules, `[NH3+]CC(=O)[O-]` one molecule, and `[C]` one atom, not a list with methane.
"""

import re
from typing import Final

__all__ = ["BRACKET_ATOM", "typed_smiles"]

#: One atom in brackets, as in SMILES.
BRACKET_ATOM: Final = re.compile(
    r"\[\d*([A-Z][a-z]?|[bcnops]|se|as|\*)@{0,2}(H\d*)?([+-]+\d*)?(:\d+)?\]"
)
PLAIN: Final = re.compile(r"[A-Za-z0-9]+|null|\?\?\?")


def typed_smiles(value: str, sweep: bool = False) -> str:
    r"""Return a value of `smiles` in such a form that Hydra takes it as it was typed.

    Args:
        value: a SMILES, several separated by commas, or a list in brackets; quotes are kept.
        sweep: whether commas without brackets separate jobs instead of molecules of a list.

    Example:
        >>> print(typed_smiles("CCO"), typed_smiles("[NH3+]CC(=O)[O-]"), typed_smiles("[C]"))
        CCO '[NH3+]CC(=O)[O-]' '[C]'
        >>> print(typed_smiles("[CC(=O)O,CCO]"), typed_smiles("[Na+],CC#N"))
        ['CC(=O)O',CCO] ['[Na+]','CC#N']
        >>> print(typed_smiles("C=C,CCO", sweep=True), typed_smiles("'C=C'"))
        'C=C',CCO 'C=C'
    """
    value = value.strip()
    if _is_list(value):
        return f"[{','.join(_quoted(part) for part in _parts(value[1:-1]))}]"
    parts = [_quoted(part) for part in _parts(value)]
    return ",".join(parts) if sweep or len(parts) < 2 else f"[{','.join(parts)}]"


def _is_list(value: str) -> bool:
    """Return whether the first bracket closes at the end and holds more than one atom."""
    if not (value.startswith("[") and value.endswith("]")) or BRACKET_ATOM.fullmatch(value):
        return False
    depth = 0
    for place, letter in enumerate(value):
        depth += (letter == "[") - (letter == "]")
        if depth == 0:
            return place == len(value) - 1
    return False


def _parts(value: str) -> list[str]:
    """Return the parts between commas; a SMILES has none."""
    return [part.strip() for part in value.split(",")]


def _quoted(part: str) -> str:
    if PLAIN.fullmatch(part) or part[:1] in ("'", '"'):
        return part
    return f"'{part}'"
