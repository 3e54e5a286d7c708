"""Files of the sizes and names of the public ones, without their weights, fit the models of the bundled configurations:
what is checked before a byte of weights is read."""

import json
import struct
from math import prod

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    MotionAdapter,
    SparseControlNetModel,
    UNet2DConditionModel,
    UNet3DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from tests.packs.named import original, public
from vldm_cli.denoise.schedulers import make_scheduler
from vldm_cli.packs import configs, prepare
from vldm_cli.packs.build import on_meta
from vldm_cli.packs.contents import SCHEDULER, sound
from vldm_cli.packs.pack import Pack

CLASSES = {
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
    "text": lambda **c: CLIPTextModel(CLIPTextConfig(**c)),
    "text_2": lambda **c: CLIPTextModelWithProjection(CLIPTextConfig(**c)),
    "eyes": lambda **c: CLIPVisionModelWithProjection(CLIPVisionConfig(**c)),
    "decoder": AutoencoderKLTemporalDecoder,
    "context": SparseControlNetModel,
    "animatediff": MotionAdapter,
    "svd": UNetSpatioTemporalConditionModel,
    "modelscope": UNet3DConditionModel,
}


def shapes(kind, config, role):
    model = on_meta(lambda: CLASSES[kind](**configs.read(config, role)))
    return {name: tuple(t.shape) for name, t in model.state_dict().items()}


def sparse(path, names, dtype="F16"):
    """A safetensors file of that header, as long as it says, that takes no room."""
    table, end = {}, 0
    for name, shape in names.items():
        size = 2 * prod(shape)
        table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    header = json.dumps(table).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + end)
    # a checksum that is known already is not made again of gigabytes of nothing
    return {"path": str(path.parent), "file": path.name, "sha256": "0" * 64}


def millions(names):
    return round(sum(prod(shape) for shape in names.values()) / 1e6, 1)


# parameters as published
IMAGE = {
    ("sd15", "unet"): 859.5,
    ("sd15", "vae"): 83.7,
    ("sd15", "text"): 123.1,
    ("sd21", "unet"): 865.9,
    ("sd21-base", "unet"): 865.9,
    ("sd21", "text"): 340.4,
    ("svd", "eyes"): 632.1,
    ("sdxl", "unet"): 2567.5,
    ("sdxl", "vae"): 83.7,
    ("sdxl-fp16-fix", "vae"): 83.7,
    ("sdxl", "text"): 123.1,
    ("sdxl", "text_2"): 694.7,
}
FRAME = {("x4", "unet"): 473.4, ("x4", "vae"): 55.3, ("x4", "text"): 340.4}


@pytest.mark.parametrize(("config", "part"), IMAGE)
def test_image_models(tmp_path, config, part):
    names = shapes(part, config, part)
    assert millions(names) == IMAGE[config, part]
    pack = public.named(
        tmp_path, {part: {"config": config, **sparse(tmp_path / "w.safetensors", names)}}, check=False
    )
    prepare.fitting(pack, part)


@pytest.mark.parametrize(("config", "role"), FRAME)
def test_the_times_four_upscaler(tmp_path, config, role):
    names = shapes(role, config, role)
    assert millions(names) == FRAME[config, role]
    part = "upscaler_frame" if role == "unet" else f"upscaler_frame_{role}"
    pack = public.named(
        tmp_path, {part: {"config": config, **sparse(tmp_path / "w.safetensors", names)}}, check=False
    )
    prepared = prepare.fitting(pack, part)
    assert prepared.dtype is (torch.float32 if role == "vae" else None)


@pytest.mark.parametrize(
    ("config", "keys", "size"),
    [
        ("animatediff-v1", 520, 417.1),
        ("animatediff-v2", 546, 453.2),
        ("animatediff-v3", 520, 417.1),
        ("animatelcm", 546, 453.2),
        ("lightning", 546, 453.2),
        ("animatediff-xl", 390, 236.8),
    ],
)
def test_motion_modules_as_guoyww_publishes_them(tmp_path, config, keys, size):
    """With a position for each of two attentions a module, which is no weight."""
    names = shapes("animatediff", config, "keyframes")
    weights = {name: shape for name, shape in names.items() if "pos_embed" not in name}
    assert (len(weights), millions(weights)) == (keys, size)
    image = "sdxl" if config == "animatediff-xl" else "sd15"
    pack = public.named(
        tmp_path,
        {
            "unet": {"config": image, **sparse(tmp_path / "u.safetensors", shapes("unet", image, "unet"))},
            "keyframes": {
                "family": "animatediff",
                "config": config,
                **sparse(tmp_path / "mm.safetensors", original.motion_modules(names)),
            },
        },
        check=False,
    )
    model = prepare.fitting(pack, "keyframes").model
    longest = 24 if config == "animatediff-v1" else 32
    assert {b.shape[1] for name, b in model.named_buffers() if name.endswith("pos_embed.pe")} == {longest}


@pytest.mark.long
def test_stable_diffusion_xl_in_one_file(tmp_path):
    """sd_xl_base_1.0.safetensors, every tensor of it."""
    unet, vae, text, text_2 = (
        on_meta(lambda part=part: CLASSES[part](**configs.read("sdxl", part)))
        for part in ("unet", "vae", "text", "text_2")
    )
    tensors = {
        **original.unet(unet),
        **original.vae(vae),
        **original.clip(text, "conditioner.embedders.0."),
        **original.open_clip_two(text_2),
    }
    names = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    assert len(names) == 2515
    held = sparse(tmp_path / "sd_xl_base_1.0.safetensors", names)
    whole = {"config": "sdxl", "layout": "original", **held}
    parts = dict.fromkeys(("unet", "vae", "text", "text_2"), whole)
    words = {"tokenizer": {"config": "clip-sd15"}, "tokenizer_2": {"config": "clip-sd21"}}
    pack = public.named(tmp_path / "pack", {**parts, **words}, check=False)
    for part in parts:
        prepare.fitting(pack, part)
    assert Pack.open(tmp_path / "sd_xl_base_1.0.safetensors", check=False).named["text_2"].config == "sdxl"


@pytest.mark.parametrize(
    ("family", "config", "keys", "size"),
    [
        ("svd", "svd", 1428, 1524.6),
        ("svd", "svd-xt", 1428, 1524.6),
        ("modelscope", "modelscope", 1480, 1411.2),
    ],
)
def test_whole_video_models(tmp_path, family, config, keys, size):
    names = shapes(family, config, "keyframes")
    assert (len(names), millions(names)) == (keys, size)
    file = sparse(tmp_path / "w.safetensors", names)
    pack = public.named(tmp_path, {"keyframes": {"family": family, "config": config, **file}}, check=False)
    model = prepare.fitting(pack, "keyframes").model
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == size


def test_the_temporal_decoder(tmp_path):
    names = shapes("decoder", "svd-xt", "decoder")
    assert (len(names), millions(names)) == (374, 97.7)
    file = sparse(tmp_path / "w.safetensors", names)
    pack = public.named(
        tmp_path, {"decoder": {"family": "svd-decoder", "config": "svd", **file}}, check=False
    )
    prepare.fitting(pack, "decoder")


@pytest.mark.parametrize("layout", [lambda names: names, original.motion_modules])
@pytest.mark.parametrize(("config", "size"), [("sparsectrl-rgb", 496.7), ("sparsectrl-scribble", 497.8)])
def test_sparsectrl(tmp_path, config, size, layout):
    names = shapes("context", config, "context")
    weights = {name: shape for name, shape in names.items() if "pos_embed" not in name}
    assert millions(weights) == size
    unet, adapter = shapes("unet", "sd15", "unet"), shapes("animatediff", "animatediff-v3", "keyframes")
    pack = public.named(
        tmp_path,
        {
            "unet": {"config": "sd15", **sparse(tmp_path / "u.safetensors", unet)},
            "keyframes": {
                "family": "animatediff",
                "config": "animatediff-v3",
                **sparse(tmp_path / "mm.safetensors", adapter),
            },
            "sketch" if config == "sparsectrl-scribble" else "context": {
                "family": "sparsectrl",
                "config": config,
                **sparse(tmp_path / "s.safetensors", layout(names)),
            },
        },
        check=False,
    )
    prepare.prepare_video(pack, "keyframes")


def test_every_bundled_schedule_makes_a_sampler():
    for name in configs.names():
        for role in {"schedule", "low_schedule"} & set(configs.roles(name)):
            table = sound(configs.read(name, role), SCHEDULER)
            make_scheduler(table, "ddim").set_timesteps(4)
