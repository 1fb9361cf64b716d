"""TorchMD-Net's models, the reference for ours."""

import pytest
import torch

from gpip_plugins.representation import (
    CosineCutoff,
    EquivariantTransformer,
    ExpNormalRBF,
    TorchMDGaussianRBF,
)

CUTOFF = 4.0

#: Every setting of TorchMD-Net's ET, by its own names.
SETTINGS = {
    "hidden_channels": 16,
    "num_layers": 3,
    "num_rbf": 8,
    "rbf_type": "expnorm",
    "trainable_rbf": True,
    "activation": "silu",
    "attn_activation": "silu",
    "neighbor_embedding": True,
    "num_heads": 4,
    "distance_influence": "both",
    "cutoff_lower": 0.0,
    "cutoff_upper": CUTOFF,
    "max_z": 30,
    "max_num_neighbors": 200,
    "vector_cutoff": False,
}


def original(dtype=torch.float64, **changed):
    """Return TorchMD-Net's representation with random weights, biases included."""
    from torchmdnet.models.torchmd_et import TorchMD_ET

    torch.manual_seed(1)
    model = TorchMD_ET(**(SETTINGS | changed), dtype=dtype).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def ours(dtype=torch.float64, **changed):
    """Return our representation for TorchMD-Net's settings."""
    s = SETTINGS | changed
    basis = {"expnorm": ExpNormalRBF, "gauss": TorchMDGaussianRBF}[s["rbf_type"]]
    model = EquivariantTransformer(
        s["hidden_channels"],
        s["num_layers"],
        basis(s["num_rbf"], s["cutoff_upper"], s["cutoff_lower"], s["trainable_rbf"]),
        CosineCutoff(s["cutoff_upper"], s["cutoff_lower"]),
        n_heads=s["num_heads"],
        activation=s["activation"],
        attention_activation=s["attn_activation"],
        neighbor_embedding=s["neighbor_embedding"],
        distance_influence=s["distance_influence"],
        vector_cutoff=s["vector_cutoff"],
        max_z=s["max_z"],
    )
    return model.to(dtype)


def with_weights_of(model, reference):
    """Give our model the weights of TorchMD-Net's, and return it."""
    weights = {
        key.replace("distance_expansion.", "radial_basis."): value
        for key, value in reference.state_dict().items()
        if key != "distance.box"
    }
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert missing == ["cutoff_fn.cutoff"] and not unexpected
    return model


@pytest.fixture
def pair():
    """Return a function that gives TorchMD-Net's model and ours, with the same weights."""

    def build(dtype=torch.float64, **changed):
        reference = original(dtype, **changed)
        return reference, with_weights_of(ours(dtype, **changed), reference)

    return build
