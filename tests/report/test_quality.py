"""The complete report of the command, for data with known faults."""

import csv
import importlib.util
import json
import os

import numpy as np
import pytest
from ase import Atoms
from ase.db import connect
from ase.io import read
from ase.io import write as write_xyz

from gpip_plugins.cli import main
from gpip_plugins.errors import InputError
from gpip_plugins.report.pictures import draw_energies, draw_temperatures
from gpip_plugins.report.quality import quality_report
from gpip_plugins.report.sampled import read_sampled


def sound(shaken, n=60):
    """Return ethanol without faults and its temperatures."""
    return shaken("CH3CH2OH", n), np.repeat([300.0, 600.0], n // 2)


def add_metadata(path, **entries):
    with connect(path, use_lock_file=False) as database:
        database.metadata = database.metadata | entries


def test_a_sound_database(write, shaken, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames, temperature = sound(shaken)
    write(frames, temperature=temperature, system="CCO")
    assert main(["quality", "sampled.db"]) == 0
    text = capsys.readouterr().out
    assert "60 frames of 1 systems" in text
    assert "Nothing looks wrong" in text
    folder = tmp_path / "sampled_quality"
    assert sorted(os.listdir(folder)) == [
        "bonds.png",
        "energies.png",
        "quality.json",
        "temperatures.png",
    ]
    report = json.loads((folder / "quality.json").read_text())
    entry = report["systems"]["CCO"]
    assert list(entry["temperatures"]) == ["300", "600"]
    assert entry["temperatures"]["600"]["temperature"]["reached"] is True
    assert entry["temperatures"]["600"]["density"] is None
    assert entry["bonds"]["C-H"]["n_bonds"] == 5
    assert entry["near_duplicates"] == {
        "count": 0,
        "n_frames": 60,
        "tolerance": 0.02,
        "dropped": 0,
        "dropped_up_to": 0.0,
    }
    assert report["findings"] == []


def test_known_faults_are_found(write, shaken):
    frames, temperature = sound(shaken)
    frames[40] = frames[10].copy()  # a duplicate
    frames[50].positions[3] *= 1.8  # the hydrogen of the hydroxyl group flies off
    frames[20].positions[4] = frames[20].positions[5] + 0.13  # atoms in each other
    path = write(frames, temperature=temperature, system="CCO")
    add_metadata(path, nve_drift={"CCO": -0.03})
    findings = quality_report(path, progress=False)["findings"]
    for part in ("1 of 60 frames differ", "a bond departed", "H-H came as close", "by -0.03"):
        assert sum(part in sentence for sentence in findings) == 1, part


def test_many_systems_share_a_style_and_a_legend_is_left_out(write, shaken):
    for k in range(10):
        path = write(shaken("H2O", 12, seed=k), system=f"isomer-{k}")
    systems, _ = read_sampled(path, 1000, progress=False)
    report = quality_report(path, progress=False)
    for figure in (draw_energies(systems, report), draw_temperatures(report)):
        axes = figure.axes[0] if figure.axes[0].containers else figure.axes[1]
        assert len(axes.containers) == 10
        assert len({bars.lines[0].get_color() for bars in axes.containers}) == 1
        assert axes.get_legend() is None


@pytest.mark.parametrize(("drift", "told"), [(0.002, False), (0.5, True)])
def test_the_drift_is_that_of_the_metadata(write, shaken, drift, told):
    path = write(shaken("H2O", 30))
    assert quality_report(path, progress=False)["systems"]["test"]["nve_drift"] is None
    add_metadata(path, nve_drift={"test": drift}, nve_drift_error={"test": 0.001})
    report = quality_report(path, progress=False)
    assert report["systems"]["test"]["nve_drift"] == drift
    assert report["systems"]["test"]["nve_drift_error"] == 0.001
    assert any("the energy drifts" in finding for finding in report["findings"]) is told


def test_a_wrong_temperature_is_found(write, shaken):
    hot = write(shaken("H2O", 60), "hot.db", temperature=300.0)
    with connect(hot, use_lock_file=False) as database:
        for row in list(database.select()):
            data = dict(row.data) | {"kinetic_temperature": row.data["kinetic_temperature"] * 1.4}
            database.update(row.id, data=data)
    (finding,) = [f for f in quality_report(hot, progress=False)["findings"] if "mean temp" in f]
    assert finding.startswith("test at 300 K: the mean temperature is 4")


def test_missing_temperatures_are_reported_as_unchecked(write, shaken, tmp_path):
    path = write(shaken("H2O", 30), without="kinetic_temperature")
    report = quality_report(path, folder=tmp_path / "out", progress=False)
    assert "Not all frames have a kinetic_temperature" in report["findings"][0]
    assert not (tmp_path / "out" / "temperatures.png").exists()


def test_a_box_gets_density_and_radial_distribution_functions(write, tmp_path):
    rng = np.random.default_rng(0)
    boxes = [Atoms("He20", 9 * rng.random((20, 3)), cell=[9, 9, 9], pbc=True) for _ in range(20)]
    path = write(boxes, system="gas / helium")
    report = quality_report(path, folder=tmp_path / "out", progress=False)
    entry = report["systems"]["gas / helium"]
    # 20 atoms of 4.0026 amu in 729 Å^3
    assert entry["temperatures"]["300"]["density"]["mean"] == pytest.approx(0.18234, rel=1e-3)
    assert entry["rdf"]["300"]["n_frames"] == 20
    assert (tmp_path / "out" / "rdf-gas_helium.png").exists()
    with open(tmp_path / "out" / "rdf.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {(row["system"], row["temperature"], row["pair"]) for row in rows} == {
        ("gas / helium", "300", "He-He")
    }
    assert float(rows[-1]["r"]) == pytest.approx(4.49)


def test_an_earlier_report_is_replaced_only_by_force(write, shaken, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(shaken("H2O", 30))
    assert main(["quality", "sampled.db", "--out", "out"]) == 0
    (tmp_path / "out" / "coverage.png").write_text("of an earlier report")
    (tmp_path / "out" / "notes.txt").write_text("of the user")
    assert main(["quality", "sampled.db", "--out", "out"]) == 1
    assert "name another, or give --force" in capsys.readouterr().err
    assert (tmp_path / "out" / "coverage.png").exists()
    assert main(["quality", "sampled.db", "--out", "out", "--force"]) == 0
    left = sorted(os.listdir(tmp_path / "out"))
    assert left == ["bonds.png", "energies.png", "notes.txt", "quality.json", "temperatures.png"]


def test_an_interrupted_report_leaves_the_old_one(write, shaken, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    path = write(shaken("H2O", 30))
    quality_report(path, folder=tmp_path / "out", progress=False)
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    monkeypatch.setattr(Figure, "savefig", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        quality_report(path, folder=tmp_path / "out", overwrite=True, progress=False)
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("none.db", "gpip: DATABASE none.db does not exist"),
        ("sampled.db --max-frames 3", "gpip: --max-frames 3 is not a whole number of at least 20"),
        ("sampled.db --tolerance -1", "gpip: --tolerance -1.0 is not a number of at least 0 (Å)"),
        ("sampled.db --seed -1", "gpip: --seed -1 is not a whole number of at least 0"),
        ("sampled.db --labelled none.xyz", "gpip: --labelled none.xyz does not exist"),
        ("sampled.db --labelled labels.xyz", "10 sampled frames are too few for a coverage"),
        ("sampled.db --out labels.xyz/out", "gpip: --out "),
    ],
)
def test_mistakes_get_one_sentence(write, shaken, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    write(shaken("H2O", 10))
    write_xyz("labels.xyz", shaken("H2O", 2))
    before = sorted(os.listdir())
    assert main(["quality", *words.split()]) == 1
    error = capsys.readouterr().err
    assert message in error.splitlines()[-1]
    assert error.splitlines()[-1].startswith("gpip: ")
    assert sorted(os.listdir()) == before


def test_missing_packages_are_named_before_any_work(write, shaken, monkeypatch):
    path = write(shaken("H2O", 30))
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "umap" else there(name)
    )
    with pytest.raises(InputError, match=r"needs umap-learn, which is not .*gpip_plugins\[analy"):
        quality_report(path, labels="none.xyz", progress=False)
    assert quality_report(path, progress=False)["n_frames"] == 30


@pytest.mark.slow
def test_the_picture_of_the_coverage(write, shaken, tmp_path):
    frames, temperature = sound(shaken)
    path = write(frames, temperature=temperature)
    write_xyz(tmp_path / "labels.xyz", shaken("CH3CH2OH", 30, seed=7))
    report = quality_report(path, tmp_path / "labels.xyz", tmp_path / "out", progress=False)
    assert 0.7 <= report["coverage"]["frames"]["covered"] <= 1.0
    first = (tmp_path / "out" / "coverage.png").read_bytes()
    quality_report(path, tmp_path / "labels.xyz", tmp_path / "out", overwrite=True, progress=False)
    assert (tmp_path / "out" / "coverage.png").read_bytes() == first


@pytest.mark.slow
@pytest.mark.realdata
def test_ab_initio_frames_of_one_trajectory_cover_each_other(write, real_data):
    train = read(real_data("rmd17_ethanol_train1000.xyz.gz"), ":")
    report = quality_report(
        write([Atoms(a.numbers, a.positions) for a in train]),
        real_data("rmd17_ethanol_test1000.xyz.gz"),
        progress=False,
    )
    coverage = report["coverage"]
    for found in (coverage["frames"], *coverage["environments"].values()):
        assert found["covered"] == pytest.approx(0.95, abs=0.03)
