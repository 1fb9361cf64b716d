"""Files written by VASP: those of ASE's tests."""

from pathlib import Path

import ase.test
import pytest
from ase.db import connect

from gpip_plugins.labels.importing import import_labels
from gpip_plugins.labels.readers import reader_of

WRITTEN = Path(ase.test.__file__).parent / "testdata" / "vasp"
pytestmark = pytest.mark.skipif(not WRITTEN.exists(), reason="this ASE brings no test data")


@pytest.fixture
def runs(tmp_path):
    """Return a folder of two runs: nickel by OUTCAR, diamond by vasprun.xml."""
    files = {"a/OUTCAR": "OUTCAR_example_1", "b/vasprun.xml": "vasprun_pstress.xml"}
    for place, name in files.items():
        path = tmp_path / "runs" / place
        path.parent.mkdir(parents=True)
        path.symlink_to(WRITTEN / name)
    return tmp_path / "runs"


def test_energy_forces_and_stress_of_true_files(runs, tmp_path):
    report = import_labels(str(runs), str(tmp_path / "labels.db"), accept_implausible=True)
    assert report.written == 2 and report.stress and not report.skipped
    nickel, diamond = connect(tmp_path / "labels.db").select()
    assert nickel.formula == "Ni18" and diamond.formula == "C2"
    assert nickel.data["energy"][0] == -68.22868532  # TOTEN of the last step
    assert abs(nickel.data["forces"]).max() == pytest.approx(2.152142)
    assert diamond.data["energy"][0] == pytest.approx(-20.24696, abs=1e-5)
    assert abs(diamond.data["forces"]).max() == 0.0


def test_an_outcar_whose_steps_were_used_up(runs, tmp_path):
    path = runs / "a" / "OUTCAR"
    text = path.read_text(errors="replace")
    assert text.count("because EDIFF is reached") == 1
    path.unlink()
    path.write_text(text.replace("because EDIFF is reached", "EDIFF was not reached (unconv"))
    frames = list(reader_of(str(runs)).frames(str(runs)))
    assert [frame.calc is None for frame in frames] == [True, False]
