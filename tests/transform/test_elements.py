"""A potential remembers the elements of its training data."""

from types import SimpleNamespace

import pytest
import torch
from schnetpack.atomistic import Atomwise, PairwiseDistances
from schnetpack.model import NeuralNetworkPotential
from schnetpack.nn import CosineCutoff, GaussianRBF
from schnetpack.representation import PaiNN

from gpip_plugins.checkpoint import load_model
from gpip_plugins.errors import InputError
from gpip_plugins.potential import check_elements
from gpip_plugins.transform import KnownElements


def potential(*elements):
    model = NeuralNetworkPotential(
        PaiNN(8, 1, GaussianRBF(4, 4.0), CosineCutoff(4.0)),
        [PairwiseDistances()],
        [Atomwise(8, output_key="energy")],
        postprocessors=[KnownElements()],
    )
    model.initialize_transforms(SimpleNamespace(train_elements=list(elements)))
    return model


def test_the_file_of_a_model_tells_its_elements(tmp_path):
    torch.save(potential(1, 8), tmp_path / "best_model")
    model = load_model(str(tmp_path / "best_model"), "cpu")
    check_elements(model, torch.tensor([8, 1, 1]))
    with pytest.raises(
        InputError, match=r"holds C \(Z = 6\), Cl \(Z = 17\), but the model knows only H, O; train"
    ):
        check_elements(model, torch.tensor([1, 6, 17]))


def test_a_checkpoint_restores_them_into_a_fresh_model():
    model = potential()
    model.load_state_dict(potential(1, 6, 79).state_dict())
    assert model.postprocessors[0].known_elements.nonzero()[:, 0].tolist() == [1, 6, 79]


def test_data_that_do_not_tell_their_elements_leave_the_embedding_to_decide():
    model = potential()
    check_elements(model, torch.tensor([1, 99]))
    with pytest.raises(InputError, match=r"Fm \(Z = 100\), but the model has no row"):
        check_elements(model, torch.tensor([100]))
    # Nor do they forget what is known already.
    model = potential(1, 8)
    model.initialize_transforms(SimpleNamespace())
    with pytest.raises(InputError, match="knows only H, O"):
        check_elements(model, torch.tensor([6]))


def test_nothing_else_changes_and_torchscript_takes_it():
    transform = torch.jit.script(KnownElements())
    inputs = {"energy": torch.tensor([1.0])}
    assert transform(inputs) == inputs


def test_an_impossible_element():
    with pytest.raises(InputError, match="atomic number of 119, above z_max=118"):
        potential(1, 119)
