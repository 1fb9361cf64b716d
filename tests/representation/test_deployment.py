"""A stored potential with the Equivariant Transformer in SchNetPack's programs."""

import pytest
import torch
from ase.build import molecule
from ase.io import write
from schnetpack.atomistic import Atomwise, Forces, PairwiseDistances
from schnetpack.md.data import HDF5Loader
from schnetpack.model import NeuralNetworkPotential

from gpip_plugins.checkpoint import load_model
from gpip_plugins.potential import Card
from gpip_plugins.representation import CosineCutoff, EquivariantTransformer, ExpNormalRBF
from gpip_plugins.testing import make_batch

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a run and ethanol."""
    torch.manual_seed(0)
    representation = EquivariantTransformer(
        16, 2, ExpNormalRBF(8, 4.0), CosineCutoff(4.0), n_heads=4
    )
    outputs = [Atomwise(16, output_key="energy"), Forces()]
    model = NeuralNetworkPotential(representation, [PairwiseDistances()], outputs)
    (tmp_path / "run").mkdir()
    Card(units={"energy": "eV"}, distance_unit="Ang", elements={"C": 1, "H": 1, "O": 1}).attach(
        model
    )
    torch.save(model, tmp_path / "run" / "best_model")
    write(tmp_path / "ethanol.xyz", molecule("CH3CH2OH"))
    return tmp_path


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_the_deployed_model_gives_the_same(folder, run_program):
    run_program(folder, "spkdeploy", "run/best_model", "deployed")
    extra = {"cutoff": ""}
    deployed = torch.jit.load(folder / "deployed", _extra_files=extra)
    assert float(extra["cutoff"]) == 4.0
    stored = load_model(folder / "run")
    batch = make_batch([molecule("CH3CH2OH"), molecule("H2O")], 4.0, torch.float32)
    expected, actual = stored(dict(batch)), deployed(dict(batch))
    for key in ("energy", "forces"):
        torch.testing.assert_close(actual[key], expected[key], rtol=1e-5, atol=1e-6)


def test_replicas_of_a_simulation(folder, run_program):
    run_program(
        folder,
        "spkmd",
        "simulation=molecule_nve",
        "calculator.model_file=run/best_model",
        "system.molecule_file=ethanol.xyz",
        "system.n_replicas=2",
        "dynamics.n_steps=11",
        "callbacks.hdf5.every_n_steps=1",
        "simulation_dir=nve",
    )
    loader = HDF5Loader(str(folder / "nve" / "simulation.hdf5"))
    loader.database.close()
    one, two = (loader.get_property("energy", atomistic=False, replica_idx=k) for k in (0, 1))
    assert one.shape == two.shape and not torch.allclose(torch.tensor(one), torch.tensor(two))
