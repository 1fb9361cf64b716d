"""Files appear complete or not at all, and unusable paths are reported."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import check_target, existing, whole_file


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with whole_file(target) as partial:
        with open(partial, "w") as handle:
            handle.write("new")
        assert target.read_text() == "old"
        assert os.path.dirname(partial) == str(tmp_path) and partial.endswith(".csv")
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["table.csv"]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError, InputError])
def test_other_faults_pass_through_and_leave_the_old_file(tmp_path, fault):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(fault), whole_file(target) as partial:
        open(partial, "w").close()
        raise fault("stop")
    assert os.listdir(tmp_path) == ["table.csv"] and target.read_text() == "old"


def test_the_file_has_the_permissions_of_any_other(tmp_path):
    mask = os.umask(0o027)
    try:
        with whole_file(tmp_path / "a.txt") as partial:
            open(partial, "w").close()
    finally:
        os.umask(mask)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_two_writers_of_one_target_do_not_share_a_file(tmp_path):
    with whole_file(tmp_path / "a.db") as first, whole_file(tmp_path / "a.db") as second:
        assert first != second
        open(first, "w").close()
        open(second, "w").close()


def test_a_full_disk_is_reported(tmp_path, full_disk):
    message = r"Writing .*a.txt failed \(File too large\); free some space or correct the perm"
    with (
        full_disk(1000),
        pytest.raises(InputError, match=message),
        whole_file(tmp_path / "a.txt") as partial,
    ):
        Path(partial).write_bytes(bytes(5000))
    with (
        full_disk(4000),
        pytest.raises(InputError, match=r"Writing .*a.db failed"),
        whole_file(tmp_path / "a.db") as partial,
        contextlib.closing(sqlite3.connect(partial)) as base,
    ):
        base.execute("create table t (x)")
        base.execute("insert into t values (?)", (bytes(50_000),))
        base.commit()
    assert os.listdir(tmp_path) == []


def test_a_missing_folder(tmp_path):
    with (
        pytest.raises(InputError, match=r"Writing .*a.txt failed \(No such file"),
        whole_file(tmp_path / "no" / "a.txt") as partial,
    ):
        Path(partial).touch()


def test_files_that_must_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.xyz").touch()
    assert existing("datapath", "a.xyz", "name a file") == str(tmp_path / "a.xyz")
    with pytest.raises(InputError) as caught:
        existing("datapath", "b.xyz", "name a file")
    full = tmp_path / "b.xyz"
    assert str(caught.value) == f"datapath=b.xyz does not exist (looked for {full}); name a file."
    with pytest.raises(InputError, match=rf"^datapath={full} does not exist; name a file\.$"):
        existing("datapath", full, "name a file")


def test_targets(tmp_path):
    source, target = str(tmp_path / "a.xyz"), str(tmp_path / "b.xyz")
    open(source, "w").close()
    check_target(target, (".xyz", ".npz"), False, source)
    with pytest.raises(InputError, match=r"b.xyz must end in .db; rename it"):
        check_target(target, (".db",), False, source)
    with pytest.raises(InputError, match=r"must end in one of .db, .npz; rename it"):
        check_target(target, (".db", ".npz"), False, source)
    with pytest.raises(InputError, match=r"is missing or cannot be written"):
        check_target(str(tmp_path / "no" / "b.xyz"), (".xyz",), False, source)
    open(target, "w").close()
    with pytest.raises(InputError, match=r"exists already; .* give overwrite=True"):
        check_target(target, (".xyz",), False, source)
    check_target(target, (".xyz",), True, source)
    with pytest.raises(InputError, match=r"is the file that is read"):
        check_target(source, (".xyz",), True, source)
    (tmp_path / "c.xyz").mkdir()
    with pytest.raises(InputError, match=r"exists already and is a folder"):
        check_target(str(tmp_path / "c.xyz"), (".xyz",), True, source)


def test_leftovers_of_a_killed_writer_are_removed_by_the_next(tmp_path):
    target = tmp_path / "a.db"
    writer = (
        "import os, sys, pathlib; from gpip_plugins.io.paths import whole_file\n"
        "with whole_file(sys.argv[1]) as part:\n"
        "    pathlib.Path(part).touch(); pathlib.Path(part + '-journal').touch(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", writer, target]).returncode == 9
    assert len(os.listdir(tmp_path)) == 3
    other = tmp_path / ".a.b.0a1b2c3d.part.db"
    other.touch()  # of another target
    with whole_file(target) as living, open(living, "w"):
        with whole_file(target) as part:
            Path(part).touch()
        assert os.path.exists(living), "of a process that is alive"
        assert len(os.listdir(tmp_path)) == 4
    assert sorted(os.listdir(tmp_path)) == [other.name, "a.db"]


def test_the_second_of_two_writers_does_not_replace_the_first(tmp_path):
    target = tmp_path / "a.db"
    with (
        pytest.raises(InputError, match=r"a.db was written by another process .* overwrite=True"),
        whole_file(target, overwrite=False) as second,
    ):
        Path(second).write_text("second")
        with whole_file(target, overwrite=False) as first:
            Path(first).write_text("first")
    assert target.read_text() == "first" and os.listdir(tmp_path) == ["a.db"]
