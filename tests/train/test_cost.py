"""The cost of a training, written beside its result."""

import json

import pytest
from pytorch_lightning import Callback

from gpip_plugins.train import Cost, SafeGlobals

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def cost(folder):
    return json.loads((folder / "cost.json").read_text())


def test_cost_goes_on_after_an_interruption(make_task, make_data, make_trainer, tmp_path):
    make_trainer(Cost(tmp_path), SafeGlobals(), max_epochs=2).fit(make_task(), make_data())
    first = cost(tmp_path)
    assert first["steps"] == 4 and first["gpu_seconds"] == 0
    # Lightning's checkpoint contains the cost up to then.
    resumed = Cost(tmp_path)
    resumed.totals["core_seconds"] = -1e6  # is replaced by what the checkpoint says
    trainer = make_trainer(resumed, SafeGlobals(), max_epochs=3)
    last = str(tmp_path / "checkpoints" / "last.ckpt")
    trainer.fit(make_task(), make_data(), ckpt_path=last)
    assert cost(tmp_path)["steps"] == 6
    assert cost(tmp_path)["core_seconds"] > 0
    assert cost(tmp_path)["wall_seconds"] >= first["wall_seconds"] > 0
    assert not list(tmp_path.glob(".*"))


def test_cost_of_a_run_that_breaks_off(make_task, make_data, make_trainer, tmp_path):
    class Breaks(Callback):
        def on_train_batch_end(self, *_):
            raise KeyboardInterrupt

    with pytest.raises(SystemExit):
        make_trainer(Cost(tmp_path), Breaks(), max_epochs=2).fit(make_task(), make_data())
    assert cost(tmp_path)["steps"] == 1
