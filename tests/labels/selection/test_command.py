"""`gpip select` from arguments to files, and back through `gpip import`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.db import connect
from ase.io import read, write
from schnetpack.data import ASEAtomsData

from gpip_plugins.cli import main
from gpip_plugins.labels.selection.pool import Pool


def select(*words):
    return main(["select", "sampled.db", *words])


def test_extended_xyz_has_the_origin_and_no_label_of_the_force_field(sampled, capsys):
    assert select("-n", "8", "--seed", "4") == 0
    assert "8 of 30 configurations" in capsys.readouterr().out
    frames = read("selected.xyz", ":")
    pool = Pool("sampled.db")
    assert len(frames) == 8
    for frame in frames:
        original = pool[frame.info["source_row"]]
        np.testing.assert_allclose(frame.positions, original.positions, atol=1e-7)
        assert frame.get_chemical_symbols() == original.get_chemical_symbols()
        assert frame.get_all_distances()[0, 1] > 0.8  # Å, although the database is in nm
        assert frame.info["source"] == "sampled.db"
        assert frame.info["system"] == original.info["system"]
        assert frame.info["temperature"] in (300.0, 400.0)
        assert frame.calc is None and "forces" not in frame.arrays
    assert select("-n", "8", "--seed", "4", "--out", "again.xyz") == 0
    assert Path("again.xyz").read_text() == Path("selected.xyz").read_text()
    assert select("-n", "8", "--seed", "5", "--out", "other.xyz") == 0
    assert Path("other.xyz").read_text() != Path("selected.xyz").read_text()


def test_a_database_of_structures(sampled):
    assert select("-n", "5", "--format", "db") == 0
    data = ASEAtomsData("selected.db")
    assert len(data) == 5 and data.distance_unit == "Ang" and data.units == {}
    rows = [row.key_value_pairs["source_row"] for row in data.conn.select()]
    assert rows == sorted(set(rows))


def test_any_ase_calculator_labels(sampled, capsys):
    assert select("-n", "7", "--label", "ase.calculators.emt:EMT") == 0
    assert "7 labels by ase.calculators.emt:EMT in eV, eV/Ang, Ang" in capsys.readouterr().out
    data = ASEAtomsData("labels.db")
    assert data.units == {"energy": "eV", "forces": "eV/Ang"}
    for row in data.conn.select():
        atoms = row.toatoms()
        atoms.calc = EMT()
        np.testing.assert_allclose(row.data["energy"], [atoms.get_potential_energy()])
        np.testing.assert_allclose(row.data["forces"], atoms.get_forces(), atol=1e-10)
        assert {"source", "source_row", "system", "temperature", "seconds"} == set(
            row.key_value_pairs
        )
    report = data.metadata["labelling"]
    assert data.metadata["level_of_theory"].startswith(report["teacher"])
    assert report["n_labels"] == 7 and report["failed"] == [] and report["core_seconds"] >= 0
    assert sorted(os.listdir()) == ["labels.db", "sampled.db"]


def test_labels_of_gfn2_xtb_are_conservative(sampled):
    pytest.importorskip("tblite")
    assert select("-n", "4", "--label", "xtb", "--seed", "1") == 0
    from tblite.ase import TBLite

    for row in connect("labels.db").select():
        atoms, step = row.toatoms(), 1e-3
        atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
        energies = []
        for sign in (1, -1):
            atoms.positions[0, 2] += sign * step
            energies.append(atoms.get_potential_energy())
            atoms.positions[0, 2] -= sign * step
        slope = (energies[0] - energies[1]) / (2 * step)
        assert row.data["forces"][0, 2] == pytest.approx(-slope, abs=1e-3)


class Fragile(EMT):
    """Fails at methane, and is not finite at one molecule of water."""

    calls = 0
    stop_after = None

    def calculate(self, atoms=None, *args, **kwargs):
        type(self).calls += 1
        if self.stop_after is not None and self.calls > self.stop_after:
            raise KeyboardInterrupt
        super().calculate(atoms, *args, **kwargs)
        if "O" not in atoms.symbols:
            raise RuntimeError("no\nconvergence")
        if atoms.info.get("source_row") == 1:
            self.results["forces"][0, 0] = np.nan


@pytest.fixture
def fragile(monkeypatch):
    """Return the class under an importable name, with its counter at zero."""
    module = type(sys)("fragile_calculator")
    module.Fragile = Fragile
    monkeypatch.setitem(sys.modules, "fragile_calculator", module)
    Fragile.calls, Fragile.stop_after = 0, None
    return Fragile


def test_failures_are_left_out_and_named(sampled, fragile, capsys):
    assert select("-n", "30", "--label", "fragile_calculator:Fragile") == 0
    text = capsys.readouterr().out
    assert "19 labels" in text and "and 1 more" in text
    assert "left out: row 2, RuntimeError: no convergence" in text
    assert "left out: row 1, energy or forces are not finite" in text
    rows = [row.key_value_pairs["source_row"] for row in connect("labels.db").select()]
    assert rows == [k for k in range(30) if k % 3 != 2 and k != 1]


def test_an_interrupted_run_continues_with_the_same_result(sampled, fragile, capsys):
    words = ("-n", "30", "--label", "fragile_calculator:Fragile")
    assert select(*words, "--out", "whole.db") == 0
    needed = fragile.calls
    for stop in (1, 5, 12):
        fragile.calls, fragile.stop_after = 0, stop
        with pytest.raises(SystemExit) as end:
            select(*words, "--out", "pieces.db")
        assert end.value.code == 130
        assert "continues from there" in capsys.readouterr().err
        assert not Path("pieces.db").exists()
    fragile.calls, fragile.stop_after = 0, None
    # Another selection is not added to the interrupted run.
    assert select("-n", "29", *words[2:], "--out", "pieces.db") == 1
    assert "started earlier" in capsys.readouterr().err
    assert select(*words, "--out", "pieces.db") == 0
    assert fragile.calls == needed - 1 - 5 - 12
    whole, pieces = (list(connect(name).select()) for name in ("whole.db", "pieces.db"))
    for a, b in zip(whole, pieces, strict=True):
        assert a.key_value_pairs["source_row"] == b.key_value_pairs["source_row"]
        assert (a.data["forces"] == b.data["forces"]).all()
    assert sorted(os.listdir()) == ["pieces.db", "sampled.db", "whole.db"]


def test_labels_are_what_training_reads(sampled):
    from gpip_plugins.data import GpipDataModule

    assert select("-n", "10", "--label", "ase.calculators.emt:EMT") == 0
    data = GpipDataModule(
        "labels.db",
        batch_size=2,
        num_train=6,
        num_val=4,
        load_properties=["energy", "forces"],
        property_units={"energy": "eV", "forces": "eV/Ang"},
        distance_unit="Ang",
        pin_memory=False,
    )
    data.setup()
    assert next(iter(data.train_dataloader()))["forces"].shape[1] == 3


def test_vasp_input_is_the_paper_s(sampled):
    assert select("-n", "6", "--format", "vasp", "--vacuum", "9") == 0
    index = json.loads(Path("selected_vasp/selected.json").read_text())
    pool = Pool("sampled.db")
    assert len(index) == 6
    for entry in index:
        folder = Path("selected_vasp") / entry["folder"]
        lines = (folder / "INCAR").read_text().splitlines()
        incar = dict(line.split("!")[0].strip().split(" = ") for line in lines)
        assert incar["GGA"] == "PE" and float(incar["ENCUT"]) == 400
        assert float(incar["EDIFF"]) == 1e-5 and int(incar["NSW"]) == 0
        assert (folder / "KPOINTS").read_text().splitlines()[1:4] == ["0", "Gamma", "1 1 1"]
        atoms, original = read(folder / "POSCAR"), pool[entry["source_row"]]
        needed = (folder / "POTCAR.needed").read_text().split()
        assert needed == list(dict.fromkeys(atoms.get_chemical_symbols()))
        order = np.argsort(original.numbers, kind="stable")
        np.testing.assert_allclose(
            atoms.get_all_distances(), original.get_all_distances()[order][:, order], atol=1e-6
        )
        # No atom sees an image of another nearer than the vacuum.
        images = atoms.get_all_distances(mic=True)
        np.testing.assert_allclose(images, atoms.get_all_distances(), atol=1e-6)
        assert (atoms.cell.lengths() - np.ptp(atoms.positions, axis=0)).min() > 8.99


VASPRUN = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <generator><i name="program" type="string">vasp </i></generator>
 <kpoints>
  <generation param="Gamma"><v type="int" name="divisions">1 1 1</v></generation>
  <varray name="kpointlist"><v>0.0 0.0 0.0</v></varray>
  <varray name="weights"><v>1.0</v></varray>
 </kpoints>
 <parameters><separator name="electronic"><i type="int" name="NELM">{nelm}</i></separator>
 </parameters>
 <atominfo>
  <array name="atoms"><set>{atoms}</set></array>
 </atominfo>
 <structure name="initialpos">{structure}</structure>
 <calculation>
  {steps}
  <structure>{structure}</structure>
  <varray name="forces">{forces}</varray>
  <varray name="stress"><v>1 0 0</v><v>0 1 0</v><v>0 0 1</v></varray>
  <energy><i name="e_fr_energy">{energy:.8f}</i><i name="e_0_energy">{energy:.8f}</i></energy>
 </calculation>
</modeling>
"""


def rows(array):
    return "".join("<v>" + " ".join(f"{x:.12f}" for x in row) + "</v>" for row in array)


def vasprun(atoms, energy, forces, nelm=200):
    """Return the part of VASP's output that ASE reads."""
    step = f'<scstep><energy><i name="e_fr_energy">{energy}</i>'
    step += f'<i name="e_0_energy">{energy}</i></energy></scstep>'
    structure = f'<crystal><varray name="basis">{rows(atoms.cell)}</varray></crystal>'
    structure += f'<varray name="positions">{rows(atoms.get_scaled_positions())}</varray>'
    return VASPRUN.format(
        nelm=nelm,
        atoms="".join(f"<rc><c>{s}</c><c>1</c></rc>" for s in atoms.get_chemical_symbols()),
        structure=structure,
        steps=step * 14,
        forces=rows(forces),
        energy=energy,
    )


def run_vasp(folder, nelm=200):
    """Put results into a folder of VASP input, with energies and forces of EMT."""
    atoms = read(folder / "POSCAR")
    atoms.calc = EMT()
    text = vasprun(atoms, atoms.get_potential_energy(), atoms.get_forces(), nelm)
    (folder / "vasprun.xml").write_text(text)


def test_results_of_vasp_come_back_with_their_origin(sampled, capsys):
    assert select("-n", "9", "--format", "vasp") == 0
    folders = sorted(Path("selected_vasp").glob("frame_*"))
    assert main(["import", "selected_vasp", "labels.db"]) == 1
    assert "run VASP in its folders" in capsys.readouterr().err
    for number, folder in enumerate(folders):
        if number != 2:
            run_vasp(folder, nelm=14 if number == 5 else 200)
    text = (folders[7] / "vasprun.xml").read_text()
    (folders[7] / "vasprun.xml").write_text(text[: len(text) // 2])
    words = ["import", "selected_vasp", "labels.db", "--accept-implausible"]
    assert main(words) == 1
    error = capsys.readouterr().err
    for part in (
        "no result of VASP yet (frame 2)",
        "an electronic cycle that did not converge (frame 5)",
        "a vasprun.xml that breaks off (frame 7)",
    ):
        assert part in error
    assert main([*words, "--skip-unlabelled"]) == 0
    pool = Pool("sampled.db")
    data = ASEAtomsData("labels.db")
    assert len(data) == 6 and "stress" not in data.units
    for row in data.conn.select():
        original = pool[row.key_value_pairs["source_row"]]
        assert row.key_value_pairs["system"] == original.info["system"]
        assert not row.pbc.any()
        original.calc = EMT()
        assert row.data["energy"][0] == pytest.approx(original.get_potential_energy(), abs=1e-6)
        order = np.argsort(original.numbers, kind="stable")
        np.testing.assert_allclose(row.data["forces"], original.get_forces()[order], atol=1e-6)


def test_extended_xyz_labelled_elsewhere_keeps_its_origin(sampled):
    assert select("-n", "6") == 0
    frames = read("selected.xyz", ":")
    for frame in frames:
        frame.calc = EMT()
        frame.get_forces()
    write("done.xyz", frames)
    words = ["import", "done.xyz", "labels.db", "--energy-unit", "eV", "--accept-implausible"]
    assert main(words) == 0
    rows = [row.key_value_pairs["source_row"] for row in connect("labels.db").select()]
    assert rows == [frame.info["source_row"] for frame in frames]


@pytest.mark.slow
def test_farthest_points_in_the_space_of_soap(sampled):
    pytest.importorskip("dscribe")
    pytest.importorskip("umap")
    assert select("-n", "3", "--method", "farthest", "--seed", "2") == 0
    chosen = {frame.info["system"] for frame in read("selected.xyz", ":")}
    assert len(chosen) == 3, "three kinds of molecules are farther apart than frames of one"
    assert select("-n", "9", "--method", "farthest", "--pool", "8", "--out", "b.xyz") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-n 31", "-n 31 is not a whole number of at least 1 and of at most 30"),
        ("-n 3 --out here.db", "here.db must end in one of .xyz, .extxyz; rename it"),
        ("-n 3 --label nowhere:Calc", "--label nowhere:Calc cannot be imported"),
        ("-n 3 --label emt", "write package.module:Name"),
        (
            "-n 3 --label ase.calculators.lj:LennardJones --set rc",
            "--set rc is not an option; write --set KEY=VALUE",
        ),
        ("-n 3 --label builtins:dict", "--label builtins:dict computes no energy and no forces"),
        ("-n 3 --label ase.io:read", "--label ase.io:read cannot be made"),
        (
            "-n 3 --label xtb --set methood=GFN1-xTB",
            "--set methood: xtb has no such option; did you mean method?",
        ),
        ("-n 3 --set a=1", "--set a=1 is for a calculator; name one with --label"),
        ("-n 3 --label xtb --format vasp", "--label xtb writes a database; leave --format vasp"),
        ("-n 3 --format db --out sampled.db --force", "sampled.db is the file that is read; name"),
        ("-n 3 --out no/where.xyz", "is missing or cannot be written"),
        ("-n 3 --format vasp --vacuum 0", "--vacuum 0.0 is not a number above 0 (Å); give for"),
        ("-n 3 --format cif", "--format 'cif' is unknown; choose from extxyz, db, vasp"),
        ("-n 3 --method best", "--method 'best' is unknown; choose from random, farthest"),
        ("-n 3 --method farthest --pool 0", "--pool 0 is not a whole number of at least 1"),
    ],
)
def test_wrong_settings_are_reported_in_one_sentence(sampled, capsys, words, message):
    assert select(*words.split()) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert os.listdir() == ["sampled.db"]


def test_missing_and_unreadable_data(sampled, capsys):
    assert main(["select", "nowhere.db", "-n", "1"]) == 1
    Path("torn.db").write_text("no database")
    assert main(["select", "torn.db", "-n", "1"]) == 1
    error = capsys.readouterr().err
    assert "DATA nowhere.db does not exist" in error and "torn.db cannot be read as an ASE" in error


def test_an_existing_file_stays(sampled, capsys):
    Path("selected.xyz").write_text("mine")
    assert select("-n", "2") == 1
    assert "name another target or give --force" in capsys.readouterr().err
    assert Path("selected.xyz").read_text() == "mine"
    assert select("-n", "2", "--force") == 0
    assert len(read("selected.xyz", ":")) == 2


@pytest.mark.slow
def test_a_killed_run_continues(sampled):
    """The process is killed while it labels, without clean-up."""
    Path("slow_calculator.py").write_text(
        "import time\n"
        "from pathlib import Path\n"
        "from ase.calculators.emt import EMT\n"
        "class Slow(EMT):\n"
        "    def calculate(self, *args, **kwargs):\n"
        "        time.sleep(0.2)\n"
        "        calls = Path('calls')\n"
        "        calls.write_text(str(1 + int(calls.read_text() if calls.exists() else 0)))\n"
        "        super().calculate(*args, **kwargs)\n"
    )
    command = [
        sys.executable,
        "-c",
        "import sys; from gpip_plugins.cli import main; sys.exit(main())",
    ]
    command += ["select", "sampled.db", "-n", "20", "--label", "slow_calculator:Slow"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
    begun = subprocess.Popen(command, env=environment)
    while begun.poll() is None:
        time.sleep(0.1)
        calls = Path("calls")
        # When the fourth is started, three are finished.
        if calls.exists() and calls.read_text() >= "4":
            begun.kill()
            begun.wait()
    assert begun.returncode == -signal.SIGKILL and not Path("labels.db").exists()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(ASEAtomsData("labels.db")) == 20
    assert int(Path("calls").read_text()) <= 21  # one may have been cut off
