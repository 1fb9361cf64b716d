"""Every pretext with every representation of SchNetPack: symmetric, finite, trainable."""

import math

import pytest
import torch
from ase.build import molecule
from schnetpack import properties as spk
from schnetpack.atomistic import PairwiseDistances
from schnetpack.model import NeuralNetworkPotential
from schnetpack.nn import CosineCutoff, GaussianRBF
from schnetpack.representation import FieldSchNet, PaiNN, SchNet, SO3net
from torch import nn

from gpip_plugins import properties
from gpip_plugins.atomistic import Contrastive, GradientNoise, MaskedAtoms, VectorNoise
from gpip_plugins.errors import InputError
from gpip_plugins.nn import NTXentLoss, ScaledCosineError
from gpip_plugins.task import PretextOutput, PretrainingTask
from gpip_plugins.testing import (
    Subject,
    assert_batch_independent,
    assert_head_equivariant,
    assert_permutation_equivariant,
    assert_reflection_equivariant,
    assert_rotation_equivariant,
    make_batch,
    random_cell,
    random_molecule,
)
from gpip_plugins.transform import GaussianNoise, MaskAtoms

N, CUTOFF = 8, 4.0


def basis():
    return {"radial_basis": GaussianRBF(6, CUTOFF), "cutoff_fn": CosineCutoff(CUTOFF)}


BACKBONES = {
    "schnet": lambda: SchNet(N, 2, **basis()),
    "painn": lambda: PaiNN(N, 2, **basis()),
    "so3net": lambda: SO3net(N, 2, lmax=2, return_vector_representation=True, **basis()),
    "field_schnet": lambda: FieldSchNet(N, 2, external_fields=[], **basis()),
}
VECTORS = ("painn", "so3net")
TOKEN = {"field_schnet": 99}


def build(backbone: str, head: str = "gradient"):
    torch.manual_seed(0)
    noise = VectorNoise(N) if head == "vector" else GradientNoise(N)
    return NeuralNetworkPotential(
        BACKBONES[backbone](),
        [PairwiseDistances()],
        [MaskedAtoms(N, CUTOFF), noise, Contrastive(N)],
    )


def task(backbone: str, head: str = "gradient") -> PretrainingTask:
    outputs = [
        PretextOutput(
            properties.masked_atoms,
            ScaledCosineError(),
            target_property=properties.Z_clean,
            selection=properties.is_masked,
        ),
        PretextOutput(properties.noise, nn.MSELoss()),
        PretextOutput(
            properties.structure_latent,
            NTXentLoss(),
            target_property=properties.geometry_latent,
        ),
    ]
    task = PretrainingTask(build(backbone, head), outputs, optimizer_args={"lr": 1e-3})
    task.log = lambda *args, **kwargs: None
    return task


def corrupted(systems, token=0, seed=None, dtype=torch.float32):
    batch = make_batch(systems, CUTOFF, dtype=dtype)
    noise, mask = GaussianNoise(0.1, seed=seed), MaskAtoms(0.3, 0.0, token, seed=seed)
    return mask(noise(batch))


def heavy_salt():
    """Four electrolyte-like configurations of different size, with elements up to iodine."""
    return [random_cell(n, (3, 11, 15, 9, 53), seed=n) for n in (5, 6, 7, 8)]


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize(
    "systems",
    [
        [molecule("CH3CH2OH"), molecule("C6H6"), molecule("H2O")],
        heavy_salt()[:3],
        [molecule("CH3CH2OH")],
        [random_molecule(4, (35, 53, 79), seed=1), heavy_salt()[0]],
    ],
    ids=["molecules", "three electrolytes", "batch of one", "molecule and cell"],
)
def test_all_losses_are_finite_and_reach_every_weight(backbone, systems):
    torch.manual_seed(1)
    module = task(backbone)
    loss = module.training_step(corrupted(systems, TOKEN.get(backbone, 0)), 0)
    loss.backward()
    assert torch.isfinite(loss)
    missing = [
        name
        for name, parameter in module.named_parameters()
        if parameter.grad is None or not torch.isfinite(parameter.grad).all()
    ]
    # The last vector layers of SO3net and PaiNN have no influence on scalars.
    assert not [name for name in missing if "representation" not in name]
    token = TOKEN.get(backbone, 0)
    assert module.model.representation.embedding.weight.grad[token].abs().sum() > 0


def test_a_batch_of_one_gives_no_contrast_loss():
    module = task("painn")
    batch = corrupted([molecule("CH3CH2OH")])
    output = module.outputs[2]
    pred = module.predict_without_postprocessing(dict(batch))
    loss, n_rows = output.loss_and_rows(pred, batch)
    assert loss.item() == 0.0
    assert n_rows == 0


@pytest.mark.parametrize("n_systems", [3, 7, 11])
def test_equal_configurations_do_not_make_the_contrast_explode(n_systems):
    """Centred latents are then rounding errors; as unit vectors they gave gradients up to 2e7."""
    module = task("schnet")
    torch.manual_seed(3)
    head = Contrastive(N)
    batch = make_batch([molecule("CH3CH2OH")] * n_systems, CUTOFF, dtype=torch.float32)
    pred = head(module.model.representation(PairwiseDistances()(batch)))
    loss = NTXentLoss()(pred[properties.structure_latent], pred[properties.geometry_latent])
    weights = [*module.model.representation.parameters(), *head.parameters()]
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    norms = torch.stack([gradient.norm() for gradient in gradients if gradient is not None])
    # The latents cannot be distinguished: a guess among the others.
    assert loss.item() == pytest.approx(math.log(n_systems - 1), abs=1e-3)
    assert norms.max() < 1e-3


@pytest.mark.parametrize(
    ("backbone", "head"), [(b, "gradient") for b in BACKBONES] + [(b, "vector") for b in VECTORS]
)
def test_noise_of_each_backbone_turns_with_the_configuration(backbone, head):
    torch.manual_seed(0)
    noise = VectorNoise(N) if head == "vector" else GradientNoise(N)
    model = NeuralNetworkPotential(BACKBONES[backbone](), [PairwiseDistances()], [noise])
    subject = Subject(model, cutoff=CUTOFF, laws={properties.noise: "vector"})
    # SO3net keeps its Clebsch-Gordan coefficients in float32.
    tolerance = 1e-6 if backbone == "so3net" else 1e-9
    for check in (
        assert_rotation_equivariant,
        assert_permutation_equivariant,
        assert_batch_independent,
    ):
        check(subject, tolerance=tolerance)
    # The gradient of SO3net's scalars may lack parity: its tensor products couple l1, l2 -> l3
    # whatever the sum.
    if backbone != "so3net":
        assert_reflection_equivariant(subject)


def test_vector_head_alone_is_equivariant():
    assert_head_equivariant(lambda: VectorNoise(N), {properties.noise: "vector"}, n_atom_basis=N)


def test_gradient_head_points_back_and_sums_to_zero():
    model = build("schnet")
    batch = corrupted([molecule("CH3CH2OH"), molecule("H2O")], dtype=torch.float64)
    model.double()
    noise = model(batch)[properties.noise]
    for part in noise.split([9, 3]):
        torch.testing.assert_close(part.sum(0), torch.zeros(3).double(), atol=1e-10, rtol=0)


def test_signs_of_the_gradient_head_are_opposite():
    physical, code = GradientNoise(N), GradientNoise(N, sign="gpip")
    code.load_state_dict(physical.state_dict())
    R = torch.randn(5, 3, requires_grad=True)
    inputs = {
        spk.R: R,
        spk.idx_m: torch.zeros(5).long(),
        "scalar_representation": torch.cat([R, R], dim=1).repeat(1, 2)[:, :N].sin(),
    }
    first = physical(dict(inputs))[properties.noise]
    torch.testing.assert_close(first, -code(dict(inputs))[properties.noise])
    with pytest.raises(InputError, match="sign='up' is unknown"):
        GradientNoise(N, sign="up")


def test_gradient_head_learns_the_restoring_field_of_a_dimer():
    """For harmonic displacements the best U has a minimum at the rest length: dU/dR ~ noise."""
    torch.manual_seed(0)
    model = NeuralNetworkPotential(
        SchNet(16, 1, GaussianRBF(16, CUTOFF), CosineCutoff(CUTOFF)),
        [PairwiseDistances()],
        [GradientNoise(16)],
    )
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    dimers = [molecule("N2")] * 64
    clean = make_batch(dimers, CUTOFF, dtype=torch.float32)
    for _ in range(150):
        batch = GaussianNoise(0.1)(dict(clean))
        loss = (model(dict(batch))[properties.noise] - batch[properties.noise]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # Two thirds of the noise rotate the dimer, one third (variance 1/2 per atom) stretches it:
    # only the stretch can be predicted, which leaves 1/2 * 2/3.
    assert loss.item() == pytest.approx(1 / 3, abs=0.06)


def test_decoder_sees_only_the_surroundings_of_a_masked_atom():
    """Re-mask: the predicted feature of a masked atom does not depend on its latent."""
    torch.manual_seed(0)
    decoder = MaskedAtoms(N, CUTOFF).double()
    batch = make_batch([molecule("CH3CH2OH")], CUTOFF)
    batch = PairwiseDistances()(batch)
    batch[properties.is_masked] = torch.arange(9) == 2
    h = torch.randn(9, N, dtype=torch.float64, requires_grad=True)
    out = decoder({**batch, "scalar_representation": h})[properties.masked_atoms]
    (gradient,) = torch.autograd.grad(out[2].sum(), h)
    assert not gradient[2].any()
    assert gradient[torch.arange(9) != 2].abs().sum(1).min() > 0


def test_vector_head_needs_vectors():
    with pytest.raises(InputError, match="vector_representation"):
        VectorNoise(N)({"scalar_representation": torch.zeros(1, N)})
