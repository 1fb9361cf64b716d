"""With the callback, checkpoints that hold the model load weights-only; foreign ones do not."""

import pathlib
import pickle

import pytest
import pytorch_lightning
import schnetpack as spk
import torch
from packaging.version import Version
from torch.serialization import get_unsafe_globals_in_checkpoint

from gpip_plugins.errors import InputError
from gpip_plugins.train import SafeGlobals

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def clean_safe_globals():
    """Remove the names that another test allowed."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(before)


def test_test_load_and_resume(make_task, make_data, make_trainer, tmp_path):
    task = make_task()
    trainer = make_trainer(SafeGlobals())
    trainer.fit(task, make_data())
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert get_unsafe_globals_in_checkpoint(last) == []

    trainer.test(task, make_data(), ckpt_path="best", verbose=False)
    best = trainer.checkpoint_callback.best_model_path
    again = spk.AtomisticTask.load_from_checkpoint(best)
    for key, value in torch.load(best, weights_only=True)["state_dict"].items():
        torch.testing.assert_close(again.state_dict()[key], value, rtol=0, atol=0)

    # A new process knows nothing of the names; `setup` comes before the checkpoint is restored.
    torch.serialization.clear_safe_globals()
    trainer = make_trainer(SafeGlobals(), max_epochs=2)
    trainer.fit(make_task(), make_data(), ckpt_path=str(last))
    assert trainer.current_epoch == 2 and trainer.global_step == 4


@pytest.mark.skipif(
    Version(pytorch_lightning.__version__) < Version("2.6"), reason="older ones load any pickle"
)
def test_without_the_callback_lightning_refuses(make_task, make_data, make_trainer):
    """If this fails, Lightning has fixed the fault and the callback can be removed."""
    trainer = make_trainer()
    task = make_task()
    trainer.fit(task, make_data())
    with pytest.raises(pickle.UnpicklingError, match="Unsupported global"):
        trainer.test(task, make_data(), ckpt_path="best", verbose=False)


def test_a_resumed_run_cannot_become_shorter(make_task, make_data, make_trainer, tmp_path):
    make_trainer(SafeGlobals(), max_epochs=3).fit(make_task(), make_data())
    last = str(tmp_path / "checkpoints" / "last.ckpt")
    trainer = make_trainer(SafeGlobals(), max_epochs=1)
    with pytest.raises(InputError, match=r"max_epochs=1, but the run .* has finished 3 epochs"):
        trainer.fit(make_task(), make_data(), ckpt_path=last)


def test_a_file_cannot_widen_the_list(make_task, make_data, make_trainer, tmp_path):
    make_trainer(SafeGlobals()).fit(make_task(), make_data())
    torch.save({"state_dict": {}, "x": pathlib.PurePosixPath("a")}, tmp_path / "foreign.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "foreign.ckpt", weights_only=True)


def test_activations_of_torch_itself_do_not_open_getattr(
    make_model, make_task, make_trainer, tmp_path
):
    """`torch.tanh` is pickled as a call of getattr, which must not be allowed in general."""

    class Sneaky:
        def __reduce__(self):
            return getattr, (torch._C._VariableFunctionsClass, "from_file")

    task = make_task(make_model(activation=torch.tanh))
    SafeGlobals().setup(make_trainer(), task, "fit")
    torch.save(task.model, tmp_path / "model")
    model = torch.load(tmp_path / "model", weights_only=True)
    dense = model.representation.interactions[0].interatomic_context_net[0]
    assert dense.activation is torch.tanh
    torch.save(Sneaky(), tmp_path / "sneaky")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "sneaky", weights_only=True)
