"""Every label of every frame is used or named."""

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from schnetpack.data import ASEAtomsData

EV = "--energy-unit=eV"


def with_results(frames, *names, **info):
    """Return frames with these results only; values of `info` are called with the number."""
    found = []
    for k, atoms in enumerate(frames):
        copy = atoms.copy()
        copy.calc = SinglePointCalculator(copy, **{n: atoms.calc.results[n] for n in names})
        copy.info |= {key: value(k) for key, value in info.items()}
        found.append(copy)
    return found


@pytest.mark.parametrize("name", ["energy", "forces"])
def test_energies_alone_and_forces_alone(ethanol, run_import, name):
    code, said, target = run_import(with_results(ethanol, name), EV)
    assert code == 0 and f", {'energies' if name == 'energy' else 'forces'} alone." in said, said
    assert f"'labels=[{name}]'" in said
    data = ASEAtomsData(target)
    assert set(data.units) == {name}
    expected = ethanol[3].calc.results[name]
    np.testing.assert_allclose(data[3][name].numpy().squeeze(), expected, atol=1e-6)


def test_a_few_frames_without_forces_are_no_file_of_energies_alone(ethanol, run_import):
    frames = with_results(ethanol, "energy")[:2] + with_results(ethanol, "energy", "forces")[2:]
    code, said, _ = run_import(frames, EV)
    assert code == 1 and "no forces (frames 0, 1)" in said
    code, said, target = run_import(frames, EV, "--skip-unlabelled")
    assert code == 0 and len(ASEAtomsData(target)) == 38, said


def test_labels_that_may_have_another_name_are_not_left_out(ethanol, run_import):
    frames = with_results(ethanol, "energy")
    for atoms, labelled in zip(frames, ethanol, strict=True):
        atoms.arrays["dft_force"] = labelled.get_forces()
    code, said, _ = run_import(frames, EV)
    assert code == 1 and "give --forces-key dft_force, otherwise --forces-key None" in said, said
    code, said, _ = run_import(frames, EV, "--forces-key=None")
    assert code == 0 and "Found and not imported: dft_force (40 frames)" in said, said


def test_further_labels_are_named_with_their_frames(ethanol, run_import):
    frames = with_results(ethanol, "energy", "forces", name=lambda k: f"run{k}")
    for atoms in frames[5:]:
        atoms.calc.results["dipole"] = np.ones(3)
    frames[7].arrays["spins"] = np.ones(9)
    code, said, _ = run_import(frames, EV)
    assert code == 0, said
    assert "not imported: name (40 frames), dipole (35 frames), spins (1 frame)." in said


def test_charge_and_spin_are_kept_and_contradictions_told(ethanol, run_import):
    info = {"charge": lambda k: k % 2, "spin": lambda k: 1 + k % 2}
    code, said, target = run_import(with_results(ethanol, "energy", "forces", **info), EV)
    assert code == 0 and "with spin multiplicity and total charge" in said
    assert "frames of C2H6O have labels of 2 electronic states (total charge 0 and" in said
    row = ASEAtomsData(target)[1]
    assert row["total_charge"].tolist() == [1.0] and row["spin_multiplicity"].tolist() == [2.0]


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"spin": lambda k: 0}, "not imported: spin (40 frames)"),  # no multiplicity
        ({"multiplicity": lambda k: 2}, "not imported: multiplicity (40 frames)"),  # 26 electrons
        ({"charge": lambda k: 0.3}, "not imported: charge (40 frames)"),
    ],
)
def test_what_is_no_charge_or_multiplicity_is_named(ethanol, run_import, info, message):
    code, said, _ = run_import(with_results(ethanol, "energy", "forces", **info), EV)
    assert code == 0 and message in said, said


def test_a_charge_of_some_frames_is_told(ethanol, run_import):
    frames = with_results(ethanol, "energy", "forces")
    frames[4].info["charge"] = 0
    code, said, target = run_import(frames, EV)
    assert code == 0 and "1 of 40 frames have a total_charge; it is left out" in said, said
    assert set(ASEAtomsData(target).units) == {"energy", "forces"}


def test_one_geometry_with_two_energies_is_told(ethanol, run_import):
    frames = with_results([*ethanol, ethanol[3]], "energy", "forces")
    assert "another energy" not in run_import(frames, EV)[1]
    frames[-1].calc.results["energy"] += 0.5
    frames[-1].positions += 3.0
    code, said, _ = run_import(frames, EV)
    assert code == 0, said
    assert "1 frame has the geometry of an earlier one and another energy (frame 40)" in said


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("forces", lambda f: 1e4 * f, "has forces of more than 1000 eV/Ang in frame 6 (counted"),
        (
            "energy",
            lambda e: e - 500.0,
            "off that of other frames of the same composition in frame",
        ),
    ],
)
def test_single_frames_far_off_are_named(ethanol, run_import, name, change, message):
    frames = with_results(ethanol, "energy", "forces")
    results = frames[6].calc.results
    results[name] = change(results[name])
    code, said, _ = run_import(frames, EV)
    assert code == 1 and message in said, said
    assert "frame 6" in said


def test_forces_that_do_not_belong_to_the_positions(ethanol, run_import):
    turned = with_results(ethanol, "energy", "forces")
    for atoms in turned:
        atoms.rotate(70, "x")
        atoms.calc.atoms.positions[:] = atoms.positions
    assert "The forces turn the molecules" in run_import(turned, EV, "--energy-key=None")[1]
    held = with_results(ethanol, "energy", "forces")
    for atoms in held:
        atoms.calc.results["forces"][0] = 0
    assert "do not sum to zero" in run_import(held, EV, "--energy-key=None")[1]


def test_only_the_unit_of_the_forces_for_forces_alone(ethanol, run_import):
    words = ("--energy-key=None", "--forces-unit=eV/Ang")
    code, said, target = run_import(ethanol, *words)
    assert code == 0 and "not imported: energy (40 frames)" in said, said
    assert ASEAtomsData(target).units == {"forces": "eV/Ang"}


def test_a_free_energy_is_explained(ethanol, run_import):
    frames = with_results(ethanol, "energy", "forces")
    for atoms in frames:
        atoms.calc.results["free_energy"] = atoms.calc.results["energy"]
    assert "smeared" not in run_import(frames, EV)[1]
    frames[2].calc.results["free_energy"] -= 0.25
    code, said, _ = run_import(frames, EV)
    assert code == 0 and "differs from the energy by up to 0.25" in said, said
    assert "--energy-key free_energy imports it" in said
