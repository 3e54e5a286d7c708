"""Draw examples/strip.png: keyframes of videos that the shipped weights make of some prompts.

python examples/strip.py [--out FILE] [--pack PACK] [--seed N]

Each row is `vldm generate PROMPT --interpolation 1 --fps 1.5 --frames 8 --no-upscale --seed N`: eight keyframes, two
thirds of a second apart as in a finished video, for the seed N, none picked.
"""

import argparse
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vldm_cli.api.device import choose_device, choose_dtype
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.run import generate
from vldm_cli.stages.models import Models
from vldm_cli.video.clip import open_clip

PROMPTS = (
    "a red ball bounces on green grass by day",
    "a yellow cone grows on snow at sunset",
    "a blue cube slides right on sand by day",
    "a purple ball falls on stone",
    "a striped white cylinder spins on grass by day",
    "driving on a road through the forest by day with traffic",
)
FRAMES, GAP, LINE = 8, 4, 16
FPS = Fraction(3, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "strip.png")
    parser.add_argument("--pack", default="toyland")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("prompts", nargs="*", default=PROMPTS)
    args = parser.parse_args()
    pack, device = Pack.open(args.pack), choose_device("auto")
    dtype = choose_dtype("auto", device)
    models = Models(pack, device, dtype)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for i, prompt in enumerate(args.prompts):
            path = Path(folder) / f"{i}.mp4"
            request = GenerateRequest(
                prompt,
                path,
                frames=FRAMES,
                seed=args.seed,
                interpolation=1,
                fps=FPS,
                upscale=False,
                device=device,
                dtype=dtype,
            )
            generate(request, pack, models=models)
            rows.append((prompt, frames_of(path)))
    h, w = rows[0][1].shape[1:3]
    w, h = w * 3 // 5, h * 3 // 5
    sheet = Image.new("RGB", (FRAMES * (w + GAP) + GAP, len(rows) * (h + LINE + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for i, (prompt, frames) in enumerate(rows):
        y = GAP + i * (h + LINE + GAP)
        draw.text((GAP, y), prompt, fill="black", font=font)
        for j, frame in enumerate(frames):
            small = Image.fromarray(frame).resize((w, h), Image.Resampling.LANCZOS)
            sheet.paste(small, (GAP + j * (w + GAP), y + LINE))
    sheet.save(args.out, optimize=True)


def frames_of(path: Path) -> np.ndarray:
    """The frames of a video, uint8 RGB (T, H, W, 3)."""
    clip = open_clip(path)
    raw = clip.raw(rgb=True)
    return np.stack([raw.planes(frame)[0] for frame in clip.read(0, raw)])


if __name__ == "__main__":
    main()
