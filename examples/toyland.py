"""Draw examples/toyland-world.png: clips of Toyland with the captions they are trained with.

python examples/toyland.py [--out FILE] [--seed N] [--rows N]
"""

import argparse
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vldm_cli.toyland.captions import captions
from vldm_cli.toyland.motion import settles
from vldm_cli.toyland.render import render
from vldm_cli.toyland.scene import sample_scenes

FRAMES, SECONDS, SIZE, COLUMNS, LINES = 4, 4.0, (80, 128), 2, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "toyland-world.png")
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--rows", type=int, default=8)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    count = COLUMNS * args.rows
    scenes = sample_scenes(count, rng)
    start = np.where(settles(scenes), 0.0, 20 * rng.random(count))
    times = start[:, None] + np.linspace(0, SECONDS, FRAMES)
    video = (render(scenes, times, SIZE, supersample=3).permute(0, 1, 3, 4, 2).numpy() * 255).round()
    (h, w), gap = SIZE, 8
    tile_w, tile_h = FRAMES * w + gap, h + LINES
    sheet = Image.new("RGB", (COLUMNS * tile_w + gap, args.rows * tile_h + gap), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for i, text in enumerate(captions(scenes, rng)):
        x, y = gap + (i % COLUMNS) * tile_w, gap + (i // COLUMNS) * tile_h
        strip = np.concatenate(list(video[i].astype(np.uint8)), 1)
        sheet.paste(Image.fromarray(strip), (x, y))
        for line, words in enumerate(textwrap.wrap(text, 98)[:2]):
            draw.text((x, y + h + 2 + 13 * line), words, fill="black", font=font)
    sheet.save(args.out, optimize=True)


if __name__ == "__main__":
    main()
