"""The ASE calculator in ASE's own optimiser, dynamics and vibrations."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.filters import FrechetCellFilter
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from ase.vibrations import Vibrations
from schnetpack.atomistic import Atomwise, Forces, Strain

from gpip_plugins.errors import InputError
from gpip_plugins.potential import GpipCalculator, Potential

SPRING = 10.0  # eV/Å^2, see `springs`


@pytest.fixture
def ethanol():
    return molecule("CH3CH2OH")


@pytest.fixture
def salt():
    """A strained crystal of low symmetry, smaller than the cut-off sphere."""
    atoms = bulk("NaCl", "rocksalt", a=5.6) * (1, 1, 2)
    strain = np.array([[0, 0.03, 0], [0, 0, 0.02], [0, 0, 0.01]])
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def test_forces_are_the_derivative_of_the_energy(stored, ethanol):
    ethanol.calc = GpipCalculator(stored())
    numerical = calculate_numerical_forces(ethanol, eps=1e-4)
    assert np.abs(numerical).max() > 1e-3
    np.testing.assert_allclose(ethanol.get_forces(), numerical, atol=1e-7)


@pytest.mark.parametrize("units_of_model", [("eV", "Ang"), ("Hartree", "Bohr")])
def test_stress_is_the_derivative_by_the_strain(stored, salt, units_of_model):
    energy, distance = units_of_model
    cutoff = 4.0 if distance == "Ang" else 7.0
    file = stored(cutoff=cutoff, units={"energy": energy}, distance_unit=distance)
    salt.calc = GpipCalculator(file)
    numerical = calculate_numerical_stress(salt, eps=1e-5)
    assert np.abs(numerical).max() > 1e-5
    np.testing.assert_allclose(salt.get_stress(), numerical, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(salt.get_forces(), calculate_numerical_forces(salt), atol=1e-6)


def test_the_stress_of_a_model_with_stress_output_is_used(stored, salt):
    salt.calc = GpipCalculator(stored())
    expected = salt.get_stress()
    file = stored(outputs=[Forces(calc_stress=True)])
    model = torch.load(file, weights_only=False)
    model.input_modules.insert(0, Strain())
    torch.save(model, file)
    salt.calc = GpipCalculator(file)
    np.testing.assert_allclose(salt.get_stress(), expected)


def test_a_molecule_has_no_stress(stored, ethanol):
    ethanol.calc = GpipCalculator(stored())
    with pytest.raises(PropertyNotImplementedError, match="periodic in all three directions"):
        ethanol.get_stress()


def test_the_calculator_and_the_batched_prediction_agree(stored, ethanol, salt):
    file = stored()
    structures = [ethanol, salt, molecule("H2O")]
    energies, forces = Potential(file, dtype="float64").predict(structures)
    for atoms, energy, force in zip(structures, energies, forces, strict=True):
        atoms.calc = GpipCalculator(file)
        assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-12)
        np.testing.assert_allclose(atoms.get_forces(), force, atol=1e-12)


def test_an_optimisation_ends_in_a_minimum_with_real_vibrations(springs, tmp_path):
    water = molecule("H2O")
    water.rattle(0.05, seed=3)
    water.calc = GpipCalculator(springs)
    start = water.get_potential_energy()
    with BFGS(water, logfile=None) as optimiser:
        optimiser.run(fmax=1e-4, steps=100)
    assert np.linalg.norm(water.get_forces(), axis=1).max() < 1e-4
    assert water.get_potential_energy() < start
    np.testing.assert_allclose(
        water.get_all_distances(), molecule("H2O").get_all_distances(), atol=0.05
    )
    vibrations = Vibrations(water, name=tmp_path / "vibrations")
    vibrations.run()
    energies = vibrations.get_energies()
    assert np.abs(energies.imag).max() < 0.02
    # Six translations and rotations without a restoring force, and three vibrations.
    expected = frequencies_of_springs(molecule("H2O"), SPRING)
    np.testing.assert_allclose(np.sort(energies.real)[:6], 0, atol=0.02)
    np.testing.assert_allclose(np.sort(energies.real)[6:], expected[6:], rtol=0.1)


def frequencies_of_springs(atoms, k):
    """Return the energies of the vibrations, in eV, with springs of k eV/Å^2 at rest."""
    hessian = np.zeros((len(atoms), 3, len(atoms), 3))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        u = atoms.positions[i] - atoms.positions[j]
        block = k * np.outer(u, u) / (u @ u)
        for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
            hessian[a, :, b, :] += sign * block
    weights = np.repeat(atoms.get_masses() ** -0.5, 3)
    squares = np.linalg.eigvalsh(hessian.reshape(9, 9) * np.outer(weights, weights))
    scale = units._hbar * 1e10 / np.sqrt(units._e * units._amu)
    return scale * np.sqrt(np.maximum(squares, 0))


def test_the_cell_of_a_crystal_relaxes(stored, salt):
    salt.calc = GpipCalculator(stored())
    before = np.abs(salt.get_stress()).max()
    with BFGS(FrechetCellFilter(salt), logfile=None) as optimiser:
        optimiser.run(fmax=1e-3, steps=20)
    assert np.abs(salt.get_stress()).max() < before


def test_dynamics_conserve_the_energy_and_rarely_build_a_list(springs):
    water = molecule("H2O")
    widths = np.sqrt(water.get_masses()[:, None] * units.kB * 300)
    water.set_momenta(np.random.default_rng(0).normal(size=(3, 3)) * widths)
    changes = []
    for time_step in (0.5, 0.25):
        atoms = water.copy()
        atoms.calc = GpipCalculator(springs)
        totals = []
        dynamics = VelocityVerlet(atoms, time_step * units.fs)
        dynamics.attach(lambda a=atoms, t=totals: t.append(a.get_total_energy()))
        dynamics.run(int(50 / time_step))
        changes.append(np.ptp(totals))
        assert atoms.calc.neighbors.n_built < 10
    # Velocity Verlet's error is of the second order in the time step.
    assert changes[0] < 0.02 * water.get_kinetic_energy()
    assert changes[1] == pytest.approx(changes[0] / 4, rel=0.2)


def test_several_models_give_mean_and_spread(stored, ethanol):
    files = [stored(f"model{k}", seed=k) for k in range(3)]
    single = []
    for file in files:
        atoms = ethanol.copy()
        atoms.calc = GpipCalculator(file)
        single.append((atoms.get_potential_energy(), atoms.get_forces()))
        assert "energy_std" not in atoms.calc.results
    ethanol.calc = GpipCalculator(files)
    energies, forces = (np.array(values) for values in zip(*single, strict=True))
    assert ethanol.get_potential_energy() == pytest.approx(energies.mean())
    np.testing.assert_allclose(ethanol.get_forces(), forces.mean(0), atol=1e-12)
    assert ethanol.calc.results["energy_std"] == pytest.approx(energies.std(ddof=1))
    np.testing.assert_allclose(ethanol.calc.results["forces_std"], forces.std(0, ddof=1))


def test_float32_is_close(stored, ethanol):
    ethanol.calc = GpipCalculator(stored(), dtype="float32")
    energy = ethanol.get_potential_energy()
    ethanol.calc = GpipCalculator(stored())
    assert energy == pytest.approx(ethanol.get_potential_energy(), abs=1e-5)
    assert energy != ethanol.get_potential_energy()


def test_mistakes_get_one_sentence(stored, ethanol):
    with pytest.raises(InputError, match="no model"):
        GpipCalculator([])
    with pytest.raises(InputError, match="skin=-1 is not a number of at least 0"):
        GpipCalculator(stored(), skin=-1)
    with pytest.raises(InputError, match="dtype='half' is unknown; choose from float32, float64"):
        GpipCalculator(stored(), dtype="half")
    with pytest.raises(InputError, match=r"different cut-offs \(4 Å, 5 Å\)"):
        GpipCalculator([stored("a"), stored("b", cutoff=5.0)])
    with pytest.raises(InputError, match="predicts energy, other and no forces"):
        GpipCalculator(stored(outputs=[Atomwise(8, output_key="other")]))
    ethanol.calc = GpipCalculator(stored(elements={"H": 1, "O": 1}))
    with pytest.raises(InputError, match=r"contains C \(Z = 6\), but the model knows only H, O"):
        ethanol.get_potential_energy()
    water = Atoms("OH2", [[0, 0, 0], [0, 0, np.nan], [0, 1, 0]], calculator=ethanol.calc)
    with pytest.raises(InputError, match="not finite"):
        water.get_potential_energy()
