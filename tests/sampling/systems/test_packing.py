"""Composition -> box: numbers of molecules, distances, neutrality, repetition."""

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.systems import packing
from gpip_plugins.sampling.systems.electrolytes import (
    ANIONS,
    ATOMS_OF,
    CATIONS,
    OF_THE_PAPER,
    SOLVENTS,
    electrolyte,
    estimated_molarity,
)
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.packing import components_from, pack

BRINE = {"water": 30, "Na": 2, "[Cl-]": 2}


def closest_contact(box):
    """Smallest minimum-image distance between atoms of different molecules in Å."""
    atoms = Atoms(box.numbers, box.positions, cell=box.cell, pbc=True)
    i, j, distances = neighbor_list("ijd", atoms, 3.5)
    return distances[box.molecule_index[i] != box.molecule_index[j]].min()


@pytest.mark.parametrize("tolerance", [1.6, 2.2])
def test_molecules_are_whole_and_keep_their_distance_across_the_boundary(tolerance):
    box = pack("brine", components_from(BRINE), seed=1, tolerance=tolerance)
    assert closest_contact(box) > tolerance - 0.01  # Packmol's own precision
    water = box.components[0][0]
    ours, template = (
        np.linalg.norm(p[1:3] - p[0], axis=1) for p in (box.positions, water.positions)
    )
    assert ours == pytest.approx(template, abs=1e-4)
    lengths = np.linalg.norm(np.subtract(*box.positions[box.bonds].swapaxes(0, 1)), axis=1)
    assert lengths == pytest.approx(np.tile(template, 30), abs=1e-4)


def test_composition_is_kept_in_the_order_given():
    box = pack("brine", components_from(BRINE), seed=1)
    assert box.numbers.tolist() == 30 * [8, 1, 1] + 2 * [11] + 2 * [17]
    assert box.charge == 0


def test_packing_repeats_with_the_seed():
    first, same, other = (pack("w", components_from({"water": 20}), s).positions for s in (3, 3, 4))
    assert (first == same).all()
    assert abs(first - other).max() > 1.0


def test_density_and_cell_are_those_requested():
    water = components_from({"water": 64})
    assert pack("w", water, seed=1, density=0.9).density == pytest.approx(0.9)
    assert pack("w", water, seed=1, cell=12.445).density == pytest.approx(0.993, abs=5e-4)
    assert pack("w", water, seed=1, cell=[12, 13, 14]).cell.diagonal().tolist() == [12, 13, 14]


@pytest.fixture
def no_packmol(monkeypatch):
    def refuse(folder):
        raise AssertionError("Packmol must not run")

    monkeypatch.setattr(packing, "_runs", refuse)


@pytest.mark.parametrize(
    ("composition", "settings", "message"),
    [
        ({"water": 8, "Na": 1}, {}, r"charge \+1 e"),
        ({"TFSI": 2, "Li": 1}, {}, r"charge -1 e"),
        (
            {"water": 64},
            {"density": 2.0},
            r"density=2.00 g/cm3 is impossible, .* at most density=1.0",
        ),
        ({"water": 64}, {"cell": 9.0}, r"is impossible, .* take 175% of the cell"),
        ({"water": 64}, {"density": -1.0}, r"density=-1.0 is not a number above 0 \(g/cm3\)"),
        ({"water": 64}, {"density": float("nan")}, r"density=nan is not a number above 0"),
        ({"water": 64}, {"cell": [12, 0, 12]}, r"cell=\[12, 0, 12\] is not positive"),
        ({"water": 64}, {"cell": 12, "density": 1.0}, r"both given"),
        ({"water": 64}, {"tolerance": 0}, r"tolerance=0 is not a number above 0"),
    ],
)
def test_impossible_box_is_refused_before_any_work(no_packmol, composition, settings, message):
    with pytest.raises(InputError, match=message):
        pack("box", components_from(composition), seed=1, **settings)


def test_packing_that_fails_is_one_sentence():
    with pytest.raises(InputError, match=r"Packmol cannot place the molecules 4.0 Å apart at"):
        pack("w", components_from({"water": 6}), seed=1, density=1.0, tolerance=4.0)


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "many"])
def test_count_that_is_no_number_of_molecules_is_named(count):
    with pytest.raises(
        InputError, match=r"composition.water=.* is not a whole number of at least 1"
    ):
        components_from({"water": count})


@pytest.mark.parametrize("size", ["small", "large"])
def test_paper_compositions_have_8_and_one_and_a_half_solvents_per_pair(size):
    for cation, anion, solvent in itertools.product(*OF_THE_PAPER):
        for concentration, ratio in ((1, 8.0), (4, 1.5)):
            counts = electrolyte(cation, anion, solvent, concentration, size)
            assert counts[cation] == counts[anion]
            solvents = sum(counts.values()) - 2 * counts[cation]
            assert solvents == ratio * counts[cation]
    assert (
        sum(electrolyte("Li", "PF6", "DME", 1, size).values()) == {"small": 30, "large": 240}[size]
    )


def test_other_concentrations_are_molarities_of_the_liquid():
    """Volumes are additive: ions and solvent at their densities fill one litre."""
    counts = electrolyte("Li", "TFSI", "DME", 2.0, "large")
    density_of_dme, mass_of_dme, volume_of_tfsi = 0.86, 90.12, 0.145
    litres = counts["TFSI"] * volume_of_tfsi
    litres += counts["DME"] * mass_of_dme / density_of_dme / 1000
    assert counts["Li"] / litres == pytest.approx(2.0, rel=0.001)
    assert estimated_molarity(counts) == pytest.approx(counts["Li"] / litres, rel=0.001)


@pytest.mark.parametrize(
    ("size", "n_atoms", "tolerance"), [("small", 250, 0.03), ("large", 2500, 0.001)]
)
def test_compositions_are_as_close_to_a_molarity_as_possible(size, n_atoms, tolerance):
    for anion, solvent, molarity in itertools.product(*OF_THE_PAPER[1:], (0.5, 1.2, 2.0, 3.0)):
        counts = electrolyte("Na", anion, solvent, molarity, size)
        assert counts["Na"] == counts[anion]
        assert estimated_molarity(counts) == pytest.approx(molarity, rel=tolerance)
        n = sum(len(m.numbers) * count for m, count in components_from(counts))
        assert abs(n / n_atoms - 1.0) < 0.35
        if solvent == "EC:DMC":
            assert counts["EC"] - counts["DMC"] in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Al", "PF6", "DME", 1), "cation='Al' is unknown; choose from Li, Na, K"),
        (("Li", "ClO4", "DME", 1), "anion='ClO4' has no constants in the force field; choose from"),
        (("Li", "TSFI", "DME", 1), r"anion='TSFI' is unknown \(did you mean TFSI\?\)"),
        (("Li", "PF6", "EC:FEC", 1), "solvent='FEC' has no constants .* choose from water, EC"),
        (("Li", "PF6", "DME", 1, "huge"), "box='huge' is unknown"),
        (("Li", "PF6", "DME", 0), "concentration=0 is not a number above 0"),
        (("Li", "PF6", "DME", "1M"), "concentration='1M' is not a number"),
        (("Li", "PF6", "DME", 15), "concentration=15 mol/L leaves less than one solvent"),
        (("Li", "PF6", "DME", 0.1), "less than one ion pair in a cell of 250 atoms"),
    ],
)
def test_impossible_electrolyte_is_named(arguments, message):
    with pytest.raises(InputError, match=message):
        electrolyte(*arguments)


def test_a_salt_of_a_divalent_cation_is_neutral_and_one_molar_means_one_molar():
    counts = electrolyte("Ca", "Cl", "water", 1)
    assert counts["Cl"] == 2 * counts["Ca"]
    assert estimated_molarity(counts) == pytest.approx(1.0, abs=0.02)
    mixture = electrolyte("Li", "PF6", "EC:EMC:EMC", 1, "large")  # not a composition of the paper
    assert estimated_molarity(mixture) == pytest.approx(1.0, abs=0.001)
    assert abs(mixture["EMC"] - 2 * mixture["EC"]) <= 2


def test_every_ion_and_solvent_has_its_number_of_atoms():
    names = [*CATIONS, *ANIONS, *SOLVENTS]
    found = {n: len(MolecularSystem.from_preset(n).numbers) for n in names}
    assert found == {name: ATOMS_OF[name] for name in names}
    assert {n: MolecularSystem.from_preset(n).charge for n in CATIONS} == CATIONS
    assert {MolecularSystem.from_preset(n).charge for n in ANIONS} == {-1}


@pytest.mark.slow
@pytest.mark.parametrize(("size", "cations"), [("small", ["Li", "Na"]), ("large", ["Li"])])
def test_all_electrolytes_pack(size, cations):
    for cation, anion, solvent, concentration in itertools.product(
        cations, *OF_THE_PAPER[1:], (1, 4)
    ):
        counts = electrolyte(cation, anion, solvent, concentration, size)
        box = pack("electrolyte", components_from(counts), seed=1)
        assert box.charge == 0
        assert closest_contact(box) > 1.99


def test_crash_of_packmol_is_no_input_error(monkeypatch, tmp_path):
    crash = tmp_path / "packmol"
    crash.write_text("#!/bin/sh\necho out of order\nexit 2\n")
    crash.chmod(0o755)
    monkeypatch.setattr(packing, "get_binary_path", lambda: crash)
    with pytest.raises(RuntimeError, match="Packmol failed: out of order"):
        pack("w", [(MolecularSystem.from_preset("water"), 4)], seed=1)
