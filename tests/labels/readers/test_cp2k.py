"""Outputs and trajectories of CP2K: short files in its columns."""

import numpy as np
import pytest
from ase.units import Bohr, GPa, Hartree

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers import FAULT

CP2K = """ DBCSR| Multiplication driver                                               BLAS
 PROGRAM STARTED AT               2024-01-01 12:00:00.000
 CP2K| version string:                                       CP2K version {version}
 CELL| Vector a [angstrom]:       9.000     0.000     0.000   |a| =      9.000000
 CELL| Vector b [angstrom]:       0.000     9.000     0.000   |b| =      9.000000
 CELL| Vector c [angstrom]:       0.000     0.000     9.000   |c| =      9.000000
 DFT| Charge                                                                   -1
 MODULE QUICKSTEP: ATOMIC COORDINATES IN ANGSTROM

   Atom Kind Element         X             Y             Z       Z(eff)     Mass
      1    1 O     8      0.000000      0.000000      0.117790   6.0000  15.9994
      2    2 H     1      0.000000      0.755453     -0.471161   1.0000   1.0079

  *** SCF run {end} ***
{results}
 PROGRAM ENDED AT                 2024-01-01 12:00:10.000
"""
OLD = """ ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:              -17.165012345678
 ATOMIC FORCES in [a.u.]

 # Atom   Kind   Element          X              Y              Z
      1      1      O           0.01000000     0.00000000    -0.02000000
      2      2      H          -0.01000000     0.00000000     0.02000000
 SUM OF ATOMIC FORCES           0.00000000     0.00000000     0.00000000     0.00000000

 STRESS TENSOR [GPa]

            X               Y               Z
  X       2.00000000      0.50000000      0.00000000
  Y       0.50000000      3.00000000      0.00000000
  Z       0.00000000      0.00000000      4.00000000
"""
NEW = """ ENERGY| Total FORCE_EVAL ( QS ) energy [hartree]            -17.165012345678
 FORCES| Atomic forces [hartree/bohr]
 FORCES|   Atom     x               y               z               |f|
 FORCES|      1  1.00000000E-02  0.00000000E+00 -2.00000000E-02   2.23606798E-02
 FORCES|      2 -1.00000000E-02  0.00000000E+00  2.00000000E-02   2.23606798E-02
 FORCES| Sum     0.00000000E+00  0.00000000E+00  0.00000000E+00
 STRESS| Analytical stress tensor [bar]
 STRESS|                        x                   y                   z
 STRESS|      x        2.00000000000E+04   5.00000000000E+03   0.00000000000E+00
 STRESS|      y        5.00000000000E+03   3.00000000000E+04   0.00000000000E+00
 STRESS|      z        0.00000000000E+00   0.00000000000E+00   4.00000000000E+04
"""
CONVERGED = "converged in    12 steps"


@pytest.mark.parametrize(("version", "results"), [("2024.1", OLD), ("2025.1", NEW)])
def test_a_single_point_of_cp2k(read, version, results):
    (frame,) = read(CP2K.format(version=version, end=CONVERGED, results=results))
    assert frame.get_chemical_symbols() == ["O", "H"] and frame.pbc.all()
    assert frame.cell.lengths() == pytest.approx([9.0] * 3) and frame.info["charge"] == -1
    assert frame.get_potential_energy() == pytest.approx(-17.165012345678 * Hartree)
    np.testing.assert_allclose(frame.get_forces()[0], np.array([0.01, 0, -0.02]) * Hartree / Bohr)
    # CP2K's stress is positive under compression, ASE's under tension
    np.testing.assert_allclose(frame.get_stress(), -GPa * np.array([2, 3, 4, 0, 0, 0.5]))


def test_what_cp2k_did_not_finish_has_no_labels(read):
    text = CP2K.format(version="2024.1", end="NOT converged", results=OLD)
    assert "did not converge" in read(text)[0].info[FAULT]
    cut = CP2K.format(version="2024.1", end=CONVERGED, results=OLD).partition(" PROGRAM ENDED")[0]
    assert "breaks off" in read(cut)[0].info[FAULT]
    with pytest.raises(InputError, match="2 energies but the positions of the first; give PROJECT"):
        read(CP2K.format(version="2024.1", end=CONVERGED, results=OLD + OLD))


TRAJECTORY = "  2\n i = {step:8d}, time = {time:.3f}, E = {energy:.10f}\n{rows}"


@pytest.fixture
def run(tmp_path):
    """Write two steps of a run of CP2K; return its folder."""
    for part, x in (("pos", 1.0), ("frc", 0.01)):
        rows = [f" O {x * k:.8f} 0.0 0.0\n H 0.0 {x:.8f} 0.0\n" for k in (0, 2)]
        text = "".join(
            TRAJECTORY.format(step=5 * k, time=2.5 * k, energy=-17.1 - 0.1 * k, rows=rows[k])
            for k in (0, 1)
        )
        (tmp_path / f"md-{part}-1.xyz").write_text(text)
    cells = (
        "# Step Time [fs] Ax ...\n 0 0.0 9 0 0 0 9 0 0 0 9 729\n 5 2.5 10 0 0 0 10 0 0 0 10 1000\n"
    )
    (tmp_path / "md-1.cell").write_text(cells)
    return tmp_path


def test_a_run_of_cp2k_needs_its_forces_and_cells(run, frames_of):
    first, second = frames_of(run / "md-pos-1.xyz")
    assert first.get_potential_energy() == pytest.approx(-17.1 * Hartree)
    assert second.get_potential_energy() == pytest.approx(-17.2 * Hartree)
    np.testing.assert_allclose(second.get_forces()[0], [0.02 * Hartree / Bohr, 0, 0])
    assert second.positions[0, 0] == 2.0 and second.get_volume() == pytest.approx(1000)
    assert len(frames_of(run)) == 2  # the folder
    with pytest.raises(InputError, match=r"frc-1\.xyz has no positions; give md-pos-1\.xyz"):
        frames_of(run / "md-frc-1.xyz")
    forces = (run / "md-frc-1.xyz").read_text()
    (run / "md-frc-1.xyz").write_text(forces.replace("i =        5", "i =        6"))
    with pytest.raises(InputError, match="does not have step 5"):
        frames_of(run / "md-pos-1.xyz")
    (run / "md-1.cell").unlink()
    with pytest.raises(InputError, match=r"states no cell; put md-1\.cell, md-1\.restart or the"):
        frames_of(run / "md-pos-1.xyz")


def test_the_output_beside_a_run_tells_what_did_not_converge(run, frames_of):
    energy = " ENERGY| Total FORCE_EVAL ( QS ) energy [hartree]            {}\n"
    output = CP2K.format(version="2025.1", end=CONVERGED, results=energy.format("-17.1000000000"))
    output += "  *** SCF run NOT converged ***\n" + energy.format("-17.2000000000")
    (run / "md.out").write_text(output)
    (run / "md-1.cell").unlink()
    first, second = frames_of(run)
    assert first.get_volume() == pytest.approx(729) and "did not converge" in second.info[FAULT]
    (run / "md.out").write_text(output + " MD| Ensemble Type   NPT_I")
    with pytest.raises(InputError, match="has a cell that changes"):
        frames_of(run)


def test_the_cell_of_a_restart_file(run, frames_of):
    (run / "md-1.cell").unlink()
    restart = "&SUBSYS\n   &CELL\n A 8.0 0.0 0.0\n B 0.0 8.0 0.0\n C 0.0 0.0 8.0\n   &END CELL\n"
    (run / "md-1.restart").write_text(restart)
    assert frames_of(run / "md-pos-1.xyz")[1].get_volume() == pytest.approx(512)
    (run / "md-1.restart").write_text(restart.replace("   &END", " PERIODIC NONE\n   &END"))
    assert not frames_of(run / "md-pos-1.xyz")[1].pbc.any()
