"""The kit on SchNetPack's representations and ours: passed checks and known faults."""

import numpy as np
import pytest
import torch
from schnetpack.nn import BesselRBF, CosineCutoff, GaussianRBF
from schnetpack.representation import FieldSchNet, PaiNN, SchNet, SO3net

from gpip_plugins import representation as ours
from gpip_plugins.testing import CHECKS, Subject, check_representation, random_systems

CUTOFF = 4.0

# SO3net keeps Clebsch-Gordan coefficients and spherical harmonics as float32 also in `.double()`.
FLOAT32_CONSTANTS = {"rotation": 1e-6, "reflection": 1e-6}


def schnet():
    return SchNet(8, 2, GaussianRBF(8, CUTOFF), CosineCutoff(CUTOFF))


def painn():
    return PaiNN(8, 2, BesselRBF(8, CUTOFF), CosineCutoff(CUTOFF))


def equivariant_transformer():
    basis, cutoff_fn = ours.ExpNormalRBF(8, CUTOFF), ours.CosineCutoff(CUTOFF)
    return ours.EquivariantTransformer(8, 2, basis, cutoff_fn, n_heads=2)


def so3net(lmax):
    return SO3net(
        6,
        2,
        lmax,
        GaussianRBF(8, CUTOFF),
        CosineCutoff(CUTOFF),
        return_vector_representation=True,
    )


def field_schnet():
    return FieldSchNet(
        8,
        2,
        GaussianRBF(8, CUTOFF),
        external_fields=["electric_field"],
        cutoff_fn=CosineCutoff(CUTOFF),
    )


def systems_in_a_field():
    rng = np.random.default_rng(0)
    systems = random_systems()
    for atoms in systems:
        atoms.info["electric_field"] = rng.normal(size=3)
    return systems


@pytest.mark.parametrize("factory", [schnet, painn, equivariant_transformer])
def test_all_checks_are_passed(factory):
    report = check_representation(factory)
    report.raise_if_failed()
    assert {result.check for result in report.results} == set(CHECKS)


@pytest.mark.parametrize("lmax", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_so3net_passes_with_its_rounded_constants(lmax):
    report = check_representation(lambda: so3net(lmax), tolerances=FLOAT32_CONSTANTS)
    report.raise_if_failed()
    assert report.outputs["multipole_representation"] == "multipole"
    assert report.outputs["vector_representation"] == "vector"


def test_so3net_is_not_equivariant_to_float64():
    """An expected fault: if this fails, remove FLOAT32_CONSTANTS."""
    reason = "constants rounded to float32"
    faults = {"rotation": reason, "reflection": reason}
    check_representation(lambda: so3net(2), known_faults=faults).raise_if_failed()


def test_field_schnet_passes_but_cannot_be_scripted():
    report = check_representation(
        field_schnet,
        inputs={"electric_field": "vector"},
        systems=systems_in_a_field(),
        known_faults={"torchscript": "a ModuleDict is indexed by a variable"},
    )
    report.raise_if_failed()


def test_field_schnet_sees_its_field():
    """Otherwise the test above would not test fields."""
    systems = systems_in_a_field()
    subject = Subject(field_schnet, inputs={"electric_field": "vector"}, systems=systems)
    before = subject(systems)["scalar_representation"]
    for atoms in systems:
        atoms.info["electric_field"] = atoms.info["electric_field"] + 1.0
    assert not torch.allclose(before, subject(systems)["scalar_representation"], rtol=1e-3)
