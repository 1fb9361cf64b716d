"""What is known about the forces on a configuration."""

from enum import IntEnum

from gpip_plugins.errors import InputError

__all__ = ["Kind"]


class Kind(IntEnum):
    """Kinds of configurations in force-centric pre-training (arXiv:2308.14759).

    `OFF_EQUILIBRIUM` has computed forces, `EQUILIBRIUM` is a minimum, where they vanish, and a
    `PERTURBED` one is a minimum with displaced atoms, as the transform `ForceTargets` makes it.
    About `UNLABELLED` ones nothing is known; they serve pretexts without forces.

    Example:
        >>> Kind.of("equilibrium").value
        1
    """

    OFF_EQUILIBRIUM = 0
    EQUILIBRIUM = 1
    UNLABELLED = 2
    PERTURBED = 3

    @classmethod
    def of(cls, name: str, key: str = "kind") -> "Kind":
        """Return the kind that a data set can have by its name.

        Args:
            name: off_equilibrium, equilibrium or unlabelled.
            key: what the user calls this setting, for the message.

        Raises:
            InputError: for another name.
        """
        names = [kind.name.lower() for kind in cls if kind != cls.PERTURBED]
        if name not in names:
            raise InputError(f"{key}={name} is no kind of data; choose from {', '.join(names)}.")
        return cls[name.upper()]
