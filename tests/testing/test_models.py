"""The kit on whole potentials and output modules of SchNetPack."""

import pytest
import torch
from schnetpack.atomistic import Atomwise, DipoleMoment, Forces, PairwiseDistances, Strain
from schnetpack.model import NeuralNetworkPotential
from schnetpack.nn import CosineCutoff, GaussianRBF
from schnetpack.representation import PaiNN, SchNet
from torch import nn

from gpip_plugins.representation import EquivariantTransformer
from gpip_plugins.testing import (
    ConsistencyError,
    assert_forces_are_gradient,
    assert_head_equivariant,
    assert_stress_is_gradient,
    check_model,
    make_batch,
    random_cell,
)

CUTOFF = 4.0


def potential(representation, stress):
    forces = Forces(calc_stress=stress)
    return NeuralNetworkPotential(
        representation(8, 2, GaussianRBF(8, CUTOFF), CosineCutoff(CUTOFF)),
        input_modules=[Strain(), PairwiseDistances()] if stress else [PairwiseDistances()],
        output_modules=[Atomwise(8, output_key="energy"), forces],
    )


@pytest.mark.parametrize("representation", [SchNet, PaiNN])
def test_potential_with_forces_passes_all_checks(representation):
    report = check_model(lambda: potential(representation, stress=False))
    report.raise_if_failed()
    assert report.outputs == {"energy": "scalar", "forces": "vector"}


@pytest.mark.parametrize("representation", [PaiNN, EquivariantTransformer])
def test_potential_with_stress_passes_all_checks(representation):
    report = check_model(lambda: potential(representation, stress=True))
    report.raise_if_failed()
    assert report.outputs["stress"] == "tensor"
    assert "stress" in [result.check for result in report.results]


class ScaledForces(Forces):
    """Breaks the relation between energy and forces, as a wrong unit conversion would."""

    def forward(self, inputs):
        inputs = super().forward(inputs)
        inputs["forces"] = inputs["forces"] * 1.01
        return inputs


class OppositeStress(Forces):
    """Gives the pressure-like sign of the stress."""

    def forward(self, inputs):
        inputs = super().forward(inputs)
        inputs["stress"] = -inputs["stress"]
        return inputs


def test_scaled_forces_are_caught():
    model = potential(SchNet, stress=False)
    model.output_modules[1] = ScaledForces()
    with pytest.raises(ConsistencyError, match=r"^forces: -dE/dR deviates by 1.0e-02"):
        assert_forces_are_gradient(model)


def test_wrong_sign_of_the_stress_is_caught():
    model = potential(SchNet, stress=True)
    assert assert_stress_is_gradient(model) < 1e-5
    model.output_modules[1] = OppositeStress(calc_stress=True)
    with pytest.raises(ConsistencyError, match=r"^stress: .* deviates by 2.0e\+00"):
        assert_stress_is_gradient(model)


def test_stress_needs_a_model_with_stress():
    with pytest.raises(ConsistencyError, match="does not give both energy and stress"):
        assert_stress_is_gradient(potential(SchNet, stress=False))


def test_heads_of_schnetpack_pass():
    assert_head_equivariant(Atomwise(8, output_key="energy"), {"energy": "scalar"}, n_atom_basis=8)
    dipole = DipoleMoment(8, use_vector_representation=True)
    assert_head_equivariant(dipole, {"dipole_moment": "vector"}, n_atom_basis=8)


class BentHead(nn.Module):
    """Applies a non-linearity to components of a vector."""

    def forward(self, inputs):
        inputs["noise"] = torch.tanh(inputs["vector_representation"]).mean(-1)
        return inputs


class MultipoleHead(nn.Module):
    """Reads l=2 of the multipoles, or, wrongly, two components of l=2 as if they were scalars."""

    def __init__(self, wrong=False):
        super().__init__()
        self.wrong = wrong

    def forward(self, inputs):
        quadrupole = inputs["multipole_representation"][:, 4:9]
        inputs["size"] = quadrupole[:, :2].square().sum(1) if self.wrong else quadrupole.norm(dim=1)
        return inputs


def test_heads_that_are_not_equivariant_are_caught():
    with pytest.raises(ConsistencyError, match=r"^rotation: noise deviates by"):
        assert_head_equivariant(BentHead(), {"noise": "vector"}, n_atom_basis=4)
    assert_head_equivariant(MultipoleHead(), {"size": "scalar"}, n_atom_basis=4, lmax=2)
    with pytest.raises(ConsistencyError, match=r"^rotation: size deviates by"):
        assert_head_equivariant(MultipoleHead(True), {"size": "scalar"}, n_atom_basis=4, lmax=2)


def test_stress_of_schnetpack_flips_its_sign_in_a_left_handed_cell():
    """An expected fault; therefore the kit keeps cells right-handed when it reflects a system."""
    model = potential(SchNet, stress=True).double().eval()
    atoms = random_cell(4, seed=1)
    swapped = atoms.copy()
    swapped.set_cell(atoms.cell.array[[1, 0, 2]])
    stress = [model(make_batch([a], CUTOFF))["stress"].detach() for a in (atoms, swapped)]
    torch.testing.assert_close(stress[1], -stress[0])
