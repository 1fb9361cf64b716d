import contextlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.io import write
from pytorch_lightning import Trainer
from schnetpack.atomistic import Atomwise, Forces, PairwiseDistances
from schnetpack.model import NeuralNetworkPotential
from schnetpack.nn import CosineCutoff, GaussianRBF
from schnetpack.representation import PaiNN
from schnetpack.transform import AddOffsets, CastTo64
from scipy.spatial.transform import Rotation

from gpip_plugins.potential import Card
from gpip_plugins.train import ExponentialMovingAverage


def pytest_collection_modifyitems(items):
    """Skip the tests marked `gpu` where torch finds none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a GPU that torch finds"))


@pytest.fixture(scope="session")
def start_program():
    """Return a function that starts one of our programs as from a terminal."""

    def start(folder, program, *words, gpu=False) -> subprocess.Popen:
        left_out = ("PL_", "HYDRA_", "TORCH_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
        environment |= {"PWD": str(folder), "OMP_NUM_THREADS": "1"}
        if not gpu:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        return subprocess.Popen(
            [Path(sys.executable).parent / program, *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # In the background of a script the interrupt is ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return start


@pytest.fixture(scope="session")
def run_program(start_program):
    """Return a function that runs one of our programs to its end.

    It returns what was printed, output and errors, after checking the exit code; a mistake of the
    user has no trace-back.
    """

    def run(folder, program, *words, code=0, gpu=False) -> tuple[str, str]:
        with start_program(folder, program, *words, gpu=gpu) as process:
            try:
                out, err = process.communicate(timeout=600)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        # In a parallel run the rank that failed first speaks first.
        assert process.returncode == code, f"{err[:6000]}\n...\n{err[-3000:]}"
        assert code != 1 or "Traceback" not in err
        return out, err

    return run


@pytest.fixture
def full_disk():
    """Return a context in which no file can grow beyond some bytes, as on a disk that is full."""

    @contextlib.contextmanager
    def limit(n_bytes):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """What a finished training leaves (a small PaiNN with random weights), and a molecule."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("simulate")
    (folder / "run").mkdir()
    model = NeuralNetworkPotential(
        PaiNN(16, 2, GaussianRBF(8, 4.0), CosineCutoff(4.0)),
        [PairwiseDistances()],
        [Atomwise(16, output_key="energy"), Forces()],
        postprocessors=[
            CastTo64(),
            AddOffsets("energy", add_mean=True, property_mean=torch.tensor(-10.0)),
        ],
    )
    Card(units={"energy": "eV", "forces": "eV/Ang"}, distance_unit="Ang").attach(model)
    torch.save(model, folder / "run" / "best_model")
    write(folder / "ethanol.xyz", molecule("CH3CH2OH"))
    return folder


@pytest.fixture
def with_card():
    """Return a function: a copy of the best_model of a run in a folder, with a card or without."""

    def make(run, folder, card) -> str:
        model = torch.load(run / "best_model", weights_only=False)
        del model.gpip_card
        if card is not None:
            card.attach(model)
        folder.mkdir(exist_ok=True)
        torch.save(model, folder / "best_model")
        return str(folder / "best_model")

    return make


@pytest.fixture
def quiet_trainer(tmp_path, monkeypatch):
    """Return a function that builds a trainer on the CPU with the moving average."""
    monkeypatch.chdir(tmp_path)

    def build(*callbacks, max_epochs=1, **options):
        return Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=max_epochs,
            logger=False,
            inference_mode=False,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=str(tmp_path),
            callbacks=[ExponentialMovingAverage(0.9), *callbacks],
            **options,
        )

    return build


@pytest.fixture
def shaken():
    """Return a function: frames of a molecule, every atom displaced at random."""

    def make(name: str, n_frames: int, seed: int = 0, width: float = 0.05) -> list[Atoms]:
        rng = np.random.default_rng(seed)
        frames = [molecule(name) for _ in range(n_frames)]
        for atoms in frames:
            atoms.positions += rng.normal(scale=width, size=atoms.positions.shape)
        return frames

    return make


@pytest.fixture
def moved():
    """Return a function: a copy turned and shifted, equal atoms exchanged, every atom displaced."""

    def make(atoms: Atoms, rng, noise: float = 0.0, reflect: bool = False) -> Atoms:
        R = atoms.positions @ Rotation.random(random_state=rng.integers(2**31)).as_matrix().T
        R = (-R if reflect else R) + rng.normal(size=3)
        step = rng.normal(size=R.shape)
        R += noise * step / np.linalg.norm(step, axis=1, keepdims=True)
        order = rng.permutation(len(atoms))
        return Atoms(atoms.numbers[order], R[order])

    return make


@pytest.fixture(scope="session")
def real_data():
    """Return a function: the path of a file of ab initio data; skips where it is not there."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("GPIP_SHARED_DATA", beside))

    def find(name: str) -> Path:
        if not (folder / name).exists():
            pytest.skip(f"{folder / name} is not here")
        return folder / name

    return find
