from functools import partial

import numpy as np
import pytest
import torch
from ase.build import molecule
from schnetpack import units
from schnetpack.md import System
from schnetpack.transform import MatScipyNeighborList

from gpip_plugins.errors import InputError
from gpip_plugins.md.calculator import PotentialCalculator, PotentialEnsembleCalculator
from gpip_plugins.md.neighbors import MoleculeNeighbors
from gpip_plugins.potential import Card

WAITING = partial(MoleculeNeighbors, cutoff=None, cutoff_shell=2.0, base_nbl=MatScipyNeighborList)


def system_of(atoms):
    system = System()
    system.load_molecules(atoms)
    return system.to(torch.float64)


def test_cutoff_and_units_come_from_the_model(run_folder):
    calculator = PotentialCalculator(str(run_folder / "run" / "best_model"), WAITING)
    assert calculator.neighbor_list.cutoff == 4.0
    assert calculator.energy_conversion == pytest.approx(units.convert_units("eV", "kJ/mol"))
    assert calculator.position_conversion == pytest.approx(0.1)


def test_forces_are_the_gradient_of_the_energy(run_folder):
    calculator = PotentialCalculator(str(run_folder / "run"), WAITING)
    atoms = molecule("CH3CH2OH")
    system = system_of(atoms)
    calculator.calculate(system)
    force = system.forces[0, 2, 1].item()
    energies = []
    step = 1e-4  # nm
    for sign in (1, -1):
        moved = system_of(atoms)
        moved.positions[0, 2, 1] += sign * step
        calculator.calculate(moved)
        energies.append(moved.energy.item())
    assert abs(force) > 1e-3
    assert -(energies[0] - energies[1]) / (2 * step) == pytest.approx(force, rel=1e-4)


def test_units_of_the_model_scale_the_energy(run_folder, tmp_path, with_card):
    model = with_card(run_folder / "run", tmp_path, None)
    energies = []
    for unit in ("eV", "kcal/mol"):
        calculator = PotentialCalculator(model, WAITING, energy_unit=unit, position_unit="Ang")
        system = system_of(molecule("H2O"))
        calculator.calculate(system)
        energies.append(system.energy.item())
    assert energies[0] / energies[1] == pytest.approx(23.0605, rel=1e-4)


def test_other_names_of_the_same_units_are_no_contradiction(run_folder, tmp_path, with_card):
    def stored(name, energy, distance="Ang"):
        card = Card(units={"energy": energy}, distance_unit=distance)
        return with_card(run_folder / "run", tmp_path / name, card)

    for energy, other in (("Hartree", "Ha"), ("Ry", "Rydberg"), ("kcal/mol", "kcal / mol")):
        settings = {"energy_unit": other, "position_unit": "Angstrom"}
        PotentialCalculator(stored("a", energy), WAITING, **settings)
    twins = [stored("a", "Ha", "Angstrom"), stored("b", "Hartree")]
    PotentialEnsembleCalculator(twins, neighbor_list=WAITING)
    with pytest.raises(InputError, match=r"models of different units, .*Ha.*eV.*; an ensemble"):
        PotentialEnsembleCalculator([twins[0], stored("b", "eV")], neighbor_list=WAITING)
    with pytest.raises(InputError, match=r"the card's unit=cal is not an energy unit"):
        PotentialCalculator(stored("a", "cal"), WAITING)


def test_without_a_card_the_units_must_be_given(run_folder, tmp_path, with_card):
    model = with_card(run_folder / "run", tmp_path, None)
    with pytest.raises(InputError, match=r"^energy_unit is not given"):
        PotentialCalculator(model, WAITING)
    with pytest.raises(InputError, match=r"^position_unit is not given"):
        PotentialCalculator(model, WAITING, energy_unit="eV")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"energy_unit": "kcal/mol"}, "energy_unit=kcal/mol contradicts .* eV"),
        ({"position_unit": "Bohr"}, "position_unit=Bohr contradicts .* Ang"),
        ({"force_key": "dipole"}, "force_key=dipole is not an output .* energy, forces"),
        ({"neighbor_list": partial(WAITING, cutoff=5.0)}, "cutoff=5 contradicts .* 4"),
        ({"neighbor_list": WAITING(cutoff=3.0)}, "cutoff=3 contradicts .* 4"),
        ({"model_file": "no/best_model"}, "model_file=no/best_model does not exist"),
    ],
)
def test_contradictions_are_refused(run_folder, settings, message):
    arguments = {"model_file": str(run_folder / "run"), "neighbor_list": WAITING} | settings
    with pytest.raises(InputError, match=message):
        PotentialCalculator(**arguments)


def test_unknown_elements_are_refused(run_folder):
    calculator = PotentialCalculator(str(run_folder / "run"), WAITING)
    with pytest.raises(InputError, match=r"contains Fm .*, but the model has no row"):
        calculator.calculate(system_of(molecule("H2O") + molecule("O2")[:1] + fermium()))
    Card(elements={"H": 2, "O": 1}).attach(calculator.potentials[0])
    with pytest.raises(InputError, match=r"contains C .*, but the model knows only H, O"):
        calculator.calculate(system_of(molecule("CH4")))
    calculator.calculate(system_of(molecule("H2O")))


def fermium():
    from ase import Atoms

    return Atoms("Fm", [(5.0, 5.0, 5.0)])


def test_positions_that_are_not_finite_are_refused(run_folder):
    calculator = PotentialCalculator(str(run_folder / "run"), WAITING)
    atoms = molecule("H2O")
    atoms.positions[1, 2] = np.nan
    with pytest.raises(InputError, match="not finite"):
        calculator.calculate(system_of(atoms))


def test_ensemble_of_equal_models_has_their_forces_and_no_variance(run_folder):
    single = PotentialCalculator(str(run_folder / "run"), WAITING)
    double = PotentialEnsembleCalculator([str(run_folder / "run")] * 2, neighbor_list=WAITING)
    first, second = system_of(molecule("CH4")), system_of(molecule("CH4"))
    single.calculate(first)
    double.calculate(second)
    torch.testing.assert_close(first.forces, second.forces)
    assert second.properties["forces_var"].abs().max() < 1e-20
    with pytest.raises(InputError, match="fewer than two"):
        PotentialEnsembleCalculator([str(run_folder / "run")], neighbor_list=WAITING)
