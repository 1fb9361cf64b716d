"""Checkpoints that are damaged, planted or not those of a run."""

import os
import pickle
import zipfile

import pytest
import torch

from gpip_plugins.errors import InputError
from gpip_plugins.train import CheckpointFiles, SafeGlobals
from gpip_plugins.train.resume import check_checkpoint, checkpoint_to_resume, settings_of_run


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a run, made by the fixture below once."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture
def checkpoints(run, make_task, make_data, make_trainer, tmp_path):
    """Return the folder of two checkpoints of one training; a fresh copy."""
    source = run / "checkpoints"
    if not source.exists():
        trainer = make_trainer(SafeGlobals(), max_epochs=2)
        trainer.fit(make_task(), datamodule=make_data())
        os.rename(tmp_path / "checkpoints", source)
        for file in source.glob("epoch*"):
            file.rename(source / "epoch=01.ckpt")
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def truncated(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flipped(file):
    """Change one byte of the weights, which PyTorch would load."""
    with zipfile.ZipFile(file) as archive:
        entry = max(archive.infolist(), key=lambda info: info.file_size)
    content = bytearray(file.read_bytes())
    content[entry.header_offset + 400] ^= 255
    file.write_bytes(content)


def empty(file):
    file.write_bytes(b"")


def text(file):
    file.write_text("no checkpoint")


def planted_pickle(file):
    file.write_bytes(pickle.dumps(Planted(file.parent / "ran")))


def planted_zip(file):
    content = torch.load(file, weights_only=False)
    torch.save(content | {"callbacks": Planted(file.parent / "ran")}, file)


DAMAGE = [truncated, flipped, empty, text, planted_pickle, planted_zip]


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_other_checkpoint_is_taken_and_nothing_is_run(checkpoints, damage):
    last, best = checkpoints / "last.ckpt", checkpoints / "epoch=01.ckpt"
    assert checkpoint_to_resume(checkpoints.parent) == (str(last), "")
    damage(last)
    path, note = checkpoint_to_resume(checkpoints.parent)
    assert path == str(best) and str(last) in note and "goes on from epoch=01.ckpt" in note
    damage(best)
    with pytest.raises(InputError, match=r"last\.ckpt .*no other sound checkpoint; start another"):
        checkpoint_to_resume(checkpoints.parent)
    # The second line of defence, in the trainer itself.
    with pytest.raises(InputError, match=r"^ckpt_path=.*last\.ckpt is damaged.*; give another"):
        CheckpointFiles().load_checkpoint(last)
    assert not (checkpoints / "ran").exists()


def test_a_missing_last_checkpoint_is_said(checkpoints):
    (checkpoints / "last.ckpt").unlink()
    path, note = checkpoint_to_resume(checkpoints.parent)
    assert path.endswith("epoch=01.ckpt") and note.startswith("last.ckpt is missing")
    assert checkpoint_to_resume(checkpoints.parent / "other") == (None, "")


def test_a_model_and_a_folder_are_no_checkpoints(checkpoints, make_model):
    torch.save(make_model(), checkpoints / "model")
    with pytest.raises(InputError, match=r"is a model, .*pretrained\.path"):
        check_checkpoint(checkpoints / "model")
    with pytest.raises(InputError, match="is a folder; give a file"):
        check_checkpoint(checkpoints)


@pytest.mark.parametrize("content", [b"a: [1", b"\xff\x00", b"a: ${"])
def test_a_record_that_cannot_be_read(tmp_path, content):
    assert settings_of_run(tmp_path) is None
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"config\.yaml cannot be read, .*config\.old\.N"):
        settings_of_run(tmp_path)
