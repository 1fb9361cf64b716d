"""Order of named transforms: neighbours must be searched after the noise, for example."""

from collections.abc import Mapping
from operator import itemgetter

from schnetpack.transform import Transform

from gpip_plugins.errors import InputError

__all__ = ["in_order"]


def in_order(transforms: Mapping[str, Transform], order: Mapping[str, float]) -> list[Transform]:
    """Return transforms in a given order, in whatever order a recipe merged them.

    Args:
        transforms: name to transform.
        order: name to place; the transform with the smallest number is applied first. Names without
            a transform are skipped.

    Raises:
        InputError: a transform has no place, or two have the same.

    Example:
        >>> from gpip_plugins.transform import NeighborList, SubtractCenter
        >>> named = {"neighbors": NeighborList(5.0), "centre": SubtractCenter()}
        >>> places = {"centre": 40, "noise": 50, "neighbors": 70}
        >>> [type(t).__name__ for t in in_order(named, places)]
        ['SubtractCenter', 'NeighborList']
    """
    shown = ", ".join(
        f"{name}: {place}" for name, place in sorted(order.items(), key=itemgetter(1))
    )
    unplaced = [name for name in transforms if name not in order]
    if unplaced:
        raise InputError(
            f"order={{{shown}}} has no place for {unplaced[0]}; give it a number between those of "
            f"its neighbours, such as order.{unplaced[0]}=45."
        )
    places = [order[name] for name in transforms]
    if len(set(places)) < len(places):
        raise InputError(f"order={{{shown}}} gives two transforms one place; change one number.")
    return [transforms[name] for name in sorted(transforms, key=order.__getitem__)]
