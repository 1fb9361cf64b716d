"""Published files, tested with small files of the same format."""

import hashlib
import io
import tarfile

import h5py
import numpy as np
import pytest
from ase.build import molecule
from ase.units import Hartree
from rdkit import Chem
from rdkit.Chem import AllChem
from schnetpack import properties as spk
from schnetpack.data import ASEAtomsData

from gpip_plugins.datasets import ANI1x, PCQM4Mv2
from gpip_plugins.errors import InputError

SMILES = ("CCO", "C[NH2+]CC(=O)[O-]", "ClC[Si](C)(C)Br")


@pytest.fixture(scope="module")
def molecules():
    """Return molecules with hydrogens and positions, one of them with charged atoms."""
    made = [Chem.AddHs(Chem.MolFromSmiles(smiles)) for smiles in SMILES]
    for mol in made:
        AllChem.EmbedMolecule(mol, randomSeed=1)
    return made


def pack(path, text):
    """Write an archive like that of OGB: one SDF file in a compressed tar file."""
    with tarfile.open(path, "w:gz") as out:
        info = tarfile.TarInfo("pcqm4m-v2-train.sdf")
        info.size = len(text)
        out.addfile(info, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def archive(tmp_path, molecules):
    """Return an archive with three molecules, written by RDKit like the published one."""
    text = io.StringIO()
    with Chem.SDWriter(text) as writer:
        for mol in molecules:
            writer.write(mol)
    assert "V2000" in text.getvalue() and "M  CHG" in text.getvalue()
    return pack(tmp_path / "pcqm4m-v2-train.sdf.tar.gz", text.getvalue())


@pytest.fixture
def ani(tmp_path):
    """Return a file like that of ANI-1x; labels that were not computed are NaN."""
    path, rng = tmp_path / "ani1x-release.h5", np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for name, n in (("C1H4", 3), ("H2O1", 2), ("C2H2", 1)):
            atoms = molecule({"C1H4": "CH4", "H2O1": "H2O", "C2H2": "C2H2"}[name])
            group = file.create_group(name)
            group["atomic_numbers"] = atoms.numbers.astype(np.uint8)
            moved = atoms.positions + rng.normal(scale=0.1, size=(n, len(atoms), 3))
            group["coordinates"] = moved.astype(np.float32)
            group["wb97x_dz.energy"] = rng.normal(-40, 1, size=n)
            group["wb97x_dz.dipole"] = rng.normal(size=(n, 3)).astype(np.float32)
            group["ccsd(t)_cbs.energy"] = np.full(n, np.nan)
            forces = rng.normal(scale=0.01, size=(n, len(atoms), 3)).astype(np.float32)
            if name == "C1H4":
                forces[1] = np.nan
            if name == "C2H2":
                group["wb97x_dz.energy"][...] = np.nan
            group["wb97x_dz.forces"] = forces
    return path


def ready(kind, tmp_path, source, monkeypatch, **settings):
    """Prepare and read a data set as a training does."""
    monkeypatch.setattr(kind, "MD5", hashlib.md5(source.read_bytes()).hexdigest())
    monkeypatch.chdir(tmp_path)
    sizes = {"num_train": 1, "num_val": 1, "split_file": None}
    data = kind(str(tmp_path / "a.db"), 1, source=str(source), progress=False, **sizes, **settings)
    data.prepare_data()
    data.setup("fit")
    return data.dataset


def test_structures_of_pcqm4mv2(tmp_path, archive, molecules, monkeypatch):
    data = ready(PCQM4Mv2, tmp_path, archive, monkeypatch)
    tensors = data.tensors
    assert tensors[spk.n_atoms].tolist() == [mol.GetNumAtoms() for mol in molecules]
    numbers = [atom.GetAtomicNum() for mol in molecules for atom in mol.GetAtoms()]
    assert tensors[spk.Z].tolist() == numbers
    expected = np.concatenate([mol.GetConformer().GetPositions() for mol in molecules])
    np.testing.assert_allclose(tensors[spk.R].numpy(), expected, atol=5e-5 + 1e-9)
    assert ASEAtomsData(data.datapath).units == {}


def test_the_first_ones_alone(tmp_path, archive, monkeypatch):
    assert len(ready(PCQM4Mv2, tmp_path, archive, monkeypatch, n_max=2)) == 2
    other = PCQM4Mv2(str(tmp_path / "a.db"), 1, source=str(archive), n_max=3)
    with pytest.raises(InputError, match=r"made from n_max=2, but n_max=3"):
        other.prepare_data()
    with pytest.raises(InputError, match=r"n_max=0 is not a whole number of at least 1"):
        PCQM4Mv2(str(tmp_path / "b.db"), 1, n_max=0)


def test_labels_of_ani1x(tmp_path, ani, monkeypatch):
    data = ready(ANI1x, tmp_path, ani, monkeypatch, load_properties=["energy", "forces"])
    with h5py.File(ani) as file:
        energies = [*file["C1H4/wb97x_dz.energy"][[0, 2]], *file["H2O1/wb97x_dz.energy"][()]]
        forces = file["C1H4/wb97x_dz.forces"][[0, 2]].reshape(-1, 3)
    tensors = data.tensors
    np.testing.assert_allclose(tensors["energy"].numpy(), np.array(energies) * Hartree, rtol=1e-6)
    np.testing.assert_allclose(tensors["forces"][:10].numpy(), forces * Hartree, rtol=1e-5)
    origin = [(row.system, row.source_row) for row in ASEAtomsData(data.datapath).conn.select()]
    assert origin == [("C1H4", 0), ("C1H4", 2), ("H2O1", 0), ("H2O1", 1)]


@pytest.mark.parametrize("kind", [PCQM4Mv2, ANI1x])
def test_another_file_is_refused_and_leaves_nothing(tmp_path, monkeypatch, kind):
    (tmp_path / "wrong").write_bytes(b"nothing of the kind")
    settings = {"num_train": 1, "num_val": 1, "source": str(tmp_path / "wrong"), "progress": False}
    with pytest.raises(InputError, match="has the MD5"):
        kind(str(tmp_path / "a.db"), 1, **settings).prepare_data()
    with pytest.raises(InputError, match="download it again"):
        kind(str(tmp_path / "a.db"), 1, check=False, **settings).prepare_data()
    assert not list(tmp_path.glob("*.db"))


def test_a_cut_entry_is_named(tmp_path, molecules, monkeypatch):
    block = Chem.MolToMolBlock(molecules[0]) + "$$$$\n"
    text = block + block.replace("  9  8  0", " 50  8  0")
    assert text != 2 * block
    archive = pack(tmp_path / "cut.tar.gz", text)
    with pytest.raises(InputError, match="no V2000 structure at entry 1"):
        ready(PCQM4Mv2, tmp_path, archive, monkeypatch)
