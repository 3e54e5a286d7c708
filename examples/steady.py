"""Upscale a small version of a real clip by a network for single pictures, alone and made steady, and by vldm's own
upscaler: an MP4 of a detail, side by side, and a strip of neighbouring frames.

python examples/steady.py CLIP [--out examples/steady] [--model realesrgan-x4plus] [--seconds S] [--at X,Y]

As in examples/upscale.py the clip is scaled down so that it comes out at --size again, and coded (crf 28); --at is the
detail's upper left corner. Needs `pip install '.[models]'`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from upscale import GAP, LINE, coded, ffmpeg, scaled_down

from vldm_cli import upscale

DETAIL, CLOSE, SHOWN, EVERY = 240, 96, 8, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "steady")
    parser.add_argument("--model", default="realesrgan-x4plus")
    parser.add_argument("--size", default="512x288")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--at", default="136,24")
    args = parser.parse_args()
    (w, h), (x, y) = (map(int, text.split(sep)) for text, sep in ((args.size, "x"), (args.at, ",")))
    with tempfile.TemporaryDirectory() as folder:
        x264 = coded(args.seconds)
        true, small = scaled_down(args.clip, Path(folder), w, h, x264, crf=28)
        ways = {
            f"{args.model} alone": {"model": args.model, "steady": 0},
            "made steady": {"model": args.model},
            "vldm's own": {"seed": 1},
        }
        films = {}
        for name, asked in ways.items():
            print(name, file=sys.stderr)
            films[name] = Path(folder) / f"{len(films)}.mp4"
            upscale(small, films[name], **asked)
        films["the clip itself"] = true
        cut = "".join(f"[{i}:v]crop={DETAIL}:{DETAIL}:{x}:{y},setsar=1[v{i}];" for i in range(len(films)))
        stacked = cut + "".join(f"[v{i}]" for i in range(len(films))) + f"hstack=inputs={len(films)}"
        inputs = [word for film in films.values() for word in ("-i", film)]
        ffmpeg(*inputs, "-filter_complex", stacked, *x264, "-crf", 20, args.out.with_suffix(".mp4"))
        rows = {name: frames(film) for name, film in films.items()}
    strip(rows, x + (DETAIL - CLOSE) // 2, y + (DETAIL - CLOSE) // 2).save(
        args.out.with_suffix(".png"), optimize=True
    )


def frames(film: Path) -> np.ndarray:
    """(T, H, W, 3), uint8."""
    return iio.imread(film, plugin="FFMPEG")


def strip(rows: dict[str, np.ndarray], x: int, y: int) -> Image.Image:
    """A row for each way: a small detail of every other frame."""
    sheet = Image.new("RGB", (GAP + SHOWN * (CLOSE + GAP), len(rows) * (CLOSE + LINE + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for row, (name, film) in enumerate(rows.items()):
        top = GAP + row * (CLOSE + LINE + GAP)
        draw.text((GAP, top), name, fill="black", font=font)
        for i, frame in enumerate(film[: SHOWN * EVERY : EVERY]):
            cut = Image.fromarray(frame[y : y + CLOSE, x : x + CLOSE])
            sheet.paste(cut, (GAP + i * (CLOSE + GAP), top + LINE))
    return sheet


if __name__ == "__main__":
    main()
