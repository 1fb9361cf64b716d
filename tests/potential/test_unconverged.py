"""Unconverged labels are refused by the prediction as by the import."""

import pytest
from ase import Atoms

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers import FAULT
from gpip_plugins.labels.readers.structure_file import StructureFile
from gpip_plugins.potential.files import read_predictable


def test_a_frame_whose_labels_say_nothing_is_refused(tmp_path, monkeypatch):
    source = tmp_path / "a.xyz"
    Atoms("H", [[0, 0, 0]]).write(source)
    frame = Atoms("H", [[0, 0, 0]], info={FAULT: "electronic steps that did not converge"})
    monkeypatch.setattr(StructureFile, "frames", lambda self, path: iter([frame]))
    with pytest.raises(InputError, match=r"Structure 0 .* did not converge, .* --skip-unlabelled"):
        list(read_predictable(str(source), ("energy", "forces"), (1.0, 1.0)))
