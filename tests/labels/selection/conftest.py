"""A sampled set: three molecules of different elements, with force-field labels to be left out."""

import numpy as np
import pytest
from ase.build import molecule
from schnetpack.data import ASEAtomsData

NAMES = ("CH3CH2OH", "H2O", "CH4")
UNITS = {"energy": "eV", "forces": "eV/Ang", "temperature": "K"}


@pytest.fixture
def sampled(tmp_path, monkeypatch):
    """Return the path of 30 frames, in nm, in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    store = ASEAtomsData.create("sampled.db", distance_unit="nm", property_unit_dict=UNITS)
    frames, labels, names = [], [], []
    for k in range(30):
        atoms = molecule(NAMES[k % 3])
        atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
        atoms.positions /= 10.0
        frames.append(atoms)
        names.append({"system": NAMES[k % 3]})
        labels.append(
            {
                "energy": np.array([-7.0]),
                "forces": np.zeros((len(atoms), 3)),
                "temperature": np.array([300.0 + 100 * (k % 2)]),
            }
        )
    with store.conn:  # one transaction
        store.add_systems(labels, frames, names)
    return tmp_path / "sampled.db"
