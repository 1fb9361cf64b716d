"""Order of named transforms: neighbours must be searched after the noise, for example."""

from collections.abc import Mapping, Sequence

from schnetpack.transform import Transform

from gpip_plugins.errors import InputError

__all__ = ["in_order"]


def in_order(transforms: Mapping[str, Transform], order: Sequence[str]) -> list[Transform]:
    """Return transforms in a given order, independent of the order in the recipe.

    Args:
        transforms: name to transform.
        order: names in the order in which they are applied; names without a transform are skipped.

    Raises:
        InputError: a transform has no place in the order.

    Example:
        >>> from gpip_plugins.transform import NeighborList, SubtractCenter
        >>> named = {"neighbors": NeighborList(5.0), "centre": SubtractCenter()}
        >>> [type(t).__name__ for t in in_order(named, ["centre", "noise", "neighbors"])]
        ['SubtractCenter', 'NeighborList']
    """
    unplaced = [name for name in transforms if name not in order]
    if unplaced:
        raise InputError(
            f"order=[{','.join(order)}] has no place for {', '.join(unplaced)}; put the name where "
            "the transform is to be applied."
        )
    return [transforms[name] for name in order if name in transforms]
