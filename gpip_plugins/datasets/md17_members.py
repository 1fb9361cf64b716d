"""The molecules of MD17 as data sets of a mixture."""

from collections.abc import Sequence
from typing import Any

from gpip_plugins.data import MixtureMember
from gpip_plugins.datasets.md17 import MD17

__all__ = ["md17_members"]


def md17_members(
    folder: str, molecules: Sequence[str], **settings: Any
) -> dict[str, MixtureMember]:
    """Return one data set for every molecule, by name.

    Args:
        folder: folder of the databases, `md17_aspirin.db` and so on; missing ones are downloaded.
        molecules: names of the molecules, see `MD17`.
        **settings: settings of `gpip_plugins.data.MixtureMember`, the same for all.

    Raises:
        InputError: for an unknown molecule.

    Example:
        >>> list(md17_members("data", ["ethanol", "uracil"], kind="off_equilibrium"))
        ['md17_ethanol', 'md17_uracil']
    """
    return {
        f"md17_{molecule}": MixtureMember(
            source=MD17(f"{folder}/md17_{molecule}.db", molecule=molecule, batch_size=1),
            **settings,
        )
        for molecule in molecules
    }
