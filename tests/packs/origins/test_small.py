"""What the origins of packs rest on: digests, folders, licences, written manifests."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from vldm_cli.packs.manifest import read_manifest
from vldm_cli.packs.origins import digests
from vldm_cli.packs.origins.home import cache_folder, data_folder, pulled, repository
from vldm_cli.packs.origins.licences import restricted
from vldm_cli.packs.origins.shipped import shipped
from vldm_cli.packs.origins.written import as_table, write_manifest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VLDM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(digests, "_SMALL", 4)
    return tmp_path / "home/cache/sha256"


def test_a_digest_is_remembered_until_the_file_changes(tmp_path, cache):
    path = tmp_path / "weights"
    path.write_bytes(b"one of many")
    first = digests.digest(path)
    (note,) = cache.iterdir()
    note.write_text(note.read_text()[:-64] + "0" * 64)
    assert digests.digest(path) == "0" * 64  # not read again
    path.write_bytes(b"two of many")
    os.utime(path, ns=(1, 1))
    assert digests.digest(path) not in (first, "0" * 64)


@pytest.mark.parametrize("text", ["", "nonsense", "11 1 1 abc", "\x00\xff"])
def test_a_note_that_is_none_is_made_anew(tmp_path, cache, text):
    path = tmp_path / "weights"
    path.write_bytes(b"one of many")
    first = digests.digest(path)
    (note,) = cache.iterdir()
    note.write_text(text)
    assert digests.digest(path) == first


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch):
    held = b"in the place of the folder"
    (tmp_path / "file").write_bytes(held)
    monkeypatch.setenv("VLDM_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(digests, "_SMALL", 4)
    assert digests.digest(tmp_path / "file") == hashlib.sha256(held).hexdigest()


def test_folders_follow_vldm_home_and_then_xdg(monkeypatch, tmp_path):
    assert data_folder() == Path(os.environ["VLDM_HOME"]) and cache_folder().parent == data_folder()
    monkeypatch.delenv("VLDM_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert data_folder() == tmp_path / "data/vldm"
    assert cache_folder() == Path.home() / ".cache/vldm"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b/c", "/etc", "a\\b", "a b", "-x", "a" * 101, "o/..", "@a"]
)
def test_names_that_lead_elsewhere_are_no_packs(name):
    assert pulled(name) is None or pulled(name).parent == data_folder() / "packs"
    assert repository(name) is None


def test_repositories_with_and_without_a_revision():
    assert repository("a/b") == ("a/b", None)
    assert repository("a/b@refs/pr/46") == ("a/b", "refs/pr/46")
    assert pulled("a/b@refs/pr/46").parent == data_folder() / "packs"


@pytest.mark.parametrize(
    ("licence", "wanted"),
    [
        ("CC-BY-NC-4.0", True),
        ("cc-by-nc-sa-4.0", True),
        ("stable-video-diffusion-community", True),
        ("stable-video-diffusion-1-1-nc-community", True),
        ("other", True),
        ("non-commercial", True),
        ("CreativeML OpenRAIL-M", False),
        ("creativeml-openrail-m", False),
        ("OpenRAIL++-M", False),
        ("Apache-2.0", False),
        ("MIT", False),
        ("", False),
    ],
)
def test_licences_that_want_more_than_a_look(licence, wanted):
    assert restricted(licence) is wanted


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_manifest_is_written_as_it_was_read(name, tmp_path):
    manifest = shipped()[name]
    write_manifest(tmp_path, as_table(manifest))
    again = read_manifest(tmp_path)
    assert replace(again, hash="") == replace(manifest, hash="")
