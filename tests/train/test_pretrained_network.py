"""Fine-tuning has the network of the pre-trained file, and refuses another."""

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from gpip_plugins.checkpoint import Checkpoint, load, settings_of
from gpip_plugins.errors import InputError
from gpip_plugins.potential.card import Card
from gpip_plugins.potential.network import check_distance_unit, network_of
from gpip_plugins.representation import CosineCutoff, EquivariantTransformer, ExpNormalRBF
from gpip_plugins.train.pretrained_network import adopt_network

RECIPE = """
globals: {cutoff: 5.0}
pretrained: {path: RUN/best_model, allow_differences: []}
model:
  representation:
    _target_: schnetpack.representation.PaiNN
    n_atom_basis: 64
    n_interactions: 3
    shared_interactions: false
    radial_basis: {_target_: schnetpack.nn.GaussianRBF, n_rbf: 20, cutoff: "${globals.cutoff}"}
    cutoff_fn: {_target_: schnetpack.nn.CosineCutoff, cutoff: "${globals.cutoff}"}
"""
HEAD = "model.representation"


@pytest.fixture
def network(make_model, tmp_path):
    """Return a function: the network that is read from the file of a small model."""

    def read(name="PaiNN", kind="model", **settings):
        model = make_model(name, **settings)
        torch.save(model if kind == "model" else model.state_dict(), tmp_path / "file")
        return network_of(load(tmp_path / "file"))

    return read


def composed(*overrides, allow=()):
    config = OmegaConf.create(RECIPE)
    config.pretrained.allow_differences = list(allow)
    pairs = [word for word in overrides if "/" not in word]
    return OmegaConf.merge(config, OmegaConf.from_dotlist(pairs))


@pytest.mark.parametrize("name", ["PaiNN", "SchNet", "SO3net", "FieldSchNet"])
def test_the_network_is_that_of_the_file(network, make_model, name):
    config = composed()
    changed = adopt_network(config, network(name), [])
    assert "globals.cutoff=4.0" in changed
    built = instantiate(config.model.representation)
    assert settings_of(built) == settings_of(make_model(name).representation)
    assert config.globals.cutoff == 4.0
    # The cut-off is set in one place.
    config.globals.cutoff = 3.0
    assert config.model.representation.cutoff_fn.cutoff == 3.0
    assert config.model.representation.radial_basis.cutoff == 3.0


@pytest.mark.parametrize(
    "settings", [{}, {"neighbor_embedding": False, "vector_cutoff": False, "n_heads": 2}]
)
def test_the_equivariant_transformer_is_read_too(settings):
    basis, cutoff = ExpNormalRBF(6, 4.0), CosineCutoff(4.0)
    model = torch.nn.Module()
    model.representation = EquivariantTransformer(8, 2, basis, cutoff, **settings)
    file = Checkpoint("f", "0", "model", {}, model, settings_of(model.representation))
    built = instantiate(network_of(file))
    assert settings_of(built) == file.settings
    built.load_state_dict(model.representation.state_dict())


def test_weights_alone_give_width_cutoff_and_basis(network):
    config = composed()
    adopt_network(config, network(kind="state_dict"), [])
    node = config.model.representation
    assert (node.n_atom_basis, node.radial_basis.n_rbf, config.globals.cutoff) == (8, 6, 4.0)
    assert node.n_interactions == 3


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (f"{HEAD}.n_atom_basis=16", f"{HEAD}.n_atom_basis=16 contradicts .* network has 8; leave"),
        ("globals.cutoff=6.0", r"globals\.cutoff=6\.0 contradicts .* network has 4\.0"),
        (f"{HEAD}.radial_basis.n_rbf=7", r"n_rbf=7 contradicts .* network has 6"),
        ("model/representation=painn", "representation=PaiNN contradicts .* network has SchNet"),
    ],
)
def test_contradicting_overrides_are_refused(network, word, message):
    file = network("SchNet" if "painn" in word else "PaiNN")
    with pytest.raises(InputError, match=message):
        adopt_network(composed(word), file, [word])


def test_equal_or_acknowledged_overrides_are_accepted(network):
    words = [f"{HEAD}.n_atom_basis=8", "model/representation=painn", "globals.cutoff=6.0"]
    config = composed(*words, allow=["cutoff"])
    adopt_network(config, network(), words)
    node = config.model.representation
    assert (node.n_atom_basis, node.n_interactions, node.cutoff_fn.cutoff) == (8, 1, 6.0)
    # Also if the class of the file replaces that of the recipe.
    words = [f"{HEAD}.n_interactions=2", "globals.cutoff=6.0"]
    config = composed(*words, allow=["cutoff", "n_interactions"])
    adopt_network(config, network("SchNet"), words)
    node = config.model.representation
    assert (node.n_interactions, node.cutoff_fn.cutoff, node.n_atom_basis) == (2, 6.0, 8)


def test_equal_settings_of_the_recipe_are_not_changed(network):
    config = composed()
    adopt_network(config, network(), [])
    assert adopt_network(config, network(), []) == []


@pytest.mark.parametrize(
    "change",
    [
        {"_target_": "logging.FileHandler", "filename": "F", "mode": "w"},
        {"n_atom_basis": {"_target_": "joblib.load", "filename": "F"}},
        {"radial_basis": {"_target_": "schnetpack.transform.CachedNeighborList"}},
        {"_partial_": True},
        {"n_atom_basis": "${oc.env:HOME}"},
    ],
)
def test_a_card_cannot_name_what_its_file_does_not_contain(make_model, tmp_path, change):
    """Hydra builds what a node names, so a foreign card must not choose it."""
    model = make_model("PaiNN")
    node = network_of(Checkpoint("f", "0", "model", {}, model, settings_of(model.representation)))
    Card(representation=node).attach(model)
    torch.save(model, tmp_path / "good")
    assert network_of(load(tmp_path / "good")) == node
    Card(representation=node | change).attach(model)
    torch.save(model, tmp_path / "evil")
    with pytest.raises(InputError, match=r"The card of .*evil (says|holds)"):
        network_of(load(tmp_path / "evil"))


def test_a_file_in_other_units_of_length_is_refused(make_model):
    model = make_model("PaiNN")
    Card(distance_unit="Bohr", cutoff=9.45).attach(model)
    file = Checkpoint("f", "0", "model", {}, model)
    with pytest.raises(InputError, match=r"distance_unit=Ang is not that of f, .* are in Bohr"):
        check_distance_unit(file, "Ang")
    check_distance_unit(file, "Bohr")
    check_distance_unit(file, None)


@pytest.mark.slow
def test_only_the_path_is_typed(database, run_program, tmp_path):
    """From a small SchNet to its fine-tuning, by the commands that a user types."""
    sizes = ["data.num_train=8", "data.num_val=2", "data.num_test=2", "data.batch_size=4"]
    fixed = [f"data.datapath={database}", *sizes, "trainer.max_epochs=1", "trainer.accelerator=cpu"]
    widths = [f"{HEAD}.n_atom_basis=8", f"{HEAD}.n_interactions=1", f"{HEAD}.radial_basis.n_rbf=6"]
    first = ["experiment=gpip_finetune", "run.id=one", "globals.cutoff=4", *widths]
    run_program(tmp_path, "spktrain", *first, "model/representation=schnet", *fixed)
    assert "| Configurations | 8 for training, 2" in (tmp_path / "runs/one/card.md").read_text()
    start = ["experiment=gpip_finetune", "pretrained.path=runs/one/best_model", *fixed]
    printed, _ = run_program(tmp_path, "spktrain", "run.id=two", *start)
    assert "Network of runs/one/best_model: globals.cutoff=4" in printed
    one, two = (load(tmp_path / "runs" / name) for name in ("one", "two"))
    assert one.settings == two.settings and one.settings["n_atom_basis"] == 8
    record = OmegaConf.load(tmp_path / "runs" / "two" / "config.yaml")
    assert record.model.representation["_target_"].endswith("SchNet")
    assert (record.model.representation.n_atom_basis, record.globals.cutoff) == (8, 4)
    wrong = f"{HEAD}.n_atom_basis=16"
    _, sentence = run_program(tmp_path, "spktrain", "run.id=three", *start, wrong, code=1)
    assert (
        f"{wrong} contradicts pretrained.path=runs/one/best_model, whose network has 8" in sentence
    )
    assert not (tmp_path / "runs" / "three" / "config.yaml").exists()
