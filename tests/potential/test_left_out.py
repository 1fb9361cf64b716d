"""Labels that are missing or not finite do not spoil the errors of the others."""

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from gpip_plugins.cli import main
from gpip_plugins.potential import Potential, Prediction, predict_file
from gpip_plugins.potential.file_prediction import doubt_of

KINDS = ("good", "energy nan", "forces inf", "no forces", "no labels", "good")


@pytest.fixture
def labelled(stored, tmp_path, monkeypatch):
    """Return a potential and a file: true energies + 0.5 eV, true forces + 0.2 eV/Å, and faults."""
    monkeypatch.chdir(tmp_path)
    potential, frames = Potential(stored(), dtype="float64"), []
    for k, kind in enumerate(KINDS):
        atoms = molecule("H2O")
        atoms.positions[1] *= 1.0 + 0.02 * k
        (energy,), (forces,) = potential.predict([atoms])
        labels = {"energy": energy + 0.5, "forces": forces + 0.2}
        if kind == "energy nan":
            labels["energy"] = np.nan
        if kind == "forces inf":
            labels["forces"][2, 1] = np.inf
        if kind == "no forces":
            del labels["forces"]
        if kind != "no labels":
            atoms.calc = SinglePointCalculator(atoms, **labels)
        frames.append(atoms)
    write("labelled.xyz", frames)
    return potential


def test_the_errors_are_those_of_the_usable_labels(labelled):
    result = predict_file(labelled, "labelled.xyz", "out.npz", progress=False)
    assert result["energy_mae"] == pytest.approx(0.5, abs=1e-6)
    assert result["forces_rmse"] == pytest.approx(0.2, abs=1e-6)
    assert result["left_out"] == [
        "no energy: frame 4",
        "no forces: frames 3, 4",
        "a label that is not finite: frames 1, 2",
    ]
    with np.load("out.npz") as arrays:
        assert np.isnan(arrays["label_energy"]).tolist() == [k in (1, 4) for k in range(6)]
        assert arrays["label_forces"].shape == (18, 3)


@pytest.mark.parametrize(("factor", "told"), [(1.0, ""), (23.06, "are 2"), (-1.0, "are -0.9")])
def test_other_units_and_signs_of_the_forces_are_told(factor, told):
    rng = np.random.default_rng(0)
    forces, noise = rng.normal(size=(9, 3)), 0.2 * rng.normal(size=(9, 3))
    doubt = doubt_of([Prediction(None, forces=forces, label_forces=factor * (forces + noise))])
    assert told in doubt if told else doubt is None


def test_a_name_that_no_structure_has_is_told(labelled):
    keys = {"label_energy_key": "E_dft"}
    result = predict_file(labelled, "labelled.xyz", "out.xyz", **keys, progress=False)
    assert (
        "energy_mae" not in result and result["left_out"][0] == "no structure has the energy E_dft"
    )


def test_the_command_says_what_was_left_out(labelled, capsys):
    assert main(["predict", "best_model", "labelled.xyz", "out.xyz"]) == 0
    text = capsys.readouterr().out
    assert "MAE 0.50000" in text
    assert "left out of these errors: a label that is not finite: frames 1, 2" in text
