"""MD17, QM9 and ISO17 through SchNetPack's downloads, from files in the published format.

The files are small ones of the published format; no network is needed.
"""

import io
import shutil
import tarfile
import urllib.request

import numpy as np
import pytest
import schnetpack.datasets
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect

from gpip_plugins.datasets import ISO17, MD17, QM9
from gpip_plugins.datasets.md17 import MOLECULES
from gpip_plugins.errors import InputError

pytestmark = [
    # SchNetPack unpacks archives without a filter.
    pytest.mark.filterwarnings("ignore:Python 3.14 will, by default, filter:DeprecationWarning"),
]
KCAL = 0.0433641153
SIZES = {"batch_size": 1, "num_train": 1, "num_val": 1, "split_file": None, "num_workers": 0}


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Return a dictionary: end of an address -> file that is sent instead of a download."""
    files = {}

    def retrieve(url, target):
        for ending, path in files.items():
            if url.endswith(ending):
                return shutil.copyfile(path, target)
        raise urllib.error.URLError(f"no {url}")

    monkeypatch.setattr(urllib.request, "urlretrieve", retrieve)
    monkeypatch.chdir(tmp_path)
    return files


def test_md17_of_the_published_file(tmp_path, served):
    rng, atoms = np.random.default_rng(0), molecule("CH3CH2OH")
    content = {
        "E": rng.normal(-97000, 5, (4, 1)),
        "F": rng.normal(0, 30, (4, 9, 3)),
        "R": atoms.positions + rng.normal(0, 0.05, (4, 9, 3)),
        "z": atoms.numbers.astype(np.uint8),
        "name": np.array("ethanol"),
        "theory": np.array("unknown"),
        "md5": np.array("d9b3a2c2f6a0"),
        "type": np.array("d"),
    }
    np.savez_compressed(tmp_path / "published.npz", **content)
    served["md17_ethanol.npz"] = tmp_path / "published.npz"
    units = {"energy": "eV", "forces": "eV/Ang"}
    data = MD17(
        "data/ethanol.db",
        "ethanol",
        load_properties=["energy", "forces"],
        property_units=units,
        **SIZES,
    )
    data.prepare_data()
    data.setup()
    assert len(data.dataset) == 4
    np.testing.assert_allclose(
        data.dataset.tensors["energy"].numpy(), content["E"].ravel() * KCAL, rtol=1e-6
    )
    np.testing.assert_allclose(
        data.dataset.tensors["forces"].numpy().reshape(4, 9, 3), content["F"] * KCAL, rtol=1e-5
    )
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["ethanol.db"]


def test_molecules_are_those_of_schnetpack():
    source = schnetpack.datasets.MD17("unused.db", "ethanol", batch_size=1)
    assert sorted(source.datasets_dict) == sorted(MOLECULES)
    with pytest.raises(InputError, match=r"molecule='water' is unknown; choose from aspirin"):
        MD17("a.db", "water", batch_size=1)


def test_no_network_leaves_nothing(tmp_path, served):
    for data in (MD17("data/a.db", "ethanol", **SIZES), QM9("data/b.db", **SIZES)):
        with pytest.raises(InputError, match=r"cannot be prepared \(URLError.*; name another"):
            data.prepare_data()
    assert not list((tmp_path / "data").iterdir())


# Methane as published, then one with an exponent written as Mathematica does.
GDB = """5
gdb {number}\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t{lumo}\t0.5048\t35.3641\t\
0.044749\t-40.47893\t-40.476062\t-40.475117\t-40.498597\t6.469\t
C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689
H\t 0.002150416\t-0.0060313176\t 0.0019761204\t 0.133921
H\t 1.0117308433\t 1.4637511618\t{tiny}\t 0.133922
H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923
H\t-0.5238136345\t 1.4379326443\t 0.9063972942\t 0.133923
1341.307\t1341.3284\t1341.365\t1562.6731\t1562.7453\t3038.3205\t3151.6034\t3151.6788\t3151.7078
C\tC\t
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
"""
RULE = "=" * 90
ATOMREF = f"""Atomic reference values, as published with QM9

{RULE}
  Ele-    ZPVE         U (0 K)      U (298.15 K)    H (298.15 K)    G (298.15 K)     CV
{RULE}
   H     0.000000     -0.500273      -0.498857      -0.497912      -0.510927      2.981
   C     0.000000    -37.846772     -37.845355     -37.844411     -37.861317      2.981
   N     0.000000    -54.583861     -54.582445     -54.581501     -54.598897      2.981
   O     0.000000    -75.064579     -75.063163     -75.062219     -75.079532      2.981
   F     0.000000    -99.718730     -99.717314     -99.716370     -99.733544      2.981
{RULE}
"""
UNCHARACTERIZED = "\n".join([*["header"] * 9, "      2   C   C", "3054 compounds", ""])


def test_qm9_of_the_published_files(tmp_path, served):
    with tarfile.open(tmp_path / "dsgdb9nsd.xyz.tar.bz2", "w:bz2") as archive:
        for number, tiny in ((1, " 0.0002765748"), (2, " 0.5"), (3, " 2.765748*^-4")):
            text = GDB.format(number=number, lumo=0.1171 * number, tiny=tiny).encode()
            info = tarfile.TarInfo(f"dsgdb9nsd_{number:06d}.xyz")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    (tmp_path / "atomref.txt").write_text(ATOMREF)
    (tmp_path / "uncharacterized.txt").write_text(UNCHARACTERIZED)
    served["3195389"] = tmp_path / "dsgdb9nsd.xyz.tar.bz2"
    served["3195395"] = tmp_path / "atomref.txt"
    served["3195404"] = tmp_path / "uncharacterized.txt"
    names = ["homo", "lumo", "energy_U0"]
    data = QM9(
        "data/qm9.db",
        load_properties=names,
        property_units=dict.fromkeys(names, "eV"),
        **SIZES,
    )
    data.prepare_data()
    data.setup()
    tensors = data.dataset.tensors
    assert len(data.dataset) == 2  # the second is uncharacterized
    np.testing.assert_allclose(tensors["homo"].numpy(), -0.3877 * 27.211386, rtol=1e-6)
    lumo = np.array([0.1171, 0.3513]) * 27.211386
    np.testing.assert_allclose(tensors["lumo"].numpy(), lumo, rtol=1e-6)
    np.testing.assert_allclose(tensors["energy_U0"].numpy(), -40.47893 * 27.211386, rtol=1e-6)
    positions = tensors["_positions"].numpy().reshape(2, 5, 3)
    np.testing.assert_allclose(positions[0], positions[1], atol=1e-9)
    assert positions[0, 2, 2] == pytest.approx(2.765748e-4)
    assert data.dataset.atomrefs["energy_U0"][6] == pytest.approx(-37.846772 * 27.211386)


def test_iso17_of_the_published_archive(tmp_path, served):
    """Databases of ASE without metadata: energies in the rows, forces as lists in the data."""
    rng, folder = np.random.default_rng(0), tmp_path / "published" / "iso17"
    folder.mkdir(parents=True)
    energies = {}
    for fold in schnetpack.datasets.ISO17.existing_folds:
        with connect(folder / f"{fold}.db") as store:
            energies[fold] = rng.normal(-11000, 1, 4)
            for energy in energies[fold]:
                atoms = molecule("CH3CH2OH")
                atoms.calc = SinglePointCalculator(atoms, energy=energy)
                store.write(atoms, total_energy=energy, data={"atomic_forces": [[1.0, 2, 3]] * 9})
    with tarfile.open(tmp_path / "iso17.tar.gz", "w:gz") as archive:
        archive.add(folder, "iso17")
    served["iso17.tar.gz"] = tmp_path / "iso17.tar.gz"
    names = ["total_energy", "atomic_forces"]
    units = {"total_energy": "eV", "atomic_forces": "eV/Ang"}
    data = ISO17(
        "data", test_fold="test_other", load_properties=names, property_units=units, **SIZES
    )
    data.prepare_data()
    data.setup()
    np.testing.assert_allclose(data.dataset.tensors["total_energy"], energies["reference"])
    np.testing.assert_allclose(data.dataset.tensors["atomic_forces"].numpy()[5], [1.0, 2.0, 3.0])
    stored = [row["total_energy"].item() for row in data.test_dataset]
    np.testing.assert_allclose(stored, energies["test_other"])
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["iso17"]
    with pytest.raises(InputError, match=r"test_fold='reference' is unknown; choose from test_"):
        ISO17("data", test_fold="reference", **SIZES)


def test_iso17_without_a_network(tmp_path, served, monkeypatch):
    monkeypatch.setattr("logging.error", lambda *words: None)  # SchNetPack's call has a fault
    with pytest.raises(InputError, match=r"reference\.db could not be downloaded"):
        ISO17("data", **SIZES).prepare_data()
    assert not list((tmp_path / "data").iterdir())
