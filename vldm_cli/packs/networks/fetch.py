"""Fetching the file of a network that goes by a name, from where its authors published it; for `vldm packs pull`
alone."""

import hashlib
import os
from collections.abc import Callable
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from vldm_cli.errors import RequestError, RunError
from vldm_cli.packs.networks.named import Named

_BLOCK, _TIMEOUT = 2**18, 30


def fetch(network: Named, advance: Callable[[int], object]) -> None:
    """Puts the file where `located` finds it; what a broken download left is gone on with. advance: told of so many
    bytes more. Raises RequestError where it is not there or another file than is known, RunError where the connection
    breaks or the file cannot be written."""
    kept = network.kept
    if kept.is_file():
        advance(network.size)
        return
    partial = kept.with_name(f"{kept.name}.part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab") as target:
            there = target.tell()
            advance(there)
            if there < network.size:
                _receive(network, target, there, advance)
        with partial.open("rb") as whole:
            held = hashlib.file_digest(whole, "sha256").hexdigest()
        if held != network.sha256:
            partial.unlink()
            raise RequestError(
                f"{network.url} came with the wrong checksum and was thrown away; give the same command again, and if "
                "that does not help, look for a proxy that changes files"
            )
        os.replace(partial, kept)
    except HTTPError as error:
        raise RequestError(
            f"{network.url} cannot be fetched ({error.code} {error.reason}); try again later"
        ) from error
    except (OSError, HTTPException) as error:
        raise RunError(
            f"{network.url} could not be fetched ({error}); give the same command again to go on"
        ) from error


def _receive(network: Named, target, there: int, advance: Callable[[int], object]) -> None:
    headers = {"Range": f"bytes={there}-"} if there else {}
    with urlopen(Request(network.url, headers=headers), timeout=_TIMEOUT) as answer:
        if there and answer.status != 206:  # it sends all of it again
            target.truncate(0)
        left = network.size - target.seek(0, os.SEEK_END)
        while left > 0 and (block := answer.read(min(_BLOCK, left))):
            target.write(block)
            advance(len(block))
            left -= len(block)
    if left:
        raise RunError(
            f"{network.url} broke off {left} bytes before its end; give the same command again to go on"
        )
