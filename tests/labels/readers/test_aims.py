"""Outputs of FHI-aims: a short one in its columns, and those of ASE's tests."""

from pathlib import Path

import ase.test
import numpy as np
import pytest

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers import FAULT

WRITTEN = Path(ase.test.__file__).parent / "testdata" / "aims"
TITLE = "          Invoking FHI-aims ...\n"
SINGLE = f"""{TITLE}  Input geometry:
  | Unit cell:
  |        9.00000000        0.00000000        0.00000000
  |        0.00000000        9.00000000        0.00000000
  |        0.00000000        0.00000000        9.00000000
  | Atomic structure:
  |       Atom                x [A]            y [A]            z [A]
  |    1: Species O             0.00000000        0.00000000        0.11779000
  |    2: Species H             0.00000000        0.75545300       -0.47116100
  Self-consistency cycle converged.
  | Total energy corrected        :         -0.204000100000000E+04 eV  <-- do not rely on this
  | Electronic free energy        :         -0.204000200000000E+04 eV
  Total atomic forces (unitary forces cleaned) [eV/Ang]:
  |    1     0.10000000000000E+00          0.00000000000000E+00         -0.20000000000000E+00
  |    2    -0.10000000000000E+00          0.00000000000000E+00          0.20000000000000E+00
          Have a nice day.
"""


def test_a_single_point(read):
    (frame,) = read(SINGLE)
    assert frame.get_chemical_symbols() == ["O", "H"] and frame.pbc.all()
    assert frame.get_potential_energy() == -2040.002  # the free energy, to which forces belong
    assert frame.info == {"energy_sigma0": -2040.001}
    np.testing.assert_allclose(frame.get_forces(), [[0.1, 0, -0.2], [-0.1, 0, 0.2]])


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("cycle converged.", "cycle not yet converged - restarting", "did not converge"),
        ("Have a nice day.", "", "breaks off"),
        ("Species O ", "Species Oz", "not named as elements"),
    ],
)
def test_what_is_no_result(read, old, new, fault):
    assert fault in read(SINGLE.replace(old, new))[-1].info[FAULT]


@pytest.mark.skipif(not WRITTEN.exists(), reason="this ASE brings no test data")
def test_the_structures_belong_to_their_steps(read):
    """A relaxation prints the next structure below a step, dynamics that of the step."""
    relaxed = read(TITLE + (WRITTEN / "relax.out").read_text())
    assert len(relaxed) == 8 and relaxed[0].get_volume() == pytest.approx(48.9295, abs=1e-3)
    assert relaxed[1].get_volume() == pytest.approx(46.7717, abs=1e-3)
    assert relaxed[1].get_potential_energy() == -15747.8216496768
    pressure = -relaxed[1].get_stress()[:3].mean()
    difference = relaxed[1].get_potential_energy() - relaxed[0].get_potential_energy()
    change = relaxed[1].get_volume() - relaxed[0].get_volume()
    first = -relaxed[0].get_stress()[:3].mean()
    assert difference == pytest.approx(-change * (pressure + first) / 2, rel=0.05)
    moved = read(TITLE + (WRITTEN / "md.out").read_text())
    assert [frame.positions[1, 0] for frame in moved][:2] == [0.9584, 0.93156204]
    assert moved[1].get_potential_energy() == -2067.71612747705
    socket = read(TITLE + (WRITTEN / "socket.out").read_text())
    assert socket[1].positions[1, 0] == 0.96112981
    with pytest.raises(InputError, match="compute_analytical_stress"):
        read(TITLE + (WRITTEN / "numerical_stress.out").read_text())
