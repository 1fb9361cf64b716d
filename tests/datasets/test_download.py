"""Interrupted downloads continue, and files are compared with their checksum."""

import hashlib
import http.server
import threading

import pytest

from gpip_plugins.datasets.download import download
from gpip_plugins.errors import InputError

CONTENT = bytes(range(256)) * 40


class Server(http.server.BaseHTTPRequestHandler):
    """Sends CONTENT, or only the requested range if `ranges`; stops after `limit`."""

    ranges, limit = True, None
    asked: list[str | None] = []

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.ranges else 0
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.limit])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    handler = type("Handler", (Server,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield handler, f"http://127.0.0.1:{running.server_port}/file"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_continues(server, tmp_path, ranges):
    handler, url = server
    handler.ranges, handler.limit = ranges, 3000
    target, right = tmp_path / "file", hashlib.md5(CONTENT).hexdigest()
    with pytest.raises(InputError, match=r"3000 of 10240 bytes.*start again"):
        download(url, str(target), right, progress=False)
    assert not target.exists()
    handler.limit = None
    download(url, str(target), right, progress=False)
    assert target.read_bytes() == CONTENT
    assert handler.asked == [None, "bytes=3000-"]
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_download_with_another_checksum_is_removed(server, tmp_path):
    with pytest.raises(InputError, match="another MD5 than 00"):
        download(server[1], str(tmp_path / "file"), "0" * 32, progress=False)
    assert not list(tmp_path.iterdir())
