import pytest

from gpip_plugins.labels.readers import reader_of


@pytest.fixture(scope="session")
def frames_of():
    """Return a function: path of a file or folder to all its frames."""
    return lambda path: list(reader_of(str(path)).frames(str(path)))


@pytest.fixture
def read(tmp_path, frames_of):
    """Return a function: text of an output, and the name of its file, to its frames."""

    def write_and_read(text, name="job.out"):
        (tmp_path / name).write_text(text)
        return frames_of(tmp_path / name)

    return write_and_read
