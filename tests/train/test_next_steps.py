"""The commands printed at the end of a run."""

import shlex
from types import SimpleNamespace as Namespace

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from gpip_plugins.train import NextSteps
from gpip_plugins.train.next_steps import as_override_value


def test_printed_after_testing_and_only_with_a_model(tmp_path, capsys):
    steps = NextSteps({"simulate": "spkmd calculator.model_file={model}"}, tmp_path / "best_model")
    trainer = Namespace(datamodule=None)
    task = Namespace(model=Namespace(output_modules=[]))
    steps.teardown(trainer, task, "test")
    assert capsys.readouterr().out == ""
    (tmp_path / "best_model").touch()
    steps.teardown(trainer, task, "fit")
    assert capsys.readouterr().out == ""
    steps.teardown(trainer, task, "test")
    assert f"spkmd calculator.model_file={tmp_path}/best_model\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "path",
    [
        "/runs/1/best_model",
        "/my runs/a=b/x",
        "/it's/$HOME/x",
        '/a"b/x',
        "/a,b/[c]{d}(e)/x",
        "/runs/1/epoch=01.ckpt",
        "/ends/with\\",
        '/a\\"b',
    ],
)
def test_paths_survive_the_shell_and_hydra(path):
    (word,) = shlex.split(f"pretrained.path={as_override_value(path)}")
    (override,) = OverridesParser.create().parse_overrides([word])
    assert override.value() == path or override.value().text == path
