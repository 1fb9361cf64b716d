"""Outputs of ORCA: short files in its columns."""

import numpy as np
import pytest
from ase.units import Hartree

from gpip_plugins.labels.readers import FAULT, reader_of

ORCA = """                                 *****************
                                 * O   R   C   A *
                                 *****************
 Total Charge           Charge          ....    1
 Multiplicity           Mult            ....    2
---------------------------------
CARTESIAN COORDINATES (ANGSTROEM)
---------------------------------
  O      0.000000    0.000000    0.117790
  H      0.000000    0.755453   -0.471161
{rows}
FINAL SINGLE POINT ENERGY {note}      -76.323345612345

------------------
CARTESIAN GRADIENT
------------------

   1   O   :    0.000000001   -0.001500000    0.016107000
   2   H   :   -0.000000001    0.001500000   -0.016107000

                             ****ORCA TERMINATED NORMALLY****
"""
STEP = """---------------------------------
CARTESIAN COORDINATES (ANGSTROEM)
---------------------------------
  O      0.000000    0.000000    0.200000
  H      0.000000    0.755453   -0.471161

"""


def test_orca(read):
    (frame,) = read(ORCA.format(rows="", note=""))
    assert frame.get_chemical_symbols() == ["O", "H"] and not frame.pbc.any()
    assert frame.info == {"charge": 1, "spin_multiplicity": 2}
    assert frame.get_potential_energy() == pytest.approx(-76.323345612345 * Hartree)
    np.testing.assert_allclose(
        frame.get_forces()[0], [-5.1422e-8, 0.0771331, -0.8282592], rtol=1e-4
    )


@pytest.mark.parametrize("what", ["SCF", "Wavefunction"])
def test_orca_says_itself_that_a_cycle_did_not_converge(read, what):
    (frame,) = read(ORCA.format(rows="", note=f"({what} not fully converged!)"))
    assert "did not converge" in frame.info[FAULT]


def test_an_optimisation_of_orca_has_every_step_and_says_where_it_breaks_off(read):
    whole = ORCA.format(rows="", note="")
    cut = whole.replace("****ORCA TERMINATED NORMALLY****", "") + STEP
    first, second = read(cut)
    assert first.get_potential_energy() == pytest.approx(-76.323345612345 * Hartree)
    assert second.info[FAULT] == "an output that breaks off"
    assert second.info[FAULT] != read(cut + "SCF NOT CONVERGED AFTER 125 CYCLES")[1].info[FAULT]
    last = STEP + "FINAL SINGLE POINT ENERGY      -76.4\n\n ****ORCA TERMINATED NORMALLY****\n"
    _, final = read(whole + last)
    assert final.positions[0, 2] == 0.2 and set(final.calc.results) == {"energy"}


def test_a_folder_of_single_points(tmp_path, frames_of):
    for k in range(2):
        (tmp_path / f"{k}.out").write_text(ORCA.format(rows="", note=""))
    (tmp_path / "job.sh").write_text("sbatch")
    assert len(frames_of(tmp_path)) == 2
    assert [file.name for file in reader_of(str(tmp_path)).files(str(tmp_path))] == [
        "0.out",
        "1.out",
    ]
