"""The report that is written with every sampled database."""

import json
import logging
import os

import pytest
from ase.db import connect
from ase.io import write as write_xyz

from gpip_plugins.cli import main
from gpip_plugins.errors import InputError
from gpip_plugins.report import beside
from gpip_plugins.sampling.campaign.generate import generate
from gpip_plugins.sampling.dynamics.engine import Engine
from gpip_plugins.sampling.settings import Preparation, SamplingSettings
from gpip_plugins.sampling.systems.sources import Smiles, Water

SMALL = {
    "system": Smiles("O"),
    "force_field": "mmff94",
    "n_frames": 40,
    "temperatures": [300, 600],
    "sampling_interval": 0.2,
    "equilibration": 1.0,
    "energy_check": 1.0,
    "cores": 1,
    "progress": False,
}


def sample(datapath, **settings):
    return generate(SamplingSettings.from_keywords(str(datapath), **SMALL | settings))


@pytest.fixture
def told(caplog):
    """Collect the messages to the user."""
    caplog.set_level(logging.INFO)
    return caplog


def test_the_report_is_beside_the_database_and_its_cost_is_logged(tmp_path, told):
    sample(tmp_path / "water.db")
    left = sorted(os.listdir(tmp_path))
    assert left == [".water.db.generating", "water.db", "water_quality"]
    report = json.loads((tmp_path / "water_quality" / "quality.json").read_text())
    assert report["n_frames"] == report["n_frames_of_geometry"] == 40
    entry = report["systems"]["O"]
    assert set(entry["temperatures"]) == {"300", "600"}
    assert 0 < abs(entry["nve_drift"]) < 1 and entry["nve_drift_error"] > 0
    assert set(entry["shortest_distances"]) == {"H-H", "O-H"}
    assert (tmp_path / "water_quality" / "bonds.png").stat().st_size > 10_000
    assert "Quality: " in told.text and "water_quality" in told.text
    assert "quality report" in next(m for m in told.messages if m.startswith("Cost: "))
    for finding in report["findings"][: beside.MAX_LOGGED]:
        assert finding in told.text


def test_a_later_report_replaces_an_automatic_but_no_requested_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sample("water.db")
    assert main(["quality", "water.db"]) == 0
    assert main(["quality", "water.db"]) == 1


def test_too_few_frames_without_near_duplicates_have_no_coverage(shaken, tmp_path, told):
    labels = str(tmp_path / "labels.xyz")
    write_xyz(labels, shaken("H2O", 5))
    sample(tmp_path / "water.db", min_difference=1.0, labels=labels)
    assert f"1 frames are left, too few for the coverage of labels={labels}" in told.text
    assert "O: 39 near-duplicates (98% of the frames) were left out, so that means" in told.text
    assert "not those of the thermostat; lower min_difference." in told.text
    assert not (tmp_path / "water.parts").exists()


def test_boxes_have_density_and_radial_distribution_functions(tmp_path):
    sample(
        tmp_path / "box.db",
        system=Water(count=20, cell=8.5),
        force_field="tip3p",
        temperatures=[300],
        n_frames=4,
        sampling_interval=0.01,
        equilibration=0.0,
        energy_check=0,
        preparation=Preparation(npt=0, annealing=0),
        platform="CPU",
    )
    folder = tmp_path / "box_quality"
    assert (folder / "rdf-water20.png").exists() and (folder / "rdf.csv").exists()
    entry = json.loads((folder / "quality.json").read_text())["systems"]["water20"]
    density = entry["temperatures"]["300"]["density"]["mean"]
    assert density == pytest.approx(20 * 18.015 / 0.602214 / 8.5**3, rel=1e-3)


def test_findings_are_logged_and_many_of_them_only_counted(tmp_path, told, monkeypatch):
    original = beside.examine

    def examine(*args):
        found = original(*args)
        found.report["findings"] = [f"fault {k}" for k in range(11)]
        return found

    monkeypatch.setattr(beside, "examine", examine)
    sample(tmp_path / "water.db")
    warnings = [r.getMessage() for r in told.records if r.levelname == "WARNING"]
    assert warnings == [f"fault {k}" for k in range(8)] + [
        "The other 3 findings are in quality.json."
    ]
    assert "Quality: 11 finding(s)" in told.text


def test_only_a_part_of_a_huge_set_is_examined_and_this_is_logged(tmp_path, told, monkeypatch):
    monkeypatch.setattr(beside, "MAX_ATOMS", 90)
    sample(tmp_path / "water.db")
    report = json.loads((tmp_path / "water_quality" / "quality.json").read_text())
    assert report["n_frames"] == 40
    # 30 at random, and perhaps the first of the system, which shows its bonds
    assert report["n_frames_of_geometry"] in (30, 31)
    assert "frames only)" in told.text


def test_a_run_that_was_stopped_before_its_report_writes_it_later(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(beside, "examine", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sample(tmp_path / "water.db")
    assert (tmp_path / "water.parts").exists()
    with connect(tmp_path / "water.db", use_lock_file=False) as database:
        assert len(database) == 40
    written = (tmp_path / "water.db").stat().st_mtime_ns
    sample(tmp_path / "water.db")
    assert (tmp_path / "water_quality" / "quality.json").exists()
    assert not (tmp_path / "water.parts").exists()
    assert (tmp_path / "water.db").stat().st_mtime_ns == written


def test_quality_false_leaves_it_out(tmp_path, monkeypatch):
    monkeypatch.setattr(beside, "examine", lambda *args: 1 / 0)
    sample(tmp_path / "water.db", quality=False)
    assert not (tmp_path / "water_quality").exists()
    assert not (tmp_path / "water.parts").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": "none.xyz"}, r"labels=none.xyz does not exist.*name a file with labelled"),
        ({"labels": "labels.xyz", "n_frames": 4}, r"n_frames=4 is too few for the coverage of"),
        ({"labels": "labels.xyz", "quality": False}, r"quality=False leaves out"),
        ({"labels": "torn.db"}, r"torn.db"),
    ],
)
def test_labels_that_cannot_be_compared_are_refused_before_anything_runs(
    shaken, tmp_path, monkeypatch, settings, message
):
    monkeypatch.chdir(tmp_path)
    write_xyz("labels.xyz", shaken("H2O", 5))
    (tmp_path / "torn.db").write_text("no database")
    monkeypatch.setattr(Engine, "run", lambda *args, **settings: 1 / 0)
    with pytest.raises(InputError, match=message):
        sample("water.db", **settings)


@pytest.mark.slow
def test_labels_get_their_coverage(shaken, tmp_path, told):
    write_xyz(tmp_path / "labels.xyz", shaken("H2O", 5))
    sample(tmp_path / "water.db", labels=str(tmp_path / "labels.xyz"))
    report = json.loads((tmp_path / "water_quality" / "quality.json").read_text())
    covered = report["coverage"]["frames"]["covered"]
    assert f"{covered:.1%} of the labelled frames are covered" in told.text.replace("%%", "%")
    assert (tmp_path / "water_quality" / "coverage.png").exists()
