"""A Stable Diffusion checkpoint in one file as a pack: which version it is of, by the shapes of its layers. Its
configurations are vldm's own (`packs/configs`); nothing is ever fetched for it. No torch but for pickles."""

from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.elsewhere import Elsewhere, Part
from vldm_cli.packs.manifest import Manifest
from vldm_cli.packs.origins.numbers import numbered
from vldm_cli.packs.origins.shapes import SUFFIXES, Shapes, shapes

__all__ = ["SUFFIXES", "read_checkpoint"]

_FIRST = "model.diffusion_model.input_blocks.0.0.weight"  # convolution: what goes in
_TEXT = (
    "model.diffusion_model.input_blocks.{}.1.transformer_blocks.0.attn2.to_k.weight"  # what is attended to
)
# What the names in whole models of other kinds have in them, and in files that are no model.
_OTHERS = {
    "conditioner.embedders.0.model.": "Stable Diffusion XL's refiner, which draws no pictures of its own",
    "model.diffusion_model.joint_blocks.": "Stable Diffusion 3",
    "double_blocks.": "FLUX",
    ".time_stack.": "Stable Video Diffusion, which is taken as diffusers' folder",
}
_ADDITIONS = {
    "lora_": "a LoRA, which --lora takes",
    ".lora.": "a LoRA, which --lora takes",
    "motion_modules.": "AnimateDiff's motion modules alone, which --motion takes",
    "decoder.conv_in.": "an autoencoder alone, which --vae takes",
}


def read_checkpoint(path: Path) -> Manifest:
    """The pack that such a file is; its hash is still empty. Raises RequestError where it is no Stable Diffusion 1.x,
    2.x, XL or ×4 upscaler."""
    held = shapes(path)
    first = held.get(_FIRST, ())
    inputs = first[1] if len(first) == 4 else 0
    width = next((held[name][1] for i in (1, 2, 4) if len(held.get(name := _TEXT.format(i), ())) == 2), 0)
    whole = any(name.startswith("first_stage_model.") for name in held)
    if not first or not whole or (inputs, width) not in _VERSIONS:
        raise RequestError(
            f"{path} is {_otherwise(held, inputs)}; name a checkpoint of Stable Diffusion 1.x, 2.x or XL, or of its "
            "×4 upscaler"
        )
    return _VERSIONS[inputs, width](path)


def _sd1(path: Path) -> Manifest:
    parts = _parts(path, "sd15")
    return numbered(
        "image", path.name, "", "Stable Diffusion 1.x: single pictures, which --motion makes move", parts
    )


def _sd2(path: Path) -> Manifest:
    # 512 and 768 pixels have the same shapes, and not the same schedule
    base = any(word in path.stem.lower() for word in ("base", "512"))
    parts = _parts(path, "sd21-base" if base else "sd21")
    side = 512 if base else 768
    about = "Stable Diffusion 2.x: single pictures, which --motion makes move"
    return numbered("image", path.name, "", about, parts, [side, side])


def _xl(path: Path) -> Manifest:
    about = "Stable Diffusion XL: single pictures, which --motion makes move"
    return numbered("xl", path.name, "", about, _parts(path, "sdxl"))


def _x4(path: Path) -> Manifest:
    parts = _parts(path, "x4").parts
    of = {"unet": "", "vae": "_vae", "text": "_text", "tokenizer": "_tokenizer", "schedule": "_schedule"}
    renamed = {f"upscaler_frame{end}": parts[name] for name, end in of.items()}
    renamed["upscaler_frame_low_schedule"] = Part(config="x4")
    return numbered("x4", path.name, "", "An upscaler alone: Stable Diffusion ×4", Elsewhere(renamed))


# (channels that go in, width of the text) of the versions that there are.
_VERSIONS = {(4, 768): _sd1, (4, 1024): _sd2, (4, 2048): _xl, (7, 1024): _x4}


def _parts(path: Path, version: str) -> Elsewhere:
    whole = Part(file=path.name, layout="original", config=version)
    words = "clip-sd15" if version in ("sd15", "sdxl") else "clip-sd21"
    second = {"text_2": whole, "tokenizer_2": Part(config="clip-sd21")} if version == "sdxl" else {}
    return Elsewhere(
        {
            **dict.fromkeys(("unet", "vae", "text"), whole),
            "tokenizer": Part(config=words),
            **second,
            "schedule": Part(config=version),
        }
    )


def _otherwise(held: Shapes, inputs: int) -> str:
    """What a file is that is no such checkpoint, as far as can be told."""
    for part, name in {**_OTHERS, **({} if inputs else _ADDITIONS)}.items():
        if any(part in key for key in held):
            return name
    if inputs and inputs not in {channels for channels, _ in _VERSIONS}:
        return f"a model of {inputs} input channels, which vldm makes no videos with"
    return f"no whole checkpoint{' of a known version' if inputs else ''}"
