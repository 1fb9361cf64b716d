"""Results of VASP from OUTCAR, where no vasprun.xml was kept."""

import numpy as np
import pytest

from gpip_plugins.labels.readers import FAULT, reader_of

# The lines that matter, in the columns of VASP 5.4.4: one ionic step of water in a cell of 35 Å.
HEADER = """ vasp.5.4.4.18Apr17-6-g9f103f2a35 (build May 30 2019 08:13:19) complex
 POTCAR:    PAW_PBE O_h 06Feb2004
 POTCAR:    PAW_PBE H_h 06Feb2004
 POTCAR:    PAW_PBE O_h 06Feb2004
 POTCAR:    PAW_PBE H_h 06Feb2004
   k-points           NKPTS =      1   k-points in BZ     NKDIM =      1   number of bands NBANDS= 8
   NELM   =     {nelm};   NELMIN=  2; NELMDL= -5     # of ELM steps
   ISPIN  =      1    spin polarized calculation?
   ions per type =               1   2
 k-points in reciprocal lattice and weights: Gamma
   0.00000000  0.00000000  0.00000000       1.000


"""
ITERATION = (
    "--------------------------------------- Iteration      1({step:4d})"
    "  ---------------------------------------\n\n"
    "  Free energy of the ion-electron system (eV)\n"
    "  ---------------------------------------------------\n"
    "  free energy    TOTEN  =       -14.23810000 eV\n\n"
)
REACHED = "------------------------ aborting loop because EDIFF is reached ----------------\n\n"
UNCONVERGED = "---------------- aborting loop EDIFF was not reached (unconverged)  --------\n\n"
RESULT = """  in kB       0.01350     0.01294     0.01991    -0.00279    -0.01510    -0.00229
 VOLUME and BASIS-vectors are now :
 -----------------------------------------------------------------------------
  volume of cell :    42875.00
      direct lattice vectors                 reciprocal lattice vectors
    35.000000000  0.000000000  0.000000000     0.028571429  0.000000000  0.000000000
     0.000000000 35.000000000  0.000000000     0.000000000  0.028571429  0.000000000
     0.000000000  0.000000000 35.000000000     0.000000000  0.000000000  0.028571429

 POSITION                                       TOTAL-FORCE (eV/Angst)
 -----------------------------------------------------------------------------------
      2.28857     34.85348     34.88379        -0.634882      0.131783      0.105752
      2.85893     34.26371      0.38082         0.316279     -0.418309      0.390291
      2.86057      0.20447     34.19842         0.318603      0.286526     -0.496043
 -----------------------------------------------------------------------------------
    total drift:                               -0.000074     -0.000005     -0.000076

--------------------------------------------------------------------------------------------------------

  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  ---------------------------------------------------
  free  energy   TOTEN  =       -14.23819236 eV

  energy  without entropy=      -14.23819236  energy(sigma->0) =      -14.23821111

 General timing and accounting informations for this job:
"""


def outcar(steps=12, nelm=60, end=REACHED):
    """Return an OUTCAR with the given number of electronic steps."""
    iterations = "".join(ITERATION.format(step=k) for k in range(1, steps + 1))
    return HEADER.format(nelm=nelm) + iterations + end + RESULT


@pytest.fixture
def read(tmp_path):
    """Return a function: the text of an OUTCAR to the frame that is read from its folder."""

    def one(text):
        (tmp_path / "frame_0").mkdir()
        (tmp_path / "frame_0" / "OUTCAR").write_text(text)
        (frame,) = reader_of(str(tmp_path)).frames(str(tmp_path))
        return frame

    return one


def test_energy_and_forces_are_those_of_the_last_step(read):
    frame = read(outcar())
    assert FAULT not in frame.info
    assert frame.get_chemical_symbols() == ["O", "H", "H"]
    assert frame.get_potential_energy() == -14.23819236  # TOTEN, to which the forces belong
    assert frame.info["energy_sigma0"] == -14.23821111
    np.testing.assert_allclose(frame.get_forces()[1], [0.316279, -0.418309, 0.390291])
    np.testing.assert_allclose(frame.cell, 35.0 * np.eye(3))
    np.testing.assert_allclose(frame.get_distances(0, [1, 2], mic=True), [0.96, 0.96], atol=0.01)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(outcar(steps=60, end=UNCONVERGED), id="VASP 6 says so"),
        pytest.param(outcar(steps=60, end=REACHED), id="VASP 5 calls it converged"),
    ],
)
def test_used_up_electronic_steps_are_no_result(read, text):
    assert read(text).info[FAULT] == "an electronic cycle that did not converge"


def test_as_many_steps_as_allowed_but_one_are_a_result(read):
    assert FAULT not in read(outcar(steps=59)).info


@pytest.mark.parametrize(
    "last",
    [
        pytest.param("Iteration      1(   7)", id="in the electronic cycle"),
        pytest.param("POSITION   ", id="before the forces"),
        pytest.param("      2.86057      0.20447", id="among the forces"),
        pytest.param("  energy  without entropy=", id="before the energy"),
    ],
)
def test_an_incomplete_outcar_is_reported_and_not_read(read, last):
    text = outcar()
    assert read(text[: text.index(last)]).info[FAULT] == "an OUTCAR that breaks off"


#: What on-the-fly machine learning prints, before or instead of the ab initio result.
LEARNED = (
    RESULT.replace("(eV/Angst)", "(eV/Angst) (ML)")
    .replace("FREE ENERGIE", "ML FREE ENERGIE")
    .replace("free  energy   TOTEN  =       -14", "free  energy ML TOTEN  =       -15")
    .replace("energy  without", "ML energy  without")
    .replace("energy(sigma", "ML energy(sigma")
    .replace("35.000000000", "36.000000000")
)


def test_ab_initio_steps_among_those_of_a_machine_learned_force_field(tmp_path):
    path = tmp_path / "OUTCAR"
    text = outcar()
    path.write_text(text.replace(RESULT, LEARNED + RESULT) + LEARNED + LEARNED)
    reader = reader_of(str(path))
    (frame,) = reader.frames(str(path))
    assert frame.get_potential_energy() == -14.23819236 and frame.cell[0, 0] == 35.0
    assert "3 results of a machine-learned force field were left out" in reader.notes[0]


def test_all_ionic_steps_of_a_file_and_where_it_breaks_off(tmp_path):
    path = tmp_path / "run7.OUTCAR"
    again = outcar()[len(HEADER.format(nelm=60)) :].replace("-14.23819236", "-14.50000000")
    path.write_text(outcar() + again + again[:-900])
    frames = list(reader_of(str(path)).frames(str(path)))
    assert [frame.get_potential_energy() for frame in frames[:2]] == [-14.23819236, -14.5]
    assert frames[2].info[FAULT] == "an OUTCAR that breaks off"


def test_columns_that_touch_or_overflow(read):
    text = outcar().replace(" 0.131783      0.105752", "-0.131783-1000.105752")
    np.testing.assert_allclose(read(text).get_forces()[0], [-0.634882, -0.131783, -1000.105752])


def test_stars_are_not_numbers(read):
    assert "***" in read(outcar().replace("0.131783", "********")).info[FAULT]


def test_columns_of_a_dispersion_correction(read):
    """The forces with it stand first, those without it behind them."""
    text = outcar().replace("(eV/Angst)", "(eV/Angst),           FORCE-w/o vdW (eV/Angst)")
    text = text.replace("0.105752\n", "0.105752      0.5      NaN      0.5\n")
    text = text.replace("390291\n", "390291  0.5  0.5  0.5\n").replace(
        "43\n", "43  0.5  0.5  0.5\n"
    )
    text = text.replace("-14.23819236 eV", "-14.23819236 eV    w/o vdW =       -14.1 eV")
    frame = read(text)
    assert frame.get_potential_energy() == -14.23819236
    np.testing.assert_allclose(frame.get_forces()[0], [-0.634882, 0.131783, 0.105752])


def test_forces_that_were_not_printed(read):
    text = outcar()
    start = text.index(" POSITION   ")
    cut = text[:start] + text[text.index("  FREE ENERGIE") :]
    assert "NWRITE=0" in read(cut).info[FAULT]


def test_charge_and_magnetisation(read):
    header = HEADER.format(nelm=60).replace("ISPIN  =      1", "ISPIN  =      2")
    valences = "   POMASS = 16.0; ZVAL   =  6.0 mass\n   POMASS =  1.0; ZVAL   =  1.0 mass\n"
    header += valences + "   NELECT =       9.0000    total number of electrons\n"
    moment = " number of electron       9.0000000 magnetization       1.0000000\n"
    frame = read(header + outcar()[len(HEADER.format(nelm=60)) :].replace(RESULT, moment + RESULT))
    assert frame.info["charge"] == -1.0 and frame.calc.results["magmom"] == 1.0
