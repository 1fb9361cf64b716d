"""Every check must fail on a module that lacks only the property under test."""

import pytest
import torch
from schnetpack import properties
from schnetpack.nn import CosineCutoff, GaussianRBF, scatter_add
from torch import nn

from gpip_plugins.errors import InputError
from gpip_plugins.testing import CHECKS, ConsistencyError, Subject, check_representation


class Sound(nn.Module):
    """A one-layer equivariant representation without faults; the others break one line each."""

    def __init__(self):
        super().__init__()
        self.cutoff = 4.0
        self.embedding = nn.Embedding(20, 6)
        self.radial_basis = GaussianRBF(8, self.cutoff)
        self.cutoff_fn = CosineCutoff(self.cutoff)
        self.filters = nn.Linear(8, 6)
        self.mixing = nn.Linear(6, 6)

    def envelope(self, d: torch.Tensor) -> torch.Tensor:
        return self.cutoff_fn(d)

    def separations(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return inputs[properties.Rij]

    def finish(
        self, inputs: dict[str, torch.Tensor], q: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return q, v

    def center(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return inputs[properties.idx_i]

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        x = self.embedding(inputs[properties.Z])
        r = self.separations(inputs)
        d = torch.norm(r, dim=1)
        weights = self.filters(self.radial_basis(d)) * self.envelope(d)[:, None]
        messages = weights * x[inputs[properties.idx_j]]
        idx = self.center(inputs)
        q = scatter_add(messages, idx, dim_size=x.shape[0])
        v = scatter_add(messages[:, None] * (r / d[:, None])[..., None], idx, dim_size=x.shape[0])
        q = x + torch.tanh(self.mixing(q)) + v.square().sum(1)
        q, v = self.finish(inputs, q, v)
        inputs["scalar_representation"] = q
        inputs["vector_representation"] = v
        return inputs


class ScalarSeesAxis(Sound):
    def finish(self, inputs, q, v):
        return q + v[:, 2], v


class VectorBent(Sound):
    def finish(self, inputs, q, v):
        return q, torch.tanh(v)


class Chiral(Sound):
    """Adds a triple product: invariant under rotations, but not under reflections."""

    def finish(
        self, inputs: dict[str, torch.Tensor], q: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        normal = torch.linalg.cross(v[:, :, 0], v[:, :, 1])
        triple = (normal * v[:, :, 2]).sum(1, keepdim=True)
        return q + triple, v


class Axial(Sound):
    """Adds a cross product of two vectors, which does not flip under inversion."""

    def finish(self, inputs, q, v):
        return q, v + torch.linalg.cross(v, v.roll(1, dims=2), dim=1)


class SeesOrigin(Sound):
    def finish(self, inputs, q, v):
        return q + 1e-3 * inputs[properties.R].square().sum(1, keepdim=True), v


class SeesNumbering(Sound):
    def finish(self, inputs, q, v):
        idx_m = inputs[properties.idx_m]
        first = torch.cumsum(inputs[properties.n_atoms], 0) - inputs[properties.n_atoms]
        rank = torch.arange(len(idx_m)) - first[idx_m]
        return q + 1e-3 * rank[:, None], v


class MixesSystems(Sound):
    """Ignores idx_m: the mean runs over the atoms of all systems."""

    def finish(self, inputs, q, v):
        return q - q.mean(0), v


class LocalIndices(Sound):
    """Uses the indices within each system as those within the batch."""

    def center(self, inputs):
        return inputs["_idx_i_local"]


class ForgetsOffsets(Sound):
    def separations(self, inputs):
        R = inputs[properties.R]
        r = R[inputs[properties.idx_j]] - R[inputs[properties.idx_i]]
        return r + 1e-3  # an atom would otherwise be its own neighbour at distance zero


class SumsOverNeighbors(Sound):
    """Swaps idx_i and idx_j in the sum."""

    def center(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return inputs[properties.idx_j]


class BlindToNeighbors(Sound):
    """Does not distinguish the elements of neighbours."""

    def forward(self, inputs):
        z = inputs[properties.Z]
        inputs[properties.Z] = torch.ones_like(z)
        inputs = super().forward(inputs)
        inputs[properties.Z] = z
        inputs["scalar_representation"] = inputs["scalar_representation"] + self.embedding(z)
        return inputs


class HardCutoff(Sound):
    def envelope(self, d):
        return torch.ones_like(d)


class KinkedCutoff(Sound):
    """The energy is continuous, the force is not."""

    def envelope(self, d):
        return torch.relu(1 - d / self.cutoff)


class Averages(Sound):
    """Divides by the number of neighbours, which jumps at the cutoff."""

    def finish(self, inputs, q, v):
        idx_i = inputs[properties.idx_i]
        count = torch.bincount(idx_i, minlength=len(q)).to(q.dtype)
        return q / (1 + count[:, None]), v


class Detached(Sound):
    def envelope(self, d):
        return self.cutoff_fn(d.detach())


class NoPositions(Sound):
    def envelope(self, d):
        return torch.zeros_like(d)


class RootOfZero(Sound):
    def finish(self, inputs, q, v):
        return q + v.square().sum(1).sqrt(), v


class FailsAlone(Sound):
    """Derives the number of atoms from the pairs."""

    def finish(self, inputs, q, v):
        return q + 0 * inputs[properties.idx_i].max(), v


class RoundsInside(Sound):
    def envelope(self, d):
        return self.cutoff_fn(d.float()).to(d.dtype)


class RoundsOutputs(Sound):
    def finish(self, inputs, q, v):
        return q.float(), v


class HiddenWeight(Sound):
    """Keeps a weight outside of the state dict."""

    def __init__(self):
        super().__init__()
        self.scale = 1 + torch.rand(()).item()

    def finish(self, inputs, q, v):
        return q * self.scale, v


class HoldsLambda(Sound):
    def __init__(self):
        super().__init__()
        self.activation = lambda x: x


class Unscriptable(Sound):
    def finish(self, inputs, q, v):
        return q * sum(x for x in (0.5, 0.5)), v


class ClampsElements(Sound):
    def forward(self, inputs):
        inputs[properties.Z] = inputs[properties.Z].clamp(max=8)
        return super().forward(inputs)


class OverlooksElements(Sound):
    """Has an embedding for all elements, and fails beyond the tenth."""

    def forward(self, inputs):
        torch.zeros(10)[inputs[properties.Z]]
        return super().forward(inputs)


BROKEN = [
    (ScalarSeesAxis, "rotation", r"rotation: scalar_representation deviates by .* tolerance 1e-09"),
    (VectorBent, "rotation", "rotation: vector_representation deviates"),
    (NoPositions, "rotation", "vector_representation is zero for all systems"),
    (Chiral, "reflection", "reflection: scalar_representation deviates"),
    (Axial, "reflection", "reflection: vector_representation deviates"),
    (SeesOrigin, "translation", "translation: scalar_representation deviates"),
    (SeesNumbering, "permutation", "permutation: scalar_representation deviates"),
    (MixesSystems, "batch", "batch: scalar_representation deviates"),
    (LocalIndices, "batch", "batch: scalar_representation deviates"),
    (ForgetsOffsets, "periodic images", "periodic images: scalar_representation deviates"),
    (SumsOverNeighbors, "pair direction", "of an atom that is the centre of no pair deviates"),
    (BlindToNeighbors, "pair direction", "element of a neighbour has no influence"),
    (HardCutoff, "cutoff", "energy jump by .* when an atom crosses 4 Å"),
    (KinkedCutoff, "cutoff", "forces jump by .* when an atom crosses 4 Å"),
    (Averages, "cutoff", "energy jump by"),
    (NoPositions, "cutoff", "no influence at all"),
    (Detached, "forces", "forces: -dE/dR deviates"),
    (NoPositions, "forces", "all forces are zero"),
    (RootOfZero, "finite gradients", "is not finite for a linear molecule"),
    (FailsAlone, "finite gradients", r"evaluation: FailsAlone fails with .*\[1\] atoms, 0 pairs"),
    (RoundsInside, "double precision", "response of scalar_representation deviates"),
    (RoundsOutputs, "double precision", "scalar_representation is torch.float32"),
    (HiddenWeight, "state dict", "state dict: scalar_representation deviates"),
    (HoldsLambda, "pickle", "pickle: saving failed"),
    (Unscriptable, "torchscript", "torchscript: scripting failed"),
    (ClampsElements, "elements", "Z=.* and Z=.* give the same outputs"),
    (OverlooksElements, "elements", "elements: Z=10: .*IndexError"),
]


def test_sound_module_passes_all_checks():
    check_representation(Sound).raise_if_failed()


@pytest.mark.parametrize(("module", "check", "message"), BROKEN)
def test_fault_is_caught_by_its_check(module, check, message):
    with pytest.raises(ConsistencyError, match=message):
        CHECKS[check](Subject(module))


def test_every_check_has_a_module_that_fails_it():
    assert {check for _, check, _ in BROKEN} == set(CHECKS)


# These pass the rotation check, so the reflections are needed.
@pytest.mark.parametrize("module", [Chiral, Axial])
def test_reflections_find_faults_that_rotations_cannot(module):
    subject = Subject(module)
    assert CHECKS["rotation"](subject) < 1e-9
    with pytest.raises(ConsistencyError):
        CHECKS["reflection"](subject)


def test_output_can_be_declared_equivariant_under_rotations_only():
    subject = Subject(Axial, rotations_only=["vector_representation"])
    assert CHECKS["reflection"](subject) < 1e-9


# A wrong sum over pairs obeys every other check.
def test_pair_direction_finds_faults_that_symmetries_cannot():
    reason = "sums over the wrong index"
    report = check_representation(SumsOverNeighbors, known_faults={"pair direction": reason})
    report.raise_if_failed()


def test_report_names_failures_and_declared_faults():
    report = check_representation(Chiral)
    assert not report.ok
    assert [r.check for r in report.results if not r.ok] == ["reflection"]
    with pytest.raises(AssertionError, match=r"reflection .* FAILED"):
        report.raise_if_failed()
    declared = check_representation(Chiral, known_faults={"reflection": "optical activity"})
    assert declared.ok and "known fault (optical activity)" in str(declared)


def test_declared_fault_that_passes_is_reported():
    report = check_representation(Sound, known_faults={"batch": "old"})
    assert not report.ok
    assert "passed, but was declared to fail: old" in str(report)


def test_tolerance_of_a_single_check():
    error = CHECKS["double precision"](Subject(Sound))
    assert check_representation(Sound, tolerances={"double precision": error * 2}).ok
    assert not check_representation(Sound, tolerances={"double precision": error / 2}).ok


def test_module_is_not_changed():
    module = Sound().train()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    check_representation(module)
    assert module.training
    for key, value in module.state_dict().items():
        assert value.dtype == torch.float32 or value.dtype == torch.int64
        assert torch.equal(value, before[key])
    assert all(p.grad is None for p in module.parameters())


class NoCutoff(Sound):
    def __init__(self):
        super().__init__()
        del self.cutoff
        self.cutoff_fn = nn.Identity()


class OwnNames(nn.Module):
    """Gives its output under an unknown name."""

    def __init__(self):
        super().__init__()
        self.cutoff = 4.0
        self.inner = Sound()

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"features": self.inner(inputs)["scalar_representation"]}


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (NoCutoff, {}, "NoCutoff has no attribute 'cutoff'"),
        (OwnNames, {}, "OwnNames gives no output of a known name"),
        (Sound, {"laws": {"charges": "scalar"}}, "laws names 'charges', which the module does not"),
        (Sound, {"laws": {"scalar_representation": "spinor"}}, "'spinor' is unknown"),
        (Sound, {"known_faults": {"spin": "?"}}, "known_faults names 'spin'"),
        (Sound, {"tolerances": {"spin": 1.0}}, "tolerances names 'spin'"),
    ],
)
def test_wrong_use_is_explained(module, options, message):
    with pytest.raises(InputError, match=message):
        check_representation(module, **options)


def test_outputs_of_other_names_are_tested_with_their_law():
    options = {"laws": {"features": "scalar"}, "elements": range(1, 10)}
    report = check_representation(OwnNames, **options)
    report.raise_if_failed()
    assert report.outputs == {"features": "scalar"}


def test_elements_must_be_given_without_an_embedding():
    with pytest.raises(InputError, match=r"OwnNames has no nn.Embedding named 'embedding'"):
        CHECKS["elements"](Subject(OwnNames, laws={"features": "scalar"}))
