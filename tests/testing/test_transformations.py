"""The laws of transformation, and the conversion of e3nn's Wigner matrices to SchNetPack."""

import numpy as np
import pytest
import torch
from ase import Atoms
from schnetpack.nn.so3 import RealSphericalHarmonics

from gpip_plugins.errors import InputError
from gpip_plugins.testing import random_orthogonal, transform, transform_system, wigner_D


@pytest.mark.parametrize("determinant", [1, -1])
def test_wigner_matrices_transform_schnetpacks_spherical_harmonics(determinant):
    lmax = 4
    harmonics = RealSphericalHarmonics(lmax, "float64")
    vectors = torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    vectors = vectors / vectors.norm(dim=1, keepdim=True)
    for seed in range(3):
        Q = random_orthogonal(seed, determinant)
        expected = transform(harmonics(vectors)[..., None], "multipole", Q)[..., 0]
        # Its m=0 components carry a factor rounded to float32, hence no tighter bound.
        torch.testing.assert_close(harmonics(vectors @ Q.T), expected, rtol=0, atol=1e-7)


def test_wigner_matrices_are_a_representation_of_the_group():
    one, two = random_orthogonal(1), random_orthogonal(2, -1)
    product = wigner_D(3, one) @ wigner_D(3, two)
    torch.testing.assert_close(wigner_D(3, one @ two), product, rtol=0, atol=1e-12)


def test_default_dtype_is_not_changed():
    wigner_D(2, random_orthogonal(0))
    assert torch.get_default_dtype() == torch.float32


def test_random_orthogonal_matrices_are_orthogonal_and_cover_both_kinds():
    for seed in range(5):
        for determinant in (1, -1):
            Q = random_orthogonal(seed, determinant)
            torch.testing.assert_close(Q @ Q.T, torch.eye(3, dtype=torch.float64))
            assert round(float(torch.det(Q)), 9) == determinant
    assert not torch.equal(random_orthogonal(0), random_orthogonal(1))


def test_tensor_law_is_that_of_an_outer_product():
    Q = random_orthogonal(4, -1)
    v = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    outer = v[:, :, None] * v[:, None, :]
    turned = transform(v, "vector", Q)
    expected = turned[:, :, None] * turned[:, None, :]
    torch.testing.assert_close(transform(outer, "tensor", Q), expected)


@pytest.mark.parametrize("determinant", [1, -1])
def test_systems_turn_with_cell_and_inputs_and_stay_right_handed(determinant):
    Q = random_orthogonal(3, determinant)
    atoms = Atoms("HO", [[0, 0, 0.1], [1, 0.2, 0]], cell=[3, 4, 5], pbc=True)
    atoms.info["electric_field"] = np.array([0.0, 0.0, 1.0])
    atoms.arrays["dipoles"] = np.eye(2, 3)
    turned = transform_system(atoms, Q, {"electric_field": "vector", "dipoles": "vector"})
    np.testing.assert_allclose(turned.get_all_distances(), atoms.get_all_distances())
    np.testing.assert_allclose(
        turned.get_all_distances(mic=True), atoms.get_all_distances(mic=True)
    )
    assert np.linalg.det(turned.cell.array) == pytest.approx(60.0)
    np.testing.assert_allclose(turned.info["electric_field"], Q[:, 2])
    np.testing.assert_allclose(turned.arrays["dipoles"], Q[:, :2].T)
    np.testing.assert_array_equal(atoms.info["electric_field"], [0, 0, 1])


@pytest.mark.parametrize(
    ("law", "shape"), [("vector", (4, 2)), ("tensor", (4, 3)), ("multipole", (4, 3, 2))]
)
def test_wrong_shape_for_a_law_is_named(law, shape):
    with pytest.raises(InputError, match=rf"laws\['mu'\]='{law}' does not fit its shape"):
        transform(torch.zeros(shape), law, torch.eye(3), "mu")


def test_unknown_law_is_named():
    with pytest.raises(InputError, match=r"laws\['mu'\]='spinor' is unknown; use one of scalar"):
        transform(torch.zeros(4, 3), "spinor", torch.eye(3), "mu")
