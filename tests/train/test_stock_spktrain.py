"""An experiment of SchNetPack with our callbacks, by the command of a user."""

import pytest

from gpip_plugins.checkpoint import load

pytestmark = pytest.mark.slow


@pytest.fixture
def spktrain(database, run_program, tmp_path):
    """Return a function that runs `spktrain experiment=md17` on a few molecules."""

    def run(*overrides, code=0):
        fixed = [
            "experiment=md17",
            "data=custom",
            "run.experiment=stock",
            f"data.datapath={database}",
            "data.num_train=8",
            "data.num_val=2",
            "data.num_test=2",
            "data.batch_size=4",
            "data.num_workers=0",
            "data.property_units.energy=eV",
            "data.property_units.forces=eV/Ang",
            "model.representation.n_atom_basis=8",
            "model.representation.n_interactions=1",
            "callbacks=gpip",
            "logger=csv",
            "trainer.accelerator=cpu",
        ]
        return run_program(tmp_path, "spktrain", *fixed, *overrides, code=code)

    return run


def test_finishes_resumes_and_starts_from_a_relative_path(spktrain, tmp_path):
    spktrain("run.id=one", "trainer.max_epochs=1")
    run = tmp_path / "runs" / "one"
    for name in ("best_model", "best_model.task", "curves.csv", "curves.png"):
        assert (run / name).is_file(), name

    # The folder exists, so the run is resumed from checkpoints/last.ckpt.
    _, errors = spktrain("run.id=one", "trainer.max_epochs=2")
    assert "Restored all states" in errors
    assert len((run / "curves.csv").read_text().splitlines()) == 3

    start = ["+pretrained=representation", "pretrained.path=runs/one/best_model"]
    printed, _ = spktrain("run.id=two", "trainer.max_epochs=1", *start)
    assert load(run).sha256 in printed and "newly initialised" in printed
    assert (tmp_path / "runs" / "two" / "best_model").is_file()

    # Resuming that run does not load the file again, and no longer needs it.
    (run / "best_model").unlink()
    printed, _ = spktrain("run.id=two", "trainer.max_epochs=2", *start)
    assert "no pre-trained weights are loaded" in printed


def test_mistakes_get_a_sentence_without_trace_back(spktrain):
    for overrides, words in (
        ([], "pretrained.path is not set"),
        (["pretrained.path=nothing"], "nothing does not exist"),
    ):
        more = ["+pretrained=representation", *overrides]
        assert words in spktrain("run.id=three", *more, code=1)[1]


def test_our_network_in_an_experiment_of_schnetpack(spktrain, tmp_path):
    network = "model/representation=equivariant_transformer"
    assert "Warp" not in "".join(spktrain("run.id=et", "trainer.max_epochs=1", network))
    settings = load(tmp_path / "runs" / "et").settings
    assert settings["class"] == "EquivariantTransformer"
