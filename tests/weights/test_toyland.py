"""What ships in weights/: the pack is whole, and the commands make with it what they were asked for."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny import stock_pipeline
from vldm_cli.packs.pack import PARTS, Pack
from vldm_cli.video.clip import open_clip
from vldm_cli.video.read import video_info

WEIGHTS = Path(__file__).parents[2] / "weights"
SHIPPED = {"unet", "vae", "text", "keyframes", "interpolation", "decoder"}
SHIPPED |= {"upscaler_pixel", "upscaler_pixel_temporal"}
MOST_BYTES = 64 * 2**20


@pytest.fixture(scope="module")
def pack():
    return Pack.open("toyland")


@pytest.fixture(scope="module")
def pipeline(pack):
    return stock_pipeline(pack)


def decoded(path):
    clip = open_clip(path)
    raw = clip.raw(rgb=True)
    return np.stack([raw.planes(frame)[0] for frame in clip.read(0, raw)])


def hues(frames):
    """Shares of clearly red, green and blue pixels of frames (…, 3), uint8."""
    x = np.asarray(frames).astype(int)
    red, green, blue = (x[..., i] for i in range(3))
    found = {"red": red - np.maximum(green, blue), "green": green - np.maximum(red, blue)}
    found["blue"] = blue - np.maximum(red, green)
    return {name: float((margin > 40).mean()) for name, margin in found.items()}


def test_every_part_is_there_and_documented(pack):
    assert {part for part in PARTS if pack.has(part)} >= SHIPPED
    words = (pack.folder / "TRAINING.md").read_text()
    for curve in ("autoencoder", "image", "keyframes", "interpolation", "decoder", "upscaler-image"):
        assert f"curves/{curve}.png" in words and (pack.folder / f"curves/{curve}.png").is_file()


def test_weights_are_small():
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) <= MOST_BYTES


def test_stock_diffusers_draws_what_is_asked(pipeline, pack):
    """Chance would pass one colour in three."""
    video = pack.manifest.video
    for seed, colour in enumerate(("red", "blue")):
        image = pipeline(
            f"a large {colour} cube on sand by day",
            num_inference_steps=8,
            guidance_scale=4,
            height=video.height,
            width=video.width,
            generator=torch.Generator().manual_seed(seed),
            output_type="np",
        ).images[0]
        assert image.shape == (video.height, video.width, 3)
        shares = hues((image[64:] * 255).astype(np.uint8))  # below the blue sky
        other = "blue" if colour == "red" else "red"
        assert shares[colour] > 0.03 and shares[other] < shares[colour] / 2, (colour, shares)


def test_one_line_makes_the_video_and_the_others_go_on_from_it(vldm):
    prompt = "a red ball bounces on green grass by day"  # at sunset grass is olive
    code, out, err = vldm(
        "generate", prompt, "--frames", 4, "--no-upscale", "--seed", 1, "-o", "a.mp4", "--json"
    )
    assert code == 0, err
    made = json.loads(out)
    assert (made["frames"], made["width"], made["height"], made["warnings"]) == (4, 256, 160, [])
    frames = decoded("a.mp4")
    shares = hues(frames[:, 80:])
    assert shares["green"] > 0.3, shares
    assert hues(frames)["red"] > 0.01 and hues(frames)["blue"] < 0.5

    for command, wanted in (
        (("interpolate", "a.mp4", "-o", "i.mp4"), (8, 256, 160)),
        (("upscale", "a.mp4", "-o", "u.mp4"), (4, 1024, 640)),
        (("extend", "a.mp4", "--frames", 2, "-o", "e.mp4", "--seed", 1), (6, 256, 160)),
    ):
        code, _, err = vldm(*command)
        assert code == 0, err
        info = video_info(command[command.index("-o") + 1])
        assert (info["frames"], info["width"], info["height"]) == wanted, command


def test_the_default_is_four_times_as_large(vldm):
    code, _, err = vldm("generate", "a blue cube on sand", "--frames", 2, "--seed", 2, "-o", "b.mp4")
    info = video_info("b.mp4")
    assert code == 0, err
    assert (info["frames"], info["fps"], info["width"], info["height"]) == (2, 24, 1024, 640)
    assert hues(decoded("b.mp4"))["blue"] > 0.03
