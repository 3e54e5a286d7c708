"""Small whole clips of every kind, and seeded ways to damage what is in a file."""

import random
import shutil
from pathlib import Path

from PIL import Image

from tests.video import clips

FRAMES = 8
SIZE = "32x24"
_SMALL = {"frames": FRAMES, "size": SIZE, "rate": "12"}


def _make(folder: Path, name: str, *words, **more) -> Path:
    return clips.make(folder, name, *words, **{**_SMALL, **more})


def _everything(folder: Path, name: str, sound: str, text: str) -> Path:
    (folder / "s.srt").write_text(clips.SRT)
    words = ["-map", "0:v", "-map", "1:a", "-map", "2:s", "-c:a", sound, "-c:s", text, "-g", "4"]
    return _make(folder, name, clips.tone(0.7), ["-i", str(folder / "s.srt")], *words)


def _animation(folder: Path, name: str) -> Path:
    chance = random.Random(name)
    pictures = [Image.frombytes("RGB", (32, 24), chance.randbytes(32 * 24 * 3)) for _ in range(FRAMES)]
    pictures[0].save(folder / name, save_all=True, append_images=pictures[1:], duration=80)
    return folder / name


def _frames(folder: Path, pixels: str) -> Path:
    (folder / pixels).mkdir()
    _make(folder, f"{pixels}/%03d.png", filters=f"format={pixels}", codec=[])
    return folder / pixels


BASES = {
    "mp4": lambda f: _everything(f, "a.mp4", "aac", "mov_text"),
    "fragments": lambda f: _make(f, "frag.mp4", "-g", "4", "-movflags", "frag_keyframe+empty_moov"),
    "mov": lambda f: _make(f, "a.mov", clips.tone(0.7), "-c:a", "pcm_s16le", codec=["-c:v", "mpeg4"]),
    "mkv": lambda f: _everything(f, "a.mkv", "aac", "srt"),
    "lossless mkv": lambda f: _make(f, "l.mkv", filters="format=yuv422p10le", codec=["-c:v", "ffv1"]),
    "webm": lambda f: _make(f, "a.webm", clips.tone(0.7), "-c:a", "libopus", codec=["-c:v", "libvpx-vp9"]),
    "avi": lambda f: _make(
        f, "a.avi", clips.tone(0.7), "-c:a", "mp2", codec=["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]
    ),
    "ts": lambda f: _make(f, "a.ts", clips.tone(0.7), "-c:a", "mp2", codec=["-c:v", "mpeg2video"]),
    "gif": lambda f: _animation(f, "a.gif"),
    "webp": lambda f: _animation(f, "a.webp"),
    "png": lambda f: _frames(f, "rgb24"),
    "deep png": lambda f: _frames(f, "rgb48be"),
}


def cut(data: bytearray, chance: random.Random) -> None:
    del data[int(len(data) * chance.uniform(0.02, 0.999)) :]


def flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 1, 3, 10, 100])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def head(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 2, 5])):
        data[chance.randrange(min(len(data), 700))] = chance.randrange(256)


def tail(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 2, 5, 20])):
        data[-1 - chance.randrange(min(len(data), 1500))] = chance.randrange(256)


def hole(data: bytearray, chance: random.Random) -> None:
    begin = chance.randrange(len(data))
    end = min(len(data), begin + 1 + int(len(data) * chance.uniform(0.001, 0.3)))
    data[begin:end] = bytes(end - begin)


def lack(data: bytearray, chance: random.Random) -> None:
    begin = chance.randrange(len(data))
    del data[begin : begin + 1 + int(len(data) * chance.uniform(0.001, 0.2))]


def noise(data: bytearray, chance: random.Random) -> None:
    del data[chance.choice([4, 12, 64, 256]) :]
    data += chance.randbytes(chance.choice([0, 100, 3000]))


def number(data: bytearray, chance: random.Random) -> None:
    """Four bytes behind one of a header's words become a number that decides a size, a count or a clock."""
    words = (
        b"stsz",
        b"stts",
        b"stco",
        b"mdhd",
        b"tkhd",
        b"avcC",
        b"elst",
        b"trun",
        b"tfhd",
        b"mfhd",
        b"avih",
    )
    words += (
        b"strh",
        b"ANMF",
        b"VP8",
        b"IHDR",
        b"\x1f\x43\xb6\x75",
        b"\x16\x54\xae\x6b",
        b"\x21\xf9\x04",
        b"moof",
    )
    places = [at for word in words if (at := data.find(word)) >= 0]
    if not places:
        return head(data, chance)
    at = chance.choice(places) + chance.choice([-4, 4, 8, 12, 16, 20, 24])
    at = max(0, min(at, len(data) - 4))
    value = chance.choice([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, chance.randrange(2**32)])
    data[at : at + 4] = value.to_bytes(4, chance.choice(["big", "little"]))


DAMAGES = (cut, flip, head, tail, hole, lack, noise, number)


def damaged(base: Path, place: Path, chance: random.Random) -> tuple[str, str]:
    """The clip in `place`, damaged: (its name there, what was done)."""
    harm = chance.choice(DAMAGES)
    target = place / base.name
    if base.is_dir():
        shutil.copytree(base, target)
        one = chance.choice(sorted(target.iterdir()))
        if chance.random() < 0.2:
            one.rename(one.with_suffix(chance.choice([".jpg", ".tif", ".bmp"])))
            return target.name, f"{one.name} under another suffix"
    else:
        one = target
        if chance.random() < 0.1:
            one = target = target.with_suffix(chance.choice([".avi", ".gif", ".png", ".mkv", ".txt", ""]))
        shutil.copy(base, target)
    data = bytearray(one.read_bytes())
    harm(data, chance)
    one.write_bytes(data)
    return target.name, f"{harm.__name__} in {one.name}"
