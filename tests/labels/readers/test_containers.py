"""Arrays in .npz and HDF5, in the layouts of published data sets."""

import h5py
import numpy as np
import pytest
from ase.build import molecule
from ase.units import Bohr, Hartree, kcal, mol

from gpip_plugins.errors import InputError
from gpip_plugins.labels.keys_and_units import Labels
from gpip_plugins.labels.readers import reader_of

N = 4
RNG = np.random.default_rng(0)
WATER = molecule("H2O")
POSITIONS = WATER.positions + RNG.normal(0, 0.05, (N, 3, 3))
ENERGY = RNG.normal(-76.0, 0.1, N)
FORCES = RNG.normal(0.0, 0.1, (N, 3, 3))


def frames_of(path, keys=("energy", "forces")):
    reader = reader_of(str(path), keys=keys)
    return list(reader.frames(str(path))), reader


def check(frame, k, positions=1.0, energy=1.0, forces=1.0):
    """Compare a frame with the arrays times the given sizes of units."""
    assert frame.get_chemical_symbols() == ["O", "H", "H"]
    np.testing.assert_allclose(frame.positions, POSITIONS[k] * positions, rtol=1e-6)
    assert frame.get_potential_energy() == pytest.approx(ENERGY[k] * energy, rel=1e-6)
    np.testing.assert_allclose(frame.get_forces(), FORCES[k] * forces, rtol=1e-6)


@pytest.fixture
def saved(tmp_path):
    """Return a function: arrays to a .npz."""

    def save(**arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return tmp_path / "a.npz"

    return save


@pytest.fixture
def hdf5(tmp_path):
    """Return a function: groups of arrays, or of (array, unit), to an HDF5 file."""

    def save(groups):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            for name, arrays in groups.items():
                for key, value in arrays.items():
                    array, unit = value if isinstance(value, tuple) else (value, None)
                    made = file.create_dataset(f"{name}/{key}", data=array)
                    if unit:
                        made.attrs["units"] = unit
        return tmp_path / "a.h5"

    return save


def test_md17_and_rmd17(saved):
    old = {"old_energies": ENERGY - 1.0}
    path = saved(
        nuclear_charges=WATER.numbers, coords=POSITIONS, energies=ENERGY, forces=FORCES, **old
    )
    frames, reader = frames_of(path)
    assert len(frames) == N and not reader.states_units(str(path))
    check(frames[3], 3)
    assert frames[3].info["old_energies"] == ENERGY[3] - 1.0
    assert reader.notes == ["taken from the file: energy = energies, forces = forces"]
    frames, _ = frames_of(path, ("old_energies", "forces"))
    assert frames[0].info["old_energies"] == ENERGY[0] - 1.0
    md17 = saved(z=WATER.numbers, R=POSITIONS, E=ENERGY[:, None], F=FORCES, name="water")
    check(frames_of(md17)[0][1], 1)
    with pytest.raises(InputError, match="does not say in which units"):
        Labels().units(str(md17))


def test_units_that_a_file_states_are_used_and_not_given_again(saved):
    units = {"e_unit": "kcal/mol", "r_unit": "Ang"}
    path = saved(z=WATER.numbers, R=POSITIONS, E=ENERGY, F=FORCES, **units)
    frames, reader = frames_of(path)
    check(frames[2], 2, energy=kcal / mol, forces=kcal / mol)
    assert reader.states_units(str(path)) and Labels().units(str(path))["energy"] == "eV"
    with pytest.raises(InputError, match=r"energy_unit=kcal/mol is not used: a\.npz states its"):
        Labels(energy_unit="kcal/mol").units(str(path))


def test_padded_frames_of_several_molecules(saved):
    padded = np.concatenate([POSITIONS, np.zeros((N, 2, 3))], axis=1)
    numbers = np.tile([8, 1, 1, 0, 0], (N, 1))
    cell = np.diag([9.0, 9.0, 9.0])
    frames, _ = frames_of(saved(positions=padded, numbers=numbers, energy=ENERGY, cell=cell))
    np.testing.assert_allclose(frames[1].positions, POSITIONS[1])
    assert frames[1].get_volume() == pytest.approx(729) and frames[1].pbc.all()
    assert set(frames[1].calc.results) == {"energy"}


def test_ani1x_asks_for_the_level_of_theory(hdf5):
    missing = np.where(np.arange(N) == 1, np.nan, ENERGY)
    arrays = {"atomic_numbers": WATER.numbers.astype("u1"), "coordinates": POSITIONS}
    for level in ("wb97x_dz", "wb97x_tz"):
        arrays |= {f"{level}.energy": missing, f"{level}.forces": FORCES.astype("f4")}
    path = hdf5({"H2O": arrays})
    frames, _ = frames_of(path)
    assert frames[0].calc is None and "wb97x_tz.energy" in frames[0].info
    frames, reader = frames_of(path, ("wb97x_dz.energy", "wb97x_dz.forces"))
    assert frames[0].info["wb97x_dz.energy"] == ENERGY[0]
    assert np.isnan(frames[1].info["wb97x_dz.energy"])
    np.testing.assert_allclose(frames[2].arrays["wb97x_dz.forces"], FORCES[2], rtol=1e-6)
    assert not reader.states_units(str(path))


def test_spice_states_units_and_gradients(hdf5):
    arrays = {
        "atomic_numbers": WATER.numbers,
        "conformations": (POSITIONS, "bohr"),
        "dft_total_energy": (ENERGY, "hartree"),
        "formation_energy": (ENERGY + 76.0, "hartree"),
        "dft_total_gradient": (-FORCES, "hartree/bohr"),
        "smiles": [b"O"],
    }
    path = hdf5({"a": arrays, "b": arrays})
    frames, reader = frames_of(path)
    assert len(frames) == 2 * N and reader.states_units(str(path))
    check(frames[N + 1], 1, Bohr, Hartree, Hartree / Bohr)
    assert "forces = minus dft_total_gradient" in reader.notes[0]
    assert reader.notes[1] == "arrays that are not used: smiles"
    frames, _ = frames_of(path, ("formation_energy", "dft_total_gradient"))
    assert frames[0].info["formation_energy"] == pytest.approx((ENERGY[0] + 76.0) * Hartree)
    expected = FORCES[0] * Hartree / Bohr
    np.testing.assert_allclose(frames[0].arrays["dft_total_gradient"], expected, rtol=1e-6)


def test_qm7x_has_one_frame_in_a_group(hdf5):
    groups = {
        f"0001/Geom-m1-i1-c1-opt-{k}": {
            "atNUM": WATER.numbers,
            "atXYZ": POSITIONS[k],
            "ePBE0+MBD": ENERGY[k : k + 1],
            "totFOR": FORCES[k],
            "pbe0FOR": FORCES[k] / 2,
        }
        for k in range(2)
    }
    frames, _ = frames_of(hdf5(groups))
    check(frames[0], 0)
    check(frames[1], 1)


def test_symbols_and_numbers_for_every_frame(hdf5):
    ani1 = {"species": [b"O", b"H", b"H"], "coordinates": POSITIONS, "energies": ENERGY}
    ani2 = {"species": np.tile(WATER.numbers, (N, 1)), "coordinates": POSITIONS, "energies": ENERGY}
    frames, _ = frames_of(hdf5({"gdb/s01": ani1, "3": ani2}))
    assert [f.get_potential_energy() for f in frames] == pytest.approx([*ENERGY, *ENERGY])
    assert {frame.get_chemical_formula() for frame in frames} == {"H2O"}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"bar": POSITIONS, "z": [8, 1, 1]},
            r"no molecule .* it contains bar \(4, 3, 3\), z \(3,\)",
        ),
        ({"R": POSITIONS, "z": [8, 1]}, r"z has shape \(2,\), not \(3,\) as the positions"),
        ({"R": POSITIONS, "z": [8, 1, 1], "E": ENERGY[:2]}, r"E has shape \(2,\), which does not"),
        ({"R": POSITIONS, "coords": POSITIONS, "z": [8, 1, 1]}, "coords and R could both be"),
        ({"R": POSITIONS, "z": ["O", "Hx", "H"]}, "names 'Hx', which is not an element"),
        ({"R": POSITIONS, "z": np.array([8, 1, None])}, "holds Python objects, which may run"),
    ],
)
def test_what_is_not_recognised_is_told(saved, arrays, message):
    with pytest.raises(InputError, match=message):
        frames_of(saved(**arrays))


def test_truncated_files(saved, hdf5):
    for path in (
        saved(R=POSITIONS, z=WATER.numbers),
        hdf5({"a": {"R": POSITIONS, "z": [8, 1, 1]}}),
    ):
        path.write_bytes(path.read_bytes()[:700])
        with pytest.raises(InputError, match="download it again"):
            frames_of(path)
