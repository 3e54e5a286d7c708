"""A hub of models on this machine, for tests: what huggingface_hub asks of one, over loopback HTTP, from a folder."""

import hashlib
import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class FakeHub:
    """Serves `root`/OWNER/NAME as repositories. licence: by repository, as their cards say; gated, private: those that
    want another account; cut: by file, after so many bytes of an answer the connection ends, and from then on the
    hub is down; spoilt: files that come with another byte; down: it answers 503. got: bytes sent, by file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.licences: dict[str, str] = {}
        self.gated: set[str] = set()
        self.private: set[str] = set()
        self.cut: dict[str, int] = {}
        self.spoilt: set[str] = set()
        self.down = False
        self.got: Counter[str] = Counter()
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_args) -> None:
                pass

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def do_GET(self) -> None:
                hub.answer(self, body=True)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @staticmethod
    def commit(repository: str) -> str:
        """The only commit of a repository."""
        return hashlib.sha1(repository.encode()).hexdigest()

    def answer(self, request: BaseHTTPRequestHandler, body: bool) -> None:
        path = unquote(urlsplit(request.path).path)
        self.asked.append(path)
        words = path.strip("/").split("/")
        if self.down:
            return _say(request, 503)
        api = words[:2] == ["api", "models"]
        owner, name, *rest = words[2:] if api else words
        repository = f"{owner}/{name}"
        commit = self.commit(repository)
        if repository in self.gated:
            return _say(request, 403, error="GatedRepo")
        if repository in self.private or not (self.root / repository).is_dir():
            return _say(request, 401, error="RepoNotFound")
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in ("main", commit):
            return _say(request, 404, error="RevisionNotFound")
        if api:
            return _say(request, 200, json.dumps(self._about(repository)).encode())
        return self._file(request, repository, "/".join(rest[2:]), body)

    def _about(self, repository: str) -> dict:
        folder = self.root / repository
        siblings = []
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            data = file.read_bytes()
            one = {"rfilename": file.relative_to(folder).as_posix(), "size": len(data), "blobId": _git(data)}
            if _large(file):
                sha = hashlib.sha256(data).hexdigest()
                one["lfs"] = {"size": len(data), "sha256": sha, "pointerSize": 130}
            siblings.append(one)
        card = {"license": self.licences[repository]} if repository in self.licences else None
        return {
            "id": repository,
            "modelId": repository,
            "sha": self.commit(repository),
            "siblings": siblings,
            "cardData": card,
            "tags": [],
        }

    def _file(self, request: BaseHTTPRequestHandler, repository: str, file: str, body: bool) -> None:
        path = self.root / repository / file
        commit = self.commit(repository)
        if not path.is_file():
            return _say(request, 404, error="EntryNotFound", commit=commit)
        data = path.read_bytes()
        etag = hashlib.sha256(data).hexdigest() if _large(path) else _git(data)
        if file in self.spoilt:
            data = data[:-1] + bytes([data[-1] ^ 1])
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        request.send_response(206 if start else 200)
        request.send_header("ETag", f'"{etag}"')
        request.send_header("X-Repo-Commit", commit)
        request.send_header("Accept-Ranges", "bytes")
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        if not body:
            return
        sent = data[start:]
        if file in self.cut:
            sent = sent[: self.cut.pop(file)]
            self.down = True
            request.close_connection = True
        self.got[file] += len(sent)
        request.wfile.write(sent)


@contextmanager
def serving(root: Path):
    """A hub of that folder, as long as this lasts."""
    hub = FakeHub(root)
    thread = threading.Thread(target=hub.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()


def _large(path: Path) -> bool:
    return path.suffix in (".safetensors", ".ckpt", ".bin")


def _git(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _say(
    request: BaseHTTPRequestHandler, status: int, data: bytes = b"", error: str = "", commit: str = ""
) -> None:
    request.send_response(status)
    for name, value in (("X-Error-Code", error), ("X-Error-Message", error), ("X-Repo-Commit", commit)):
        if value:
            request.send_header(name, value)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    if request.command == "GET":
        request.wfile.write(data)


def use(monkeypatch, hub: FakeHub | None, home: Path) -> None:
    """For this process: huggingface_hub asks that hub (None: nobody), and it and vldm keep everything below `home`."""
    from huggingface_hub import constants

    url = hub.url if hub else "http://127.0.0.1:9"  # a port that nobody listens at
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("VLDM_HOME", str(home / "vldm"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
