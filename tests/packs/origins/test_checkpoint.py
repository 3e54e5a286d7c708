"""Checkpoints in one file, told by the shapes of their layers."""

import pytest
import torch
from safetensors.torch import save_file

from vldm_cli.errors import RequestError
from vldm_cli.packs import configs
from vldm_cli.packs.origins.shipped import shipped
from vldm_cli.packs.pack import Pack

_ROLES = {
    "tokenizer_2": "tokenizer",
    "sketch": "context",
    "upscaler_frame": "unet",
    "upscaler_frame_vae": "vae",
    "upscaler_frame_text": "text",
    "upscaler_frame_tokenizer": "tokenizer",
    "upscaler_frame_schedule": "schedule",
    "upscaler_frame_low_schedule": "low_schedule",
}
_UNET, _VAE = "model.diffusion_model.", "first_stage_model.decoder.conv_in.weight"


def checkpoint(path, channels=4, width=768, vae=True, **more):
    """The layers by which a version is told, 320 channels wide as the real ones."""
    tensors = {f"{_UNET}input_blocks.0.0.weight": torch.zeros(320, channels, 3, 3)}
    tensors[f"{_UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"] = torch.zeros(320, width)
    if vae:
        tensors[_VAE] = torch.zeros(512, 4, 3, 3)
    save_file({**tensors, **{name: torch.zeros(1) for name in more}}, path)
    return path


@pytest.mark.parametrize(
    ("name", "channels", "width", "config", "side"),
    [
        ("any-fine-tune", 4, 768, "sd15", 512),
        ("v2-1_768-ema", 4, 1024, "sd21", 768),
        ("512-base-ema", 4, 1024, "sd21-base", 512),
    ],
)
def test_stable_diffusion_1_and_2(tmp_path, name, channels, width, config, side):
    pack = Pack.open(checkpoint(tmp_path / f"{name}.safetensors", channels, width))
    assert {pack.named[part].config for part in ("unet", "vae", "text", "schedule")} == {config}
    assert pack.named["unet"].layout == "original" and pack.manifest.video.width == side
    assert pack.located("vae") == tmp_path / f"{name}.safetensors"
    assert pack.manifest.choice.pack == str(tmp_path / f"{name}.safetensors")


def test_the_upscaler(tmp_path):
    pack = Pack.open(checkpoint(tmp_path / "x4-upscaler-ema.safetensors", 7, 1024))
    assert pack.upscalers == ("frame",) and pack.manifest.defaults.upscale_space == "frame"


def test_a_pickle_of_weights_is_looked_into_and_runs_nothing(tmp_path):
    held = {f"{_UNET}input_blocks.0.0.weight": torch.zeros(320, 4, 3, 3)}
    held[f"{_UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"] = torch.zeros(320, 768)
    torch.save({"state_dict": {**held, _VAE: torch.zeros(512, 4, 3, 3)}}, tmp_path / "model.ckpt")
    assert Pack.open(tmp_path / "model.ckpt").named["unet"].config == "sd15"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: checkpoint(path, channels=9), "a model of 9 input channels"),
        (lambda path: checkpoint(path, width=3072), "no whole checkpoint of a known version"),
        (lambda path: checkpoint(path, vae=False), "no whole checkpoint"),
        (
            lambda path: checkpoint(path, width=1280, **{"conditioner.embedders.0.model.x": 1}),
            "Stable Diffusion XL's refiner",
        ),
        (lambda path: checkpoint(path, channels=8, **{"x.time_stack.y": 1}), "Stable Video Diffusion"),
        (lambda path: save_file({"double_blocks.0.x": torch.zeros(1)}, path), "FLUX"),
        (lambda path: save_file({"lora_unet_x.lora_down.weight": torch.zeros(1)}, path), "--lora takes"),
        (lambda path: save_file({"decoder.conv_in.weight": torch.zeros(1)}, path), "--vae takes"),
        (
            lambda path: save_file({"down_blocks.0.motion_modules.0.norm.weight": torch.zeros(1)}, path),
            "--motion takes",
        ),
        (lambda path: path.write_bytes(b""), "is truncated"),
        (lambda path: path.write_bytes(b"\x08" + bytes(7) + b"no table"), "has a header that is no JSON"),
    ],
)
def test_what_is_none_is_told_what_it_is(tmp_path, make, words):
    path = tmp_path / "model.safetensors"
    make(path)
    with pytest.raises(RequestError) as error:
        Pack.open(path)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_manifests_name_configurations_that_there_are(name):
    for part, one in shipped()[name].elsewhere.parts.items():
        if one.config:
            assert configs.read(one.config, _ROLES.get(part, part))
        if one.hub:
            assert one.licence, f"{part} says no licence"
