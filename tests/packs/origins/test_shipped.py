"""The shipped manifests against files of the public sizes and names: every part of each fits the others."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.packs.named.test_full_size import shapes, sparse
from vldm_cli.packs.describe import abilities
from vldm_cli.packs.origins.shipped import shipped
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.prepare import misfits
from vldm_cli.packs.weight_file import WeightFile

_ROLES = {
    "sketch": "context",
    "upscaler_frame": "unet",
    "upscaler_frame_vae": "vae",
    "upscaler_frame_text": "text",
}
_LORA = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora"


def kind_of(part: str, one) -> tuple[str, str, str]:
    """What `shapes` is asked for: the kind of model, its configuration, and its role there."""
    role = _ROLES.get(part, part)
    kind = "decoder" if one.family == "svd-decoder" else one.family if part == "keyframes" else role
    # the decoder's whole autoencoder has no table of its own for diffusers' class
    return kind, "svd-xt" if kind == "decoder" else one.config, role


def named(part: str, one, folder: Path):
    """The part with a file of full size that takes no room in the place of the hub's."""
    if not one.file:
        return one
    path = folder / f"{part}.safetensors"
    sparse(path, shapes(*kind_of(part, one)))
    return replace(one, hub=None, revision=None, path=str(folder), file=path.name)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_part_fits(name, tmp_path, monkeypatch):
    # no number is wrong in gigabytes of nothing, and to read them takes longer than all the rest
    monkeypatch.setattr(WeightFile, "is_sound", lambda file: True)
    manifest = shipped()[name]
    every = manifest.elsewhere
    parts = {part: named(part, one, tmp_path) for part, one in every.parts.items()}
    halves = {f"{_LORA}.down.weight": (16, 320), f"{_LORA}.up.weight": (320, 16)}
    sparse(tmp_path / "lora.safetensors", halves)
    loras = [replace(one, hub=None, path=str(tmp_path), file="lora.safetensors") for one in every.loras]
    pack = Pack(tmp_path, replace(manifest, elsewhere=replace(every, parts=parts, loras=tuple(loras))))
    assert list(misfits(pack)) == []
    assert abilities(pack)


def test_they_say_what_they_weigh_and_where_they_are_from():
    for manifest in shipped().values():
        assert re.search(r"about \d(\.\d)? GB", manifest.description), manifest.name
        assert any(one.hub for one in manifest.elsewhere.parts.values())
        # nothing is known here of files that were never seen here
        assert not any(one.sha256 or one.revision for one in manifest.elsewhere.files)
