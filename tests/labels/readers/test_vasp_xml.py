"""The ionic steps of a vasprun.xml, at every door: file, folder of a run, folder of runs."""

import gzip

import numpy as np
import pytest
from ase.units import GPa

from gpip_plugins.errors import InputError
from gpip_plugins.labels.importing import import_labels
from gpip_plugins.labels.readers import FAULT, reader_of

CUBE = "<v>4.0 0.0 0.0</v><v>0.0 4.0 0.0</v><v>0.0 0.0 4.0</v>"
HEAD = f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <parameters><separator name="electronic"><i type="int" name="NELM"> 6</i>
  <i name="NELECT"> {{nelect}}</i></separator><i name="PSTRESS"> {{pstress}}</i></parameters>
 <atominfo><atoms> 2 </atoms><array name="atoms"><set>
  <rc><c>Cu</c><c> 1</c></rc><rc><c>O </c><c> 2</c></rc></set></array>
  <array name="atomtypes"><set>
   <rc><c> 1</c><c>Cu</c><c>63.5</c><c>11.0</c><c>PAW_PBE Cu</c></rc>
   <rc><c> 1</c><c>O </c><c>16.0</c><c>6.0</c><c>PAW_PBE O</c></rc></set></array></atominfo>
 <structure name="initialpos"><crystal><varray name="basis">{CUBE}</varray></crystal>
  <varray name="positions"><v>0 0 0</v><v>0.5 0.5 0.5</v></varray></structure>
"""
ELECTRONIC = (
    '<scstep><energy><i name="e_fr_energy"> -9.7</i><i name="e_wo_entrp"> -9.5</i>'
    '<i name="e_0_energy"> -9.6</i></energy></scstep>'
)
TAIL = "</modeling>\n"


def step(k, electronic=3, forces="<v>0.1 0.0 0.0</v><v>-0.1 0.0 0.0</v>"):
    """Return the k-th ionic step; a dispersion correction is in its final energy only."""
    return f"""<calculation>{ELECTRONIC * electronic}
 <structure><crystal><varray name="basis">{CUBE}</varray></crystal>
 <varray name="positions"><v>0.0 0.0 0.0</v><v>0.5 0.5 0.{50 + k}</v></varray></structure>
 <varray name="forces">{forces}</varray>
 <varray name="stress"><v>10 5 0</v><v>5 20 0</v><v>0 0 30</v></varray>
 <energy><i name="e_fr_energy"> {-10.0 - k}</i><i name="e_wo_entrp"> 0</i>
 <i name="e_0_energy"> 0</i></energy></calculation>
"""


def vasprun(*steps, nelect=17.0, pstress=0.0):
    return HEAD.format(nelect=nelect, pstress=pstress) + "".join(steps) + TAIL


def frames_of(path):
    reader = reader_of(str(path))
    return list(reader.frames(str(path))), reader.notes


@pytest.fixture
def run(tmp_path):
    """Return a function: text to the vasprun.xml of runs/a."""

    def write(text):
        (tmp_path / "runs" / "a").mkdir(parents=True, exist_ok=True)
        path = tmp_path / "runs" / "a" / "vasprun.xml"
        path.write_text(text)
        return path

    return write


def test_every_step_with_the_energy_of_the_forces(run):
    frames, notes = frames_of(run(vasprun(step(0), step(1))))
    assert [frame.get_potential_energy() for frame in frames] == [-10.0, -11.0]
    assert frames[1].get_chemical_symbols() == ["Cu", "O"]
    np.testing.assert_allclose(frames[1].positions[1], [2.0, 2.0, 2.04])
    np.testing.assert_allclose(frames[0].get_forces()[1], [-0.1, 0, 0])
    expected = -0.1 * GPa * np.array([10, 20, 30, 0, 0, 5])
    np.testing.assert_allclose(frames[0].get_stress(), expected, atol=1e-12)
    assert frames[0].info == {"energy_sigma0": pytest.approx(-9.9)}
    assert "TOTEN" in notes[0] and "differs by up to 0.1 eV (energy_key=energy_sigma0" in notes[0]


@pytest.mark.parametrize("door", ["vasprun.xml", ".", ".."])
def test_unconverged_steps_are_no_labels_at_any_door(run, tmp_path, door):
    path = run(vasprun(step(0), step(1, electronic=6), step(2)))
    source = str((path.parent / door).resolve())
    faults = [frame.info.get(FAULT) for frame in frames_of(source)[0]]
    assert faults == [None, "an electronic cycle that did not converge", None]
    target = str(tmp_path / "o.db")
    with pytest.raises(InputError, match=r"1 of the 3 frames .* did not converge \(frame 1\)"):
        import_labels(source, target, accept_implausible=True)
    report = import_labels(source, target, skip_unlabelled=True, accept_implausible=True)
    assert report.written == 2


def test_steps_of_a_machine_learned_force_field_are_left_out_and_counted(run):
    frames, notes = frames_of(run(vasprun(step(0, electronic=0), step(1), step(2, electronic=0))))
    assert [frame.get_potential_energy() for frame in frames] == [-11.0]
    assert "2 results of a machine-learned force field were left out" in notes[0]
    assert "vasprun.xml: 2" in notes[0]


def test_complete_steps_of_a_file_that_breaks_off(run):
    text = vasprun(step(0), step(1))
    frames, _ = frames_of(run(text[: text.rindex("<varray name=")]))
    assert frames[0].get_potential_energy() == -10.0
    assert [frame.info.get(FAULT) for frame in frames] == [None, "a vasprun.xml that breaks off"]
    assert "***" in frames_of(run(vasprun(step(0, forces="<v>*** 0 0</v>"))))[0][0].info[FAULT]
    assert frames_of(run(vasprun()))[0][0].info[FAULT] == "a vasprun.xml without a result"


def test_external_pressure_and_charge(run):
    (frame,), _ = frames_of(run(vasprun(step(0), nelect=16.0, pstress=50.0)))
    assert frame.get_potential_energy() == pytest.approx(-10.0 - 50.0 * 0.1 * GPa * 64.0)
    assert frame.info["charge"] == 1.0


def test_packed_and_nested_runs(run, tmp_path):
    path = run(vasprun(step(0)))
    deep = tmp_path / "runs" / "b" / "c"
    deep.mkdir(parents=True)
    with gzip.open(deep / "vasprun.xml.gz", "wt") as file:
        file.write(vasprun(step(3), step(4)))
    (deep / "OUTCAR").write_text("not read beside a vasprun.xml")
    frames, _ = frames_of(tmp_path / "runs")
    assert [frame.get_potential_energy() for frame in frames] == [-10.0, -13.0, -14.0]
    assert len(reader_of(str(tmp_path)).files(str(tmp_path))) == 2
    (deep / "type.raw").write_text("0")
    with pytest.raises(InputError, match=r"holds a folder of DeePMD-kit .* and VASP"):
        reader_of(str(path.parent.parent))
