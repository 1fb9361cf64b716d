import pytest
import torch
from ase.build import molecule
from ase.io import write
from schnetpack.atomistic import Atomwise, Forces, PairwiseDistances
from schnetpack.model import NeuralNetworkPotential
from schnetpack.nn import CosineCutoff, GaussianRBF
from schnetpack.representation import PaiNN
from schnetpack.transform import AddOffsets, CastTo64

CONFIG = "data:\n  distance_unit: Ang\n  property_units:\n    energy: eV\n    forces: eV/Ang\n"


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
    torch.save(model, folder / "run" / "best_model")
    (folder / "run" / "config.yaml").write_text(CONFIG)
    write(folder / "ethanol.xyz", molecule("CH3CH2OH"))
    return folder
