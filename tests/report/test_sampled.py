import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.db import connect

from gpip_plugins.errors import InputError
from gpip_plugins.report.sampled import read_sampled


def test_everything_is_read_but_positions_are_sampled(write, shaken):
    ethanol, water = shaken("CH3CH2OH", 60), shaken("H2O", 40)
    temperature = np.repeat([300.0, 900.0], 30)
    path = write(ethanol, temperature=temperature, system="ethanol")
    write(water, system="water")
    systems, metadata = read_sampled(path, 1000, progress=False)
    assert [system.name for system in systems] == ["ethanol", "water"]
    assert systems[0].temperatures == [300.0, 900.0]
    assert systems[0].formula == "C2H6O"
    np.testing.assert_allclose(systems[0].positions, [a.positions for a in ethanol])
    np.testing.assert_array_equal(systems[1].rows, np.arange(60, 100))
    assert metadata["_distance_unit"] == "Ang"

    few, _ = read_sampled(path, 30, seed=1, progress=False)
    assert sum(len(system.chosen) for system in few) in (30, 31, 32)
    assert [system.chosen[0] for system in few] == [0, 0]  # bonds are those of the first frame
    for whole, part, frames in zip(systems, few, (ethanol, water), strict=True):
        np.testing.assert_array_equal(whole.energy, part.energy)
        np.testing.assert_allclose(part.positions, [frames[k].positions for k in part.chosen])
    again, _ = read_sampled(path, 30, seed=1, progress=False)
    other, _ = read_sampled(path, 30, seed=2, progress=False)
    np.testing.assert_array_equal(few[0].chosen, again[0].chosen)
    assert few[0].chosen.tolist() != other[0].chosen.tolist()


def test_lengths_come_in_angstrom_whatever_the_database_has(write):
    box = Atoms("OH2", [(0, 0, 0), (0, 0, 1.8), (1.8, 0, 0)], cell=[20, 20, 20], pbc=True)
    (system,), _ = read_sampled(write([box], distance_unit="Bohr"), 10, progress=False)
    assert system.positions[0, 1, 2] == pytest.approx(0.9525, abs=1e-4)
    assert system.cells[0, 0, 0] == pytest.approx(10.5835, abs=1e-3)
    assert system.density[0] == pytest.approx(18.015 * 1.66054 / 10.5835**3, rel=1e-3)


def test_density(write):
    """One molecule of water in 29.9 Å^3 is 1 g/cm^3; a molecule without a cell has none."""
    edge = 29.915 ** (1 / 3)
    box = molecule("H2O", cell=[edge] * 3, pbc=True)
    (system,), _ = read_sampled(write([box]), 10, progress=False)
    assert system.density[0] == pytest.approx(1.0, abs=1e-3)
    (alone,), _ = read_sampled(write([molecule("H2O")], "alone.db"), 10, progress=False)
    assert np.isnan(alone.density).all()


def test_missing_kinetic_temperatures_are_nan(write, shaken):
    (system,), _ = read_sampled(
        write(shaken("H2O", 3), without="kinetic_temperature"), 10, progress=False
    )
    assert np.isnan(system.kinetic_temperature).all()


def test_wrong_files_are_refused(write, shaken, tmp_path):
    def refuse(path, message):
        with pytest.raises(InputError, match=message):
            read_sampled(path, 10, progress=False)

    refuse(tmp_path / "none.db", "does not exist")
    (tmp_path / "text.db").write_text("no database")
    refuse(tmp_path / "text.db", "cannot be read as an ASE database")
    refuse(write(shaken("H2O", 2), "cold.db", without="temperature"), "row 0 .* no temperature")
    write(shaken("H2O", 2), "two.db")
    refuse(write(shaken("CH4", 2), "two.db"), "'test' names different atoms in rows 0 and 2")
    with connect(tmp_path / "empty.db", use_lock_file=False) as database:
        database.metadata = {"_distance_unit": "Ang"}
    refuse(tmp_path / "empty.db", "holds no frame")
