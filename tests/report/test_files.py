"""What a killed report left behind is removed by the next one."""

from gpip_plugins.report.files import write_files


def test_leftovers_of_a_killed_report_are_removed(tmp_path):
    left = tmp_path / "report" / ".partabcd"
    left.mkdir(parents=True)
    (left / "energies.png").write_text("half")
    (tmp_path / "report" / ".report.lock").write_text("")
    write_files(tmp_path / "report", {"n_frames": 1}, {}, {})
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["quality.json"]
