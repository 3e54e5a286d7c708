"""Networks that go by a name, fetched."""

import hashlib
import http.server
import threading
from dataclasses import replace

import pytest

from vldm_cli.errors import RequestError, RunError
from vldm_cli.packs.networks.fetch import fetch
from vldm_cli.packs.networks.named import NAMED, located

DATA = bytes(range(256)) * 40


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setenv("VLDM_HOME", str(tmp_path / "home"))
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers.get("Range"))
            if "gone" in self.path:
                self.send_error(404)
                return
            start = int((asked[-1] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.end_headers()
            self.wfile.write(DATA[start:])

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield (
        replace(
            NAMED["realesrgan-x4plus"],
            url=f"http://127.0.0.1:{server.server_port}/net.pth",
            size=len(DATA),
            sha256=hashlib.sha256(DATA).hexdigest(),
        ),
        asked,
    )
    server.shutdown()
    server.server_close()


def test_fetched_once_and_found(served, monkeypatch):
    network, asked = served
    counted = []
    fetch(network, counted.append)
    fetch(network, counted.append)
    assert network.kept.read_bytes() == DATA and sum(counted) == 2 * len(DATA) and len(asked) == 1
    monkeypatch.setitem(NAMED, "mine", network)
    assert located("mine", "--model") == network.kept


def test_a_broken_download_goes_on(served):
    network, asked = served
    network.kept.parent.mkdir(parents=True)
    network.kept.with_name("net.pth.part").write_bytes(DATA[:1000])
    fetch(network, lambda count: None)
    assert network.kept.read_bytes() == DATA and asked == ["bytes=1000-"]


def test_another_file_is_thrown_away(served):
    network, _ = served
    with pytest.raises(RequestError, match="wrong checksum and was thrown away"):
        fetch(replace(network, sha256="0" * 64), lambda count: None)
    assert not list(network.kept.parent.iterdir())


def test_what_is_not_there_and_what_breaks_off(served):
    network, _ = served
    with pytest.raises(RequestError, match="404"):
        fetch(replace(network, url=network.url.replace("net", "gone")), lambda count: None)
    with pytest.raises(RunError, match="broke off 5 bytes before its end"):
        fetch(replace(network, size=len(DATA) + 5), lambda count: None)
    with pytest.raises(RunError, match="could not be fetched"):
        fetch(replace(network, url="http://127.0.0.1:9/other.pth"), lambda count: None)
