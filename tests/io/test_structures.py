from ase.build import molecule

from gpip_plugins.io.structures import read_structures


def test_reading_stops_early_without_a_trace(tmp_path):
    molecule("H2O").write(tmp_path / "a.xyz.gz")
    assert len(next(read_structures(str(tmp_path / "a.xyz.gz")))) == 3
