"""Seeds and fingerprints from the properties of an object, independent of its place in a list."""

import hashlib
import json

__all__ = ["derive_seed", "fingerprint"]


def derive_seed(*parts: object) -> int:
    """Return a seed between 1 and 2^31 - 1 that depends on all parts.

    Example:
        >>> derive_seed(0, "ethanol", 300.0) == derive_seed(0, "ethanol", 300.0)
        True
        >>> derive_seed(0, "ethanol", 300.0) == derive_seed(1, "ethanol", 300.0)
        False
    """
    return 1 + int(fingerprint(*parts), 16) % (2**31 - 1)


def fingerprint(*parts: object) -> str:
    """Return 16 hexadecimal digits that depend on all parts; the parts must be writable as JSON.

    Example:
        >>> fingerprint("ethanol", 300.0)
        '4656867239869f2c'
    """
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()
