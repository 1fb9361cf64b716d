"""Reads what a file of weights contains without loading it.

The pickle is replayed with inert stand-ins for everything that it names: no module is imported and
nothing is called. The stand-ins keep the attributes that the file gives to its objects, so that a
model's card and settings can be read without SchNetPack and without PyTorch.
"""

import _compat_pickle
import io
import math
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpip_plugins.checkpoint.archive import Archive, damaged_file

__all__ = ["Outline", "StoredTensor", "is_module", "outline_of", "read_outline", "tensors_of"]

#: PyTorch's types of storages -> types of NumPy; those without counterpart only have a size.
_NUMBERS = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "LongStorage": "i8",
    "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?", "ComplexFloatStorage": "c8", "ComplexDoubleStorage": "c16",
}  # fmt: skip
#: A view may repeat numbers (stride 0); up to this size it needs no memory worth mentioning.
_SMALL = 10**7


@dataclass
class StoredTensor:
    """A tensor in a file, of which only the description was read.

    Args:
        archive: the file.
        key: name of the record with its numbers.
        kind: PyTorch's type of storage, such as `FloatStorage`.
        offset: number of entries before the first one of the tensor.
        shape: shape of the tensor.
    """

    archive: Archive
    key: str
    kind: str
    offset: int
    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def numel(self) -> int:
        """Return the number of entries."""
        return math.prod(self.shape)

    def __float__(self) -> float:
        """Return the value of a tensor with one entry, NaN if its type is not known."""
        if self.numel() != 1:
            raise ValueError("only a tensor with one entry is a number")
        if self.kind not in _NUMBERS:
            return math.nan
        return float(np.frombuffer(self.archive.read(self.key), _NUMBERS[self.kind])[self.offset])


@dataclass
class Outline:
    """What a file of weights contains.

    Args:
        content: the stored object; instances of classes are stand-ins, tensors `StoredTensor`.
        names: full names of the classes and functions that the file refers to.
        called: those that it calls.
    """

    content: Any = None
    names: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)


def is_module(thing: object) -> bool:
    """Return whether an object has the parts of a `torch.nn.Module`, loaded or as a stand-in.

    Args:
        thing: any object.

    Example:
        >>> import torch
        >>> is_module(torch.nn.Linear(1, 1)), is_module({})
        (True, False)
    """
    parts = getattr(thing, "__dict__", {})
    names = ("_modules", "_parameters", "_buffers")
    return not isinstance(thing, type) and all(isinstance(parts.get(n), dict) for n in names)


def tensors_of(module: Any) -> dict[str, StoredTensor]:
    """Return the parameters and buffers of a module in an outline, with the names of its tree.

    Args:
        module: stand-in of a module.
    """
    return dict(_tensors(module, "", set()))


def _tensors(module: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, StoredTensor]]:
    if not is_module(module) or id(module) in seen:
        return
    seen.add(id(module))
    for name, value in {**module._parameters, **module._buffers}.items():
        if isinstance(value, StoredTensor):
            yield f"{prefix}{name}", value
    for name, child in module._modules.items():
        yield from _tensors(child, f"{prefix}{name}.", seen)


def outline_of(archive: Archive) -> Outline:
    """Return the outline of a file.

    Args:
        archive: the file.

    Raises:
        Exception: any error that a damaged pickle causes, `ValueError` for a tensor that is larger
            than its record.
    """
    outline = Outline()
    outline.content = _Replay(archive, outline).load()
    return outline


def read_outline(path: str, archive: Archive) -> Outline:
    """Return the outline of a file of a user.

    Args:
        path: the file, for the message.
        archive: its records.

    Raises:
        InputError: the file is damaged.
    """
    try:
        return outline_of(archive)
    except Exception as error:
        raise damaged_file(path) from error


class _StandIn(dict):
    """Base of stand-ins: accepts every operation of a pickle and keeps the attributes."""

    def __new__(cls, *args, **kwargs):
        return dict.__new__(cls)

    def __setstate__(self, state):
        if isinstance(state, dict):
            self.__dict__.update((k, v) for k, v in state.items() if isinstance(k, str))

    def __getattr__(self, name):
        # As in torch.nn.Module: parameters, buffers and sub-modules are attributes too.
        for part in ("_parameters", "_buffers", "_modules"):
            found = self.__dict__.get(part)
            if isinstance(found, dict) and name in found:
                return found[name]
        raise AttributeError(name)

    def _nothing(self, *args):
        return None

    __hash__ = object.__hash__
    append = extend = add = _nothing


def _stand_in(name: str, called: set[str]) -> type:
    """Return a stand-in for a class or function, which records that it was called."""

    def note(self, *args, **kwargs):
        called.add(name)

    module, _, short = name.rpartition(".")
    return type(short, (_StandIn,), {"__init__": note, "__module__": module})


class _Replay(pickle.Unpickler):
    """Runs a pickle with stand-ins; it imports nothing and calls nothing."""

    def __init__(self, archive: Archive, outline: Outline):
        super().__init__(io.BytesIO(archive.pickle))
        self.archive, self.outline = archive, outline
        self.stand_ins: dict[str, Any] = {
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_parameter": self._parameter,
            "builtins.getattr": self._function,
        }

    def persistent_load(self, pid):
        _, kind, key, _, numel = pid
        return getattr(kind, "__name__", ""), key, numel

    def find_class(self, module, name):
        # torch.save writes protocol 2, with the module names of Python 2.
        if (module, name) in _compat_pickle.NAME_MAPPING:
            module, name = _compat_pickle.NAME_MAPPING[module, name]
        else:
            module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        full = f"{module}.{name}"
        self.outline.names.add(full)
        if full not in self.stand_ins:
            self.stand_ins[full] = _stand_in(full, self.outline.called)
        return self.stand_ins[full]

    def _tensor(self, storage, offset, shape, stride, *_):
        """Stand for the function that makes a tensor; its sizes must be those of its record."""
        self.outline.called.add("torch._utils._rebuild_tensor_v2")
        kind, key, numel = storage
        shape = tuple(int(n) for n in shape)
        width = np.dtype(_NUMBERS[kind]).itemsize if kind in _NUMBERS else 1
        _check_sizes(int(numel), int(offset), shape, stride, self.archive.size(key) // width)
        return StoredTensor(self.archive, key, kind, int(offset), shape)

    def _function(self, _, name):
        """Stand for the function that finds an activation, such as `torch.tanh`."""
        self.outline.called.add("builtins.getattr")
        return _stand_in(f"torch.{name}", self.outline.called)

    def _parameter(self, data, *_):
        """Stand for the function that makes a parameter of a tensor."""
        self.outline.called.add("torch._utils._rebuild_parameter")
        return data


def _check_sizes(
    numel: int, offset: int, shape: Sequence[int], stride: Sequence[int], available: int
) -> None:
    """Refuse a tensor that needs more numbers than its record has."""
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    inside = min(shape, default=1) == 0 or 0 <= offset <= last < numel
    if not inside or numel > available or math.prod(shape) > max(numel, _SMALL):
        raise ValueError(f"a tensor of shape {tuple(shape)} does not fit its record")
