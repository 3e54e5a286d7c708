"""Packs that are named from machine to machine."""

import shutil

import pytest

from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.same import PackName


def test_another_pack_of_that_name(tiny_pack, tmp_path):
    name = PackName.of(tiny_pack)
    moved = PackName(str(tiny_pack.folder), tmp_path / "nowhere", None, name.hash)
    assert moved.found(check=True).manifest.hash == name.hash, "wherever it lies there"
    other = PackName(name.name, name.folder, None, "0" * 64)
    with pytest.raises(RequestError, match="pack tiny is another one where a worker runs"):
        other.found(check=False)
    gone = PackName("gone", tmp_path / "gone", None, name.hash)
    with pytest.raises(RequestError, match="pack gone is not there"):
        gone.found(check=False)
    assert Pack.open(tiny_pack.folder).manifest.hash == name.hash


def test_what_is_damaged_where_a_worker_runs_is_said(tiny_pack, tmp_path):
    """Its manifest is the right one, so it is there."""
    folder = shutil.copytree(tiny_pack.folder, tmp_path / "tiny")
    name = PackName.of(Pack.open(folder))
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    assert name.found(check=False).folder == folder, "the machine that began the run has looked at it"
    with pytest.raises(RequestError, match=r"unet/.* is truncated"):
        name.found(check=True)
