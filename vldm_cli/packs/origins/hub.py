"""The hub, through huggingface_hub: what a repository holds, and fetching one file of it. With `networks.fetch`
the only place in vldm that uses a network, and only for `vldm packs pull`.

Its settings are huggingface_hub's own: HF_HOME, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE. Every function raises
RequestError for what the hub will not give (with the remedy) and RunError where the network breaks.
"""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vldm_cli.errors import RequestError
from vldm_cli.packs.files import Unusable, read_json
from vldm_cli.packs.origins.refusals import blamed, cache
from vldm_cli.packs.values import shown

COMMIT = re.compile("[0-9a-f]{40}")
# Files of more bytes than this go on where a broken download stopped.
LARGE = 2**20
Advance = Callable[[int], object]


@dataclass(frozen=True)
class Remote:
    """A file of a repository: its size in bytes, and its sha256 where the hub knows that."""

    size: int | None
    sha256: str | None


@dataclass(frozen=True)
class Repository:
    """A repository at one commit, as a `Listing`. Make one with `look`."""

    hub: str
    revision: str
    licence: str
    files: dict[str, Remote] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.hub

    def has(self, file: str) -> bool:
        return file in self.files

    def read(self, file: str) -> Any:
        """A JSON file of it, which is fetched."""
        path = fetch(self, file)
        try:
            return read_json(path)
        except Unusable as error:
            raise RequestError(f"{self.hub}: {file} {error}; name another model") from error


def offline() -> bool:
    """Whether the user forbids all use of the network (HF_HUB_OFFLINE)."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def look(hub: str, revision: str | None) -> Repository:
    """What a repository holds at a revision (None: the newest); nothing is fetched."""
    from huggingface_hub import HfApi

    with blamed(hub, revision):
        info = HfApi().model_info(hub, revision=revision, files_metadata=True, timeout=20)
        files = {
            one.rfilename: Remote(one.size, one.lfs.sha256 if one.lfs else None)
            for one in info.siblings or ()
        }
        return Repository(hub, str(info.sha), _licence(info), files)


def fetch(repository: Repository, file: str, advance: Advance = lambda count: None) -> Path:
    """The file in the hub's cache, fetched if it is not there; advance: told of so many bytes more. What a broken
    download left is gone on with. Raises RequestError where it is another file than the hub says."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    hub, commit, remote = repository.hub, repository.revision, repository.files[file]
    known = try_to_load_from_cache(hub, file, revision=commit)
    if isinstance(known, str):
        advance(remote.size or 0)
        return Path(known)
    with blamed(hub, commit, file):
        if (remote.size or 0) > LARGE:
            _fetch_large(repository, file, advance)
        path = hf_hub_download(hub, file, revision=commit, tqdm_class=_silent())
        if (remote.size or 0) <= LARGE:
            advance(remote.size or 0)
        return Path(path)


def _fetch_large(repository: Repository, file: str, advance: Advance) -> None:
    """Puts a file among the cache's blobs, from where huggingface_hub itself takes it. Its own download begins anew
    after every break, which for gigabytes is no way."""
    from filelock import FileLock
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get, repo_folder_name
    from huggingface_hub.utils import build_hf_headers

    remote = repository.files[file]
    headers = build_hf_headers()
    url = hf_hub_url(repository.hub, file, revision=repository.revision)
    about = get_hf_file_metadata(url, headers=headers)
    if not about.etag or not re.fullmatch(r"[\w.-]{1,200}", about.etag):
        return  # no name for it: huggingface_hub may know better
    if urlsplit(about.location).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)  # the token is nobody else's business
    blobs = cache() / repo_folder_name(repo_id=repository.hub, repo_type="model") / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    partial = blobs / f"{about.etag}.vldm.incomplete"
    with FileLock(f"{partial}.lock"):
        if (blobs / about.etag).exists():
            advance(remote.size or 0)
            return
        with partial.open("ab") as target:
            there = target.tell()
            advance(there)
            http_get(
                about.location,
                target,
                resume_size=there,
                headers=headers,
                expected_size=remote.size,
                tqdm_class=_counting(advance),
            )
        wanted = remote.sha256
        if wanted:
            with partial.open("rb") as whole:
                held = hashlib.file_digest(whole, "sha256").hexdigest()
            if held != wanted:
                partial.unlink()
                raise RequestError(
                    f"{repository.hub}: {file} came with the wrong checksum and was thrown away; give the same command "
                    "again, and if that does not help, leave out HF_ENDPOINT or the proxy"
                )
        os.replace(partial, blobs / about.etag)
    Path(f"{partial}.lock").unlink(missing_ok=True)


def _licence(info) -> str:
    """What the repository's card says, "" where it says nothing."""
    card = info.card_data or {}
    name, own = (card.get(key) for key in ("license", "license_name"))
    told = own if name == "other" and isinstance(own, str) else name
    if isinstance(told, list):
        told = ", ".join(map(str, told))
    return shown(told) if isinstance(told, str) and told else ""


class _Bar:
    """What huggingface_hub draws progress with, as far as it uses it."""

    advance: Advance

    def __init__(self, *_args, **_kwargs) -> None:
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, count: int | float = 1) -> None:
        type(self).advance(int(count))

    def close(self) -> None:
        pass


def _counting(advance: Advance) -> Any:
    return type("_Counting", (_Bar,), {"advance": staticmethod(advance)})


def _silent() -> Any:
    return _counting(lambda count: None)
