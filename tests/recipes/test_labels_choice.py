"""What a fine-tuning is trained on: energies, forces, stress, each alone or together."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.stress import voigt_6_to_full_3x3_stress
from schnetpack.md.utils import activate_model_stress

from gpip_plugins.checkpoint import load_model
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import write_rows
from gpip_plugins.potential import Card, GpipCalculator, Potential

FINETUNE = "experiment=gpip_finetune"
UNITS = {"energy": "eV", "forces": "eV/Ang", "stress": "eV/Ang/Ang/Ang"}


def copper(n: int) -> list[tuple[Atoms, dict, dict]]:
    """Return strained and shaken copper with the labels of EMT; every fourth cell left-handed."""
    rng, rows = np.random.default_rng(0), []
    for k in range(n):
        atoms = bulk("Cu", cubic=True)
        strain = np.eye(3) + rng.uniform(-0.04, 0.04, (3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms.positions += rng.normal(0, 0.08, atoms.positions.shape)
        if k % 4 == 3:
            atoms.cell[:] = atoms.cell.array[[1, 0, 2]]
        atoms.calc = EMT()
        labels = {
            "energy": np.array([atoms.get_potential_energy()]),
            "forces": atoms.get_forces(),
            "stress": voigt_6_to_full_3x3_stress(atoms.get_stress())[None],
        }
        rows.append((Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True), labels, {}))
    return rows


@pytest.fixture
def make_database(tmp_path):
    """Return a function: a database of copper with some of its labels."""

    def make(*names, n=12, extra=()):
        rows = [
            (atoms, {name: labels[name] for name in names}, pairs)
            for atoms, labels, pairs in [*copper(n), *extra]
        ]
        write_rows(str(tmp_path / "cu.db"), rows, {name: UNITS[name] for name in names})
        return tmp_path / "cu.db"

    return make


def metrics(trainer):
    """Return the names of the test metrics that were logged, without the loss."""
    found = {key for key in trainer.callback_metrics if key.startswith("test_")}
    return found - {"test_loss"}


def test_energies_alone(train, make_database, tmp_path, capsys):
    trainer = train(FINETUNE, "labels=[energy]", datapath=make_database("energy"))
    assert metrics(trainer) == {"test_energy_mae"}
    printed = capsys.readouterr().out
    assert "labels:    energy with weight 1\n" in printed
    assert "energies:  references of energy: mean per atom of one composition: 0." in printed
    # The forces are the derivative of the energy, and simulations need them.
    atoms = copper(1)[0][0]
    potential = Potential(str(tmp_path / "run" / "best_model"), "cpu")
    (energy,), (forces,) = potential.predict([atoms])
    assert forces.shape == (4, 3) and abs(energy) < 9


def test_forces_alone(train, make_database, tmp_path, capsys):
    """The zero of the energy is not known, which is said; its unit is that of the forces."""
    trainer = train(FINETUNE, "labels=[forces]", datapath=make_database("forces", "stress"))
    assert metrics(trainer) == {"test_forces_mae"}
    printed = capsys.readouterr().out
    assert "labels:    forces with weight 300\n" in printed
    assert "not used:  stress (eV/Ang/Ang/Ang)\n" in printed
    assert "energy follows from its derivatives up to a constant" in printed
    assert f"simulation=box_nvt calculator.model_file={tmp_path}" in printed
    card = Card.from_model(load_model(str(tmp_path / "run" / "best_model"), "cpu"))
    assert card.units["energy"] == "eV"


@pytest.mark.parametrize("missing", ["forces", "energy"])
def test_a_label_that_is_missing_names_the_choice(train, make_database, missing):
    there = {"forces": "energy", "energy": "forces"}[missing]
    with pytest.raises(InputError, match=rf"has no property '{missing}'.*labels=\[{there}\]"):
        train(FINETUNE, datapath=make_database(there))


def test_the_stress_of_a_trained_model_is_the_derivative_of_its_energy(
    train, make_database, tmp_path, capsys
):
    """By finite differences in double precision, also for a left-handed cell."""
    words = ("labels=[energy,forces,stress]", "model.representation.n_atom_basis=8")
    trainer = train(FINETUNE, *words, datapath=make_database("energy", "forces", "stress"))
    assert metrics(trainer) == {"test_energy_mae", "test_forces_mae", "test_stress_mae"}
    printed = capsys.readouterr().out
    error = trainer.callback_metrics["test_stress_mae"].item()
    assert f"Test error of stress: MAE {error * 160.2176634:.2g} GPa" in printed
    assert "simulation=box_npt" in printed and "not used:  nothing" in printed
    model = str(tmp_path / "run" / "best_model")
    assert Card.from_model(load_model(model, "cpu")).units == UNITS
    calculator = GpipCalculator(model, device="cpu")
    for atoms in (copper(4)[0][0], copper(4)[3][0]):
        atoms.calc = calculator
        wanted = np.zeros((3, 3))
        for i, j in np.ndindex(3, 3):
            energies = []
            for step in (1e-4, -1e-4):
                strain = np.eye(3)
                strain[i, j] += step
                moved = atoms.copy()
                moved.set_cell(atoms.cell.array @ strain.T, scale_atoms=True)
                moved.calc = calculator
                energies.append(moved.get_potential_energy())
            wanted[i, j] = (energies[0] - energies[1]) / 2e-4 / atoms.get_volume()
        found = voigt_6_to_full_3x3_stress(atoms.get_stress())
        assert np.abs(wanted).max() > 1e-5
        np.testing.assert_allclose(found, 0.5 * (wanted + wanted.T), rtol=1e-4, atol=1e-9)
        # What a simulation with a stress_key makes of the model.
        served = activate_model_stress(load_model(model, "cpu").double(), "stress")
        batch = Potential(model, "cpu", "float64").batch([atoms])
        np.testing.assert_allclose(served(batch)["stress"][0].detach(), found, atol=1e-9)


def test_the_stress_of_a_molecule_is_refused(train, make_database):
    labels = {"energy": np.zeros(1), "forces": np.zeros((3, 3)), "stress": np.zeros((1, 3, 3))}
    database = make_database(*UNITS, extra=[(molecule("H2O"), labels, {})])
    with pytest.raises(InputError, match=r"1 of the 13 .* number 12 .* no 'stress'; remove"):
        train(FINETUNE, "labels=[energy,forces,stress]", datapath=database)


def energies_of(frames, values, path):
    rows = [
        (atoms, {"energy": np.array([value]), "forces": np.zeros((len(atoms), 3))}, {})
        for atoms, value in zip(frames, values, strict=True)
    ]
    write_rows(str(path), rows, {"energy": "eV", "forces": "eV/Ang"})
    return path


def test_total_energies_of_several_compositions(train, tmp_path, shaken, capsys):
    """All-electron energies of two molecules, and a million eV: float32 would lose the difference.

    The network is not trained, so its error is that of small random numbers.
    """
    ethanol, water = shaken("CH3CH2OH", 8), shaken("H2O", 8)
    values = [-1e6 + 0.01 * k for k in range(8)] + [-2081.1 + 0.01 * k for k in range(8)]
    path = energies_of([*ethanol, *water], values, tmp_path / "two.db")
    sizes = ("data.num_train=12", "data.num_val=2", "data.num_test=2", "globals.lr=0")
    train(FINETUNE, *sizes, datapath=path)
    assert "fitted to the training labels of 2 compositions: H " in capsys.readouterr().out
    potential = Potential(str(tmp_path / "run" / "best_model"), "cpu")
    found, _ = potential.predict([*ethanol[:2], *water[:1]])
    assert found == pytest.approx([-1e6, -1e6, -2081.1], abs=9)
    with torch.no_grad():
        single = Potential(str(tmp_path / "run" / "best_model"), "cpu", dtype="float32")
    # The references stay in double precision.
    np.testing.assert_allclose(single.predict(ethanol[:1])[0], found[:1], atol=1e-3)
    with pytest.raises(InputError, match=r"scatters by .* per atom .* references=auto\."):
        train(FINETUNE, *sizes, "references=mean", datapath=path, folder="mean")


def test_a_first_validation_that_is_absurd_stops(train, tmp_path, shaken):
    """The validation configurations are another molecule than those of the training."""
    frames = [*shaken("CH3CH2OH", 8), *shaken("CH3CHO", 4)]
    path = energies_of(frames, [-4200.0] * 8 + [-9000.0] * 4, tmp_path / "other.db")
    np.savez(tmp_path / "split.npz", train_idx=range(8), val_idx=range(8, 12), test_idx=[])
    sizes = ("data.num_train=8", "data.num_val=4", "data.num_test=null")
    words = (f"data.split_file={tmp_path}/split.npz", *sizes)
    with pytest.raises(InputError, match=r"first validation is wrong by .* eV per atom, .* split"):
        train(FINETUNE, *words, datapath=path)


def test_a_loss_that_is_not_finite_ends_a_fine_tuning(train):
    message = r"In epoch \d the \w+ loss of '.*' is (nan|inf) in step \d+; .*globals\.lr="
    with pytest.raises(InputError, match=message):
        train(FINETUNE, "globals.lr=1e30", "task.warmup_steps=0", max_epochs=3)


def test_no_label_at_all_is_refused(train, make_database):
    with pytest.raises(Exception, match=r"no loss to train on.*labels=\[energy,forces\]"):
        train(FINETUNE, "labels=[]", datapath=make_database("energy"))


@pytest.mark.slow
def test_copper_learns_its_stress(make_database, run_program, tmp_path):
    """The labels are those of EMT, with a standard deviation of the stress of 0.028 eV/Å^3."""
    database = make_database(*UNITS, n=80)
    network = ["model.representation.n_atom_basis=32", "model.representation.n_interactions=2"]
    words = [FINETUNE, f"data.datapath={database}", "labels=[energy,forces,stress]", *network]
    words += ["data.batch_size=8", "trainer.max_epochs=20", "globals.lr=4e-3", "+seed=1"]
    words += ["trainer.check_val_every_n_epoch=5", "trainer.accelerator=cpu", "run.id=cu"]
    out, _ = run_program(tmp_path, "spktrain", *words)
    assert "Test error of stress: MAE 0." in out
    model = str(tmp_path / "runs" / "cu" / "best_model")
    assert Card.from_model(load_model(model, "cpu")).errors["val_stress_mae"] < 2e-3
    errors = []
    for atoms, labels, _ in copper(4):
        atoms.calc = GpipCalculator(model, device="cpu")
        errors.append(voigt_6_to_full_3x3_stress(atoms.get_stress()) - labels["stress"][0])
    assert np.abs(errors).mean() < 2e-3
