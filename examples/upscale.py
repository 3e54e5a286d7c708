"""Upscale a small version of a real clip four times, beside its bicubic enlargement: an MP4 and a picture.

python examples/upscale.py CLIP [--out examples/upscale] [--pack PACK] [--size WxH] [--seconds S]

CLIP is scaled down so that it comes out at --size again, coded as H.264 (crf 20), and enlarged by `vldm upscale`.
OUT.mp4 shows bicubic left and vldm right, OUT.png a detail of one frame: bicubic, vldm, and the clip itself.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vldm_cli.video.ffmpeg import ffmpeg_exe

LINE, GAP, DETAIL = 16, 4, 240


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "upscale")
    parser.add_argument("--pack", default="toyland")
    parser.add_argument("--size", default="512x288")
    parser.add_argument("--seconds", type=float, default=3.0)
    args = parser.parse_args()
    w, h = map(int, args.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        large, x264 = Path(folder) / "large.mp4", coded(args.seconds)
        true, small = scaled_down(args.clip, Path(folder), w, h, x264, crf=20)
        command = [sys.executable, "-m", "vldm_cli", "upscale", str(small), "-o", str(large)]
        subprocess.run([*command, "--pack", args.pack, "--seed", "1"], check=True)
        beside = f"[0:v]scale={w}:{h}:flags=bicubic,setsar=1[a];[1:v]setsar=1[b];[a][b]hstack"
        film = args.out.with_suffix(".mp4")
        ffmpeg(
            "-i",
            small,
            "-i",
            large,
            "-filter_complex",
            beside,
            *x264,
            "-crf",
            22,
            "-movflags",
            "+faststart",
            film,
        )
        shown = [
            ("the small clip, bicubic", small, f"scale={w}:{h}:flags=bicubic"),
            ("vldm upscale", large, "null"),
            ("the clip itself", true, "null"),
        ]
        panels = []
        for i, (name, path, how) in enumerate(shown):
            png = Path(folder) / f"{i}.png"
            ffmpeg("-ss", args.seconds / 2, "-i", path, "-frames:v", 1, "-vf", how, png)
            panels.append((name, Image.open(png).convert("RGB")))
    x, y = (w - DETAIL) // 2, (h - DETAIL) // 2
    sheet = Image.new("RGB", (3 * (DETAIL + GAP) + GAP, DETAIL + LINE + 2 * GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for i, (name, image) in enumerate(panels):
        left = GAP + i * (DETAIL + GAP)
        draw.text((left, GAP), name, fill="black", font=font)
        sheet.paste(image.crop((x, y, x + DETAIL, y + DETAIL)), (left, GAP + LINE))
    sheet.save(args.out.with_suffix(".png"), optimize=True)


def coded(seconds: float) -> list:
    """Options of ffmpeg for H.264 of so many seconds."""
    return ["-an", "-t", seconds, "-c:v", "libx264", "-pix_fmt", "yuv420p"]


def scaled_down(clip: Path, folder: Path, w: int, h: int, x264: list, crf: int) -> tuple[Path, Path]:
    """The clip at that size, as it is, and at a quarter of it, coded."""
    true, small = folder / "true.mp4", folder / "small.mp4"
    fitted = f"scale={w}:{h}:force_original_aspect_ratio=increase:flags=bicubic,crop={w}:{h},setsar=1"
    ffmpeg("-i", clip, "-vf", fitted, *x264, "-qp", 0, true)
    ffmpeg("-i", true, "-vf", f"scale={w // 4}:{h // 4}:flags=bicubic", *x264, "-crf", crf, small)
    return true, small


def ffmpeg(*words) -> None:
    subprocess.run([ffmpeg_exe(), "-v", "error", "-y", *map(str, words)], check=True)


if __name__ == "__main__":
    main()
