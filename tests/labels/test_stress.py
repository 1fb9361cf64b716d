"""Stress and virial of any unit and sign become eV/Å^3 with tension positive, or are refused."""

import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa
from schnetpack.data import ASEAtomsData

from gpip_plugins.errors import InputError
from gpip_plugins.labels.keys_and_units import Labels
from gpip_plugins.labels.stress import stress_factor
from gpip_plugins.labels.stress_checks import check_stress
from gpip_plugins.labels.work_evidence import Labelled

EV = "--energy-unit=eV"


def renamed(frames, key, change):
    """Return frames whose stress has another name, and is changed by a function of it."""
    found = []
    for atoms in frames:
        copy = atoms.copy()
        copy.calc = SinglePointCalculator(
            copy, energy=atoms.get_potential_energy(), forces=atoms.get_forces()
        )
        copy.info[key] = change(atoms.get_stress(voigt=False), atoms.get_volume())
        found.append(copy)
    return found


@pytest.mark.parametrize(
    ("key", "change", "words"),
    [
        ("stress", lambda s, v: s, ()),
        ("stress", lambda s, v: -10 * s / GPa, ("--stress-unit=kbar", "--stress-sign=pressure")),
        ("virial", lambda s, v: -s * v, ()),
        ("virials", lambda s, v: (-s * v).ravel(), ("--stress-unit=eV",)),
        ("virial", lambda s, v: s * v, ("--stress-sign=tension",)),
        ("dft_s", lambda s, v: s[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]], ("--stress-key=dft_s",)),
    ],
)
def test_every_form_becomes_the_same_stress(copper, run_import, key, change, words):
    code, said, target = run_import(renamed(copper, key, change), EV, *words)
    assert code == 0 and "with stress." in said and "energies of strained cells" in said, said
    data = ASEAtomsData(target)
    assert data.units["stress"] == "eV/Ang/Ang/Ang"
    for k in (0, 11):
        expected = copper[k].get_stress(voigt=False)
        np.testing.assert_allclose(data[k]["stress"][0], expected, rtol=1e-5, atol=1e-7)
    assert "'labels=[energy,forces,stress]'" in said


@pytest.mark.parametrize(
    ("key", "change", "words", "message"),
    [
        ("stress", lambda s, v: 10 * s / GPa, (), "The unit of the stress looks wrong"),
        ("stress", lambda s, v: s / GPa, ("--stress-unit=kbar",), "--stress-unit kbar looks wrong"),
        ("stress", lambda s, v: -s, (), "give --stress-sign pressure"),
        ("virial", lambda s, v: s * v, (), "give --stress-sign tension"),
        ("virial", lambda s, v: s, ("--stress-sign=up",), "--stress-sign 'up' is unknown"),
        ("stress", lambda s, v: s, ("--stress-unit=eV/Ang",), "is not a unit of stress"),
    ],
)
def test_wrong_units_and_signs_are_refused(copper, run_import, key, change, words, message):
    code, said, _ = run_import(renamed(copper, key, change), EV, *words)
    assert code == 1 and message in said, said


def test_a_stress_in_some_frames_is_told(copper, run_import):
    frames = [*copper[:10], *renamed(copper[10:], "note", lambda s, v: "none")]
    code, said, target = run_import(frames, EV)
    assert code == 0 and "10 of 16 frames have a stress; it is left out" in said, said
    assert "; --require-stress with --skip-unlabelled keeps only the frames that have it" in said
    assert len(ASEAtomsData(target)) == 16
    code, said, target = run_import(frames[::-1], EV, "--require-stress", "--skip-unlabelled")
    assert code == 0 and "6 left out because they have no stress" in said, said
    assert len(ASEAtomsData(target)) == 10
    code, said, _ = run_import(frames, EV, "--require-stress")
    assert code == 1 and "6 of the 16 frames" in said and "no stress (frames 10, 11" in said


def test_a_format_with_units_needs_no_unit_of_stress(copper, run_import):
    code, said, _ = run_import(copper, "--stress-unit=kbar", name="labels.traj")
    assert code == 1 and "--stress-unit kbar is not used: labels.traj states its units" in said


@pytest.mark.parametrize(
    ("unit", "size", "virial"),
    [
        ("GPa", GPa, False),
        ("kB", 0.1 * GPa, False),
        ("bar", 1e-4 * GPa, False),
        ("eV/Ang**3", 1.0, False),
        ("eV/Ang/Ang/Ang", 1.0, False),
        ("kcal/mol/Ang^3", 0.0433641, False),
        ("Hartree/Bohr^3", 27.211386 / 0.52917721**3, False),
        ("Hartree", 27.211386, True),
    ],
)
def test_units_of_stress(unit, size, virial):
    assert stress_factor(unit) == (pytest.approx(size, rel=1e-5), virial)


@pytest.mark.parametrize("unit", ["", "eV/", "eV/GPa^3", "Ang^3", "eV/Ang^2", "stress", "/Ang^3"])
def test_what_is_no_unit_of_stress(unit):
    with pytest.raises(InputError, match="is not a unit of stress"):
        stress_factor(unit)


@pytest.mark.parametrize(
    ("scale", "unit"), [(1.0, None), (1 / GPa, "too large"), (GPa, "too small")]
)
def test_the_stress_of_one_cell_changes_as_the_forces_do(copper, scale, unit):
    """Without strained cells a unit that is 160 times off shows in the fluctuations."""
    cell = copper[0].cell
    frames = []
    for k, atoms in enumerate(copper[:6]):
        atoms = atoms.copy()
        atoms.set_cell(cell, scale_atoms=True)
        atoms.calc = EMT()
        forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
        frames.append(Labelled(k, atoms, atoms.get_potential_energy(), forces, stress * scale))
    if unit is None:
        assert (
            "Not checked: sign and unit of the stress"
            in check_stress(frames, Labels(), "tension")[0]
        )
    else:
        with pytest.raises(InputError, match=f"(looks wrong.*{unit}|more than .* GPa)"):
            check_stress(frames, Labels(), "tension")
