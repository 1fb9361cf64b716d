"""Software properties of a module: precision, saving and loading, scripting, elements."""

import copy
import io
import warnings
from collections.abc import Sequence

import torch
from ase import Atoms
from torch import nn

from gpip_plugins.errors import InputError

from .comparison import ConsistencyError, compare, first_line
from .subject import Subject, jitter

__all__ = [
    "assert_double_precision",
    "assert_elements",
    "assert_pickle_round_trip",
    "assert_scriptable",
    "assert_state_dict_round_trip",
]


def assert_double_precision(subject: Subject | nn.Module, *, tolerance: float = 1e-4) -> float:
    """Check that float64 is kept throughout, and that float32 gives about the same.

    All outputs must be float64. A cast to float32 inside the module leaves no trace in the type, so
    the response to a tiny displacement of 1e-6 Å is compared with that to 1e-4 Å: rounded numbers
    give noise. The module in float32 must agree within `tolerance`.

    Args:
        subject: module, factory or `Subject`.
        tolerance: largest relative deviation of both comparisons.

    Raises:
        ConsistencyError: an output is rounded to float32, or float32 disagrees.
    """
    subject = Subject.of(subject)
    check = "double precision"
    reference = subject(subject.systems)
    for key, value in reference.items():
        if value.dtype != torch.float64:
            raise ConsistencyError(
                check, f"{key} is {value.dtype} with float64 inputs and weights."
            )
    responses = [_response(subject, step) for step in (1e-4, 1e-6)]
    worst = 0.0
    for key in reference:
        worst = max(
            worst, compare(check, f"response of {key}", *(r[key] for r in responses), tolerance)
        )

    single = copy.deepcopy(subject.module).to(torch.float32)
    outputs = subject.run(subject.batch(subject.systems, torch.float32), single)
    for key, value in outputs.items():
        deviation = compare(check, f"{key} in float32", reference[key], value.detach(), tolerance)
        worst = max(worst, deviation)
    return worst


def _response(subject: Subject, step: float) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(subject.seed)
    directions = [
        torch.randn(len(atoms), 3, generator=generator, dtype=torch.float64).numpy()
        for atoms in subject.systems
    ]
    sides = []
    for sign in (1, -1):
        systems = [atoms.copy() for atoms in subject.systems]
        for atoms, direction in zip(systems, directions, strict=True):
            atoms.positions += sign * step * direction
        sides.append(subject(systems))
    return {key: (sides[0][key] - sides[1][key]) / (2 * step) for key in subject.laws}


def assert_state_dict_round_trip(subject: Subject | nn.Module) -> float:
    """Check that a state dict contains everything that the outputs depend on.

    It is saved and loaded weights-only into another instance: with a factory, one built with other
    random numbers, otherwise a copy with changed parameters. Only a factory can reveal weights or
    settings that are not part of the state dict. Outputs must be equal bit for bit.

    Args:
        subject: module, factory or `Subject`.

    Returns:
        0.0

    Raises:
        ConsistencyError: loading fails, or the outputs differ.
    """
    subject = Subject.of(subject)
    check = "state dict"
    stored = io.BytesIO()
    torch.save(subject.module.state_dict(), stored)
    stored.seek(0)
    other = copy.deepcopy(subject.module)
    if subject.factory is not None:
        other = subject.build(subject.seed + 1).to(torch.float64).eval()
    jitter(other, subject.seed + 1)
    try:
        other.load_state_dict(torch.load(stored, weights_only=True), strict=True)
    except Exception as error:
        raise ConsistencyError(check, f"loading failed: {first_line(error)}") from error
    return _same(check, subject, other, 0.0)


def assert_pickle_round_trip(subject: Subject | nn.Module) -> float:
    """Check that the whole module can be saved and loaded, as SchNetPack's `best_model` is.

    Args:
        subject: module, factory or `Subject`.

    Returns:
        0.0

    Raises:
        ConsistencyError: pickling fails (a lambda, for example), or the outputs differ.
    """
    subject = Subject.of(subject)
    check = "pickle"
    stored = io.BytesIO()
    try:
        torch.save(subject.module, stored)
        stored.seek(0)
        # The bytes were written just above, so loading them is safe.
        other = torch.load(stored, weights_only=False)
    except Exception as error:
        raise ConsistencyError(check, f"saving failed: {first_line(error)}") from error
    return _same(check, subject, other, 0.0)


def assert_scriptable(subject: Subject | nn.Module, *, tolerance: float = 1e-9) -> float:
    """Check that `torch.jit.script` accepts the module and that it gives the same numbers.

    `spkdeploy` needs this. The scripted module runs three times, because TorchScript optimises
    itself after the first calls.

    Args:
        subject: module, factory or `Subject`.
        tolerance: largest relative deviation allowed.

    Raises:
        ConsistencyError: scripting fails, or the outputs differ.
    """
    subject = Subject.of(subject)
    check = "torchscript"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # torch deprecates torch.jit, but SchNetPack still uses it to deploy
        try:
            scripted = torch.jit.script(copy.deepcopy(subject.module))
            return max(_same(check, subject, scripted, tolerance) for _ in range(3))
        except ConsistencyError:
            raise
        except Exception as error:
            raise ConsistencyError(check, f"scripting failed: {first_line(error)}") from error


def _same(check: str, subject: Subject, other: nn.Module, tolerance: float) -> float:
    expected, actual = subject(subject.systems), subject(subject.systems, other)
    return max(compare(check, key, expected[key], actual[key], tolerance) for key in expected)


def assert_elements(subject: Subject | nn.Module) -> float:
    """Check that every element works and that no two elements give the same outputs.

    Every atomic number in turn is placed in the same small cluster. The elements are those of the
    `Subject`, otherwise 1 to the last row of the module's `embedding`. Further inputs of the
    subject are zero.

    Args:
        subject: module, factory or `Subject`.

    Returns:
        0.0

    Raises:
        ConsistencyError: an element fails, gives values that are not finite, or gives the outputs
            of another one (within 1e-10).
        InputError: the elements are not known.
    """
    subject = Subject.of(subject)
    check = "elements"
    elements = subject.elements or _embedded_elements(subject)
    positions = [[0.0, 0.0, 0.0], [0.0, 0.0, 1.2], [1.1, 0.0, -0.5]]
    partners = sorted({int(z) for atoms in subject.systems for z in atoms.numbers})
    clusters = [
        subject.with_zero_inputs(Atoms([z, partners[0], partners[-1]], positions)) for z in elements
    ]
    try:
        outputs = subject(clusters)
    except ConsistencyError as error:
        raise ConsistencyError(check, _first_failure(subject, elements, clusters)) from error
    numbers = torch.cat([v.reshape(len(elements), -1) for v in outputs.values()], dim=1)
    for z, row in zip(elements, numbers, strict=True):
        if not torch.isfinite(row).all():
            raise ConsistencyError(check, f"Z={z} gives values that are not finite.", float("inf"))
    distances = torch.cdist(numbers, numbers).fill_diagonal_(float("inf"))
    if len(elements) > 1 and distances.min() <= 1e-10 * numbers.abs().max():
        one, two = (elements[int(i)] for i in (distances == distances.min()).nonzero()[0])
        raise ConsistencyError(check, f"Z={one} and Z={two} give the same outputs.")
    return 0.0


def _first_failure(subject: Subject, elements: Sequence[int], clusters: Sequence[Atoms]) -> str:
    for z, atoms in zip(elements, clusters, strict=True):
        try:
            subject([atoms])
        except ConsistencyError as error:
            return f"Z={z}: {error}"
    return "every element works alone, but a batch of all of them fails."


def _embedded_elements(subject: Subject) -> tuple[int, ...]:
    module = getattr(subject.module, "representation", subject.module)
    rows = getattr(getattr(module, "embedding", None), "num_embeddings", None)
    if rows is None:
        raise InputError(
            f"{type(module).__name__} has no nn.Embedding named 'embedding'; give the elements "
            "that it knows as elements=..."
        )
    return tuple(range(1, rows))
