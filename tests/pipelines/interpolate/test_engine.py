"""Which pack is found for a clip that names none."""

import shutil

import pytest

from tests.pipelines.interpolate.test_latents import make
from tests.video import clips
from vldm_cli.api.recipe import recipe
from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.save import seal
from vldm_cli.pipelines.extend.maker import maker
from vldm_cli.pipelines.extend.settings import Memory
from vldm_cli.pipelines.interpolate.engine import pack_for
from vldm_cli.video.clip import open_clip


@pytest.fixture
def own_packs(tmp_path, monkeypatch):
    """Where `vldm packs pull` and `vldm packs new` keep packs."""
    monkeypatch.setenv("VLDM_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "packs"


def test_a_pack_of_one_s_own_is_found_by_its_name(tiny_pack, tmp_path, own_packs):
    clip = open_clip(make(tmp_path / "a.mp4", tiny_pack, 3))
    assert maker(Memory.of(clip)) is None and pack_for(clip, "auto", None, 4) is None
    with pytest.raises(RequestError, match="pack toyland, as it is, did not make"):
        pack_for(clip, "diffusion", None, 4)
    shutil.copytree(tiny_pack.folder, own_packs / "tiny")
    assert maker(Memory.of(clip)).pack == "tiny"
    for asked in ("auto", "diffusion"):
        assert pack_for(clip, asked, None, 4).folder == own_packs / "tiny"
    assert pack_for(clip, "auto", None, 2) is None and pack_for(clip, "motion", None, 4) is None
    (own_packs / "tiny/temporal/interpolation.safetensors").write_bytes(b"")
    with pytest.raises(RequestError, match=r"interpolation\.safetensors is truncated"):
        pack_for(clip, "auto", None, 4)


def test_without_layers_that_fill_in_frames_it_is_motion(tiny_pack, tmp_path, own_packs):
    shutil.copytree(tiny_pack.folder, own_packs / "tiny")
    (own_packs / "tiny/temporal/interpolation.safetensors").unlink()
    seal(own_packs / "tiny")
    clip = open_clip(make(tmp_path / "a.mp4", Pack.open("tiny"), 3))
    assert pack_for(clip, "auto", None, 4) is None and pack_for(clip, "auto", "tiny", 4) is None
    with pytest.raises(RequestError, match="no model for frames between others; use --engine motion"):
        pack_for(clip, "diffusion", None, 4)


def test_a_combination_that_is_gone_leaves_motion(tmp_path, monkeypatch):
    clip = open_clip(clips.make(tmp_path, "a.mp4", frames=3))
    memory = Memory(pack="sd", pack_hash="0", choice=Choice("toyland", loras=("gone.safetensors",)))
    monkeypatch.setattr(Memory, "of", lambda clip: memory)
    assert pack_for(clip, "auto", None, 4) is None
    with pytest.raises(RequestError, match=r"--pack toyland --lora gone\.safetensors, which is not here"):
        pack_for(clip, "diffusion", None, 4)


def test_the_command_of_a_combination_leaves_it_to_be_found():
    made = {"command": "interpolate", "clip": "a.mp4", "seed": 1, "settings": {"engine": "diffusion"}}
    table = {"name": "mine", "choice": {"pack": "mine", "loras": ["style.safetensors"]}}
    assert "--pack" not in recipe({**made, "pack": table}, "b.mp4")
    assert "--pack mine" in recipe({**made, "pack": {"name": "mine"}}, "b.mp4")
