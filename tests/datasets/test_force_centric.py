"""Large data sets in the formats in which they are published, written here on a small scale."""

import hashlib
import http.server
import io
import tarfile
import threading

import h5py
import numpy as np
import pytest
from ase.build import molecule
from ase.units import Hartree
from schnetpack import properties as spk

from gpip_plugins.datasets import ANI1x, PCQM4Mv2, Poly24
from gpip_plugins.datasets.download import download
from gpip_plugins.errors import InputError


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def sdf_entry(atoms, title):
    lines = [
        title,
        "  RDKit          3D",
        "",
        f"{len(atoms):3d}  1  0  0  0  0  0  0  0  0999 V2000",
    ]
    for symbol, (x, y, z) in zip(atoms.get_chemical_symbols(), atoms.positions, strict=True):
        lines.append(f"{x:10.4f}{y:10.4f}{z:10.4f} {symbol:<3} 0  0  0  0  0  0  0  0  0  0  0  0")
    return "\n".join([*lines, "  1  2  1  0", "M  END", "$$$$", ""])


MOLECULES = ("CH3CH2OH", "CH3Cl", "SiH4")


@pytest.fixture
def archive(tmp_path):
    """An archive as that of OGB, with three molecules."""
    text = "".join(sdf_entry(molecule(name), name) for name in MOLECULES).encode()
    path = tmp_path / "pcqm4m-v2-train.sdf.tar.gz"
    with tarfile.open(path, "w:gz") as out:
        info = tarfile.TarInfo("pcqm4m-v2-train.sdf")
        info.size = len(text)
        out.addfile(info, io.BytesIO(text))
    return path


@pytest.fixture
def ani(tmp_path):
    """A file as that of ANI-1x, with two compositions; one configuration has no forces."""
    path, rng = tmp_path / "ani1x-release.h5", np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for name, n in (("CH4", 3), ("H2O", 2)):
            atoms = molecule(name)
            group = file.create_group(name)
            group["atomic_numbers"] = atoms.numbers.astype(np.uint8)
            moved = atoms.positions + rng.normal(scale=0.1, size=(n, len(atoms), 3))
            group["coordinates"] = moved.astype(np.float32)
            group["wb97x_dz.energy"] = rng.normal(size=n)
            forces = rng.normal(size=(n, len(atoms), 3)).astype(np.float32)
            if name == "CH4":
                forces[1] = np.nan
            group["wb97x_dz.forces"] = forces
    return path


def ready(kind, tmp_path, source, monkeypatch, **settings):
    monkeypatch.setattr(kind, "MD5", md5(source))
    monkeypatch.chdir(tmp_path)
    sizes = {"num_train": 1, "num_val": 1, "split_file": None}
    data = kind(str(tmp_path / "a.db"), 1, source=str(source), progress=False, **sizes, **settings)
    data.prepare_data()
    data.setup("fit")
    return data.dataset


def test_structures_of_pcqm4mv2(tmp_path, archive, monkeypatch):
    tensors = ready(PCQM4Mv2, tmp_path, archive, monkeypatch).tensors
    frames = [molecule(name) for name in MOLECULES]
    assert tensors[spk.n_atoms].tolist() == [9, 5, 5]
    assert tensors[spk.Z].tolist() == np.concatenate([a.numbers for a in frames]).tolist()
    expected = np.concatenate([a.positions for a in frames])
    np.testing.assert_allclose(tensors[spk.R].numpy(), expected, atol=5e-5 + 1e-9)


def test_the_first_ones_alone(tmp_path, archive, monkeypatch):
    assert len(ready(PCQM4Mv2, tmp_path, archive, monkeypatch, n_max=2)) == 2
    other = PCQM4Mv2(str(tmp_path / "a.db"), 1, source=str(archive), n_max=3)
    with pytest.raises(InputError, match=r"n_max=2, but data.n_max=3"):
        other.prepare_data()


def test_labels_of_ani1x(tmp_path, ani, monkeypatch):
    tensors = ready(ANI1x, tmp_path, ani, monkeypatch, load_properties=["energy", "forces"]).tensors
    with h5py.File(ani) as file:
        energies = [*file["CH4/wb97x_dz.energy"][[0, 2]], *file["H2O/wb97x_dz.energy"][()]]
        forces = file["CH4/wb97x_dz.forces"][[0, 2]].reshape(-1, 3)
    np.testing.assert_allclose(tensors["energy"].numpy(), np.array(energies) * Hartree, rtol=1e-6)
    np.testing.assert_allclose(tensors["forces"][:10].numpy(), forces * Hartree, rtol=1e-5)


def test_poly24_is_read_from_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.xyz").write_text(
        "2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-1.0\n"
        "H 0 0 0 0 0 -0.5\nH 0 0 0.8 0 0 0.5\n"
    )
    data = Poly24("p.db", "p.xyz", 1, progress=False, num_train=1, num_val=0)
    data.prepare_data()
    assert (tmp_path / "p.db").is_file()


@pytest.mark.parametrize("kind", [PCQM4Mv2, ANI1x])
def test_another_file_is_refused_and_leaves_nothing(tmp_path, monkeypatch, kind):
    (tmp_path / "wrong").write_bytes(b"nothing of the kind")
    settings = {"num_train": 1, "num_val": 1, "source": str(tmp_path / "wrong"), "progress": False}
    with pytest.raises(InputError, match="has the MD5"):
        kind(str(tmp_path / "a.db"), 1, **settings).prepare_data()
    with pytest.raises(InputError, match="download it again"):
        kind(str(tmp_path / "a.db"), 1, check=False, **settings).prepare_data()
    assert not list(tmp_path.glob("*.db"))


def test_a_cut_entry_is_named(tmp_path, archive, monkeypatch):
    text = sdf_entry(molecule("CH4"), "a") + sdf_entry(molecule("CH4"), "b").replace(
        "  5  1", " 50  1"
    )
    with tarfile.open(archive, "w:gz") as out:
        info = tarfile.TarInfo("x.sdf")
        info.size = len(text)
        out.addfile(info, io.BytesIO(text.encode()))
    with pytest.raises(InputError, match="no V2000 structure at entry 1"):
        ready(PCQM4Mv2, tmp_path, archive, monkeypatch)


CONTENT = bytes(range(256)) * 40


class Server(http.server.BaseHTTPRequestHandler):
    """Sends CONTENT; what lies behind a range is sent alone if `ranges`; stops after `limit`."""

    ranges, limit = True, None
    asked: list[str | None] = []

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.ranges else 0
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.limit])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    handler = type("Handler", (Server,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield handler, f"http://127.0.0.1:{running.server_port}/file"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_goes_on(server, tmp_path, ranges):
    handler, url = server
    handler.ranges, handler.limit = ranges, 3000
    target, right = tmp_path / "file", hashlib.md5(CONTENT).hexdigest()
    with pytest.raises(InputError, match=r"3000 of 10240 bytes.*start again"):
        download(url, str(target), right, progress=False)
    assert not target.exists()
    handler.limit = None
    download(url, str(target), right, progress=False)
    assert target.read_bytes() == CONTENT
    assert handler.asked == [None, "bytes=3000-"]
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_download_with_another_checksum_is_removed(server, tmp_path):
    with pytest.raises(InputError, match="another MD5 than 00"):
        download(server[1], str(tmp_path / "file"), "0" * 32, progress=False)
    assert not list(tmp_path.iterdir())
