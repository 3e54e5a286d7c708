"""A tiny complete pack with random weights, for any test."""

from pathlib import Path

from vldm_cli.packs.pack import Pack

WORDS = [
    "a",
    "and",
    "ball",
    "blue",
    "bounces",
    "cube",
    "grass",
    "green",
    "left",
    "on",
    "red",
    "right",
    "rolls",
    "sand",
    "snow",
    "spins",
    "the",
]


def tiny_pack(folder: Path, zero_init: bool = False) -> Pack:
    """32×48 pixels, latents 8×12 of 4 channels, 2 steps; temporal layers do something unless `zero_init`."""
    from vldm_cli.packs.new import new_pack

    return new_pack(folder / "tiny", words=WORDS, name="tiny", zero_init=zero_init)


def stock_pipeline(pack):
    """diffusers' own pipeline on the image part of a pack."""
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(str(pack.folder))
    pipe.set_progress_bar_config(disable=True)
    return pipe
