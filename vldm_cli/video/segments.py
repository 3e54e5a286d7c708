"""Encoding a clip's frames, segment by segment, each frame with its own time.

As in `write` a segment is closed, has no B-frames and, by x264, always the same bytes for the same frames.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.video import ffmpeg
from vldm_cli.video.encoders import NVENC, X264, samples
from vldm_cli.video.kinds import KINDS
from vldm_cli.video.look import Look, Raw
from vldm_cli.video.times import Times
from vldm_cli.video.write import codec

MOST = 64
"""Frames of one segment: each one's time is a part of one argument of ffmpeg, which has no room for a whole clip."""
_CODECS = {"h264": "H.264", "vp9": "VP9"}


def stored_look(look: Look, kind: str, height: int, width: int) -> tuple[Look, list[str]]:
    """The look in which such a file stores frames of that size, and what is to be said of it. RequestError where it
    holds no frames of that size."""
    held = KINDS[kind]
    name = _CODECS.get(held.codec or "", held.name)
    if max(height, width) > held.largest:
        remedy = "cut the clip" if kind == "png" else "make a folder of PNG frames with --out NAME"
        raise RequestError(
            f"frames of {width}x{height} are more than {name} holds ({held.largest} a side); {remedy}"
        )
    said = []
    if kind in ("gif", "webp") and look.bits == 10:
        said.append(f"{name} holds 8 bits, not the {look.depth} of the clip")
    if held.codec and look.depth > 10:
        said.append(f"frames are stored with 10 bits, not the {look.depth} of the clip")
    if held.codec and look.was_rgb:
        said.append("the clip is RGB, so its colours are stored in full (4:4:4), which some players refuse")
    if held.codec == "h264" and look.chroma != "444" and (height % 2 or (width % 2)):
        # 4:2:0 H.264 is of even sizes only. Exactly the clip's size matters more than what old players take.
        said.append(
            f"{width}x{height} is odd, so the colours are stored in full (4:4:4), which some players refuse"
        )
        look = replace(look, chroma="444")
    return look, said


def encode_frames(
    path: Path,
    frames: Iterable[bytes],
    raw: Raw,
    look: Look,
    times: Times,
    first: int,
    kind: str,
    crf: int,
    encoder: str = X264,
) -> int:
    """Encode raw frames, which are `first`, `first` + 1, … of `times`, into `path` (which appears whole or not at
    all); how many there were. Its first frame is at time 0. encoder: of H.264. RunError with ffmpeg's words when it
    fails; ValueError for more than `MOST` frames, for frames after the last of `times` and for those of another
    size."""
    path, count = Path(path), 0
    # How many frames there will be is not known yet, so all that there may be are told their times.
    stop = min(first + MOST, len(times))

    def stream() -> Iterator[bytes]:
        nonlocal count
        for frame in frames:
            if first + count == stop:
                raise ValueError(
                    f"more than the {stop - first} frames that a segment from {first} on may have"
                )
            if len(frame) != raw.bytes:
                raise ValueError(f"a frame of {len(frame)} bytes where {raw} has {raw.bytes}")
            count += 1
            yield frame

    origin = times.ticks[first]
    starts = [times.ticks[i] - origin for i in range(first, stop)]
    lengths = [times.length(i) for i in range(first, stop)]
    retimed = f"setts=ts={_table(starts)}:duration={_table(lengths)}"
    fps = times.fps.limit_denominator(1_000_000)
    rate = f"{fps.numerator}/{fps.denominator}"
    arguments = ["-f", "rawvideo", "-pix_fmt", raw.pixels, "-s", f"{raw.width}x{raw.height}"]
    arguments += ["-framerate", rate, "-i", "pipe:0", "-fps_mode", "passthrough"]
    arguments += ["-enc_time_base", f"1/{times.clock}"]
    if KINDS[kind].codec:
        layout = f",format={samples(encoder, look.coded)}" if encoder == NVENC else ""
        arguments += ["-vf", look.encode(raw.pixels) + layout]
    elif raw.rgb:
        arguments += ["-vf", look.shape()]
    else:
        arguments += ["-vf", f"{look.decode(replace(raw, pixels=look.rgb))},{look.shape()}"]
    arguments += [*codec(kind, crf, raw.height, raw.width, encoder), "-bsf:v", retimed, *ffmpeg.BITEXACT]
    # VP9 too goes into MP4: the clock of WebM counts milliseconds, which would add up.
    arguments += ["-f", "mp4" if KINDS[kind].codec else "mov"]
    arguments += ["-video_track_timescale", str(times.clock)]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        ffmpeg.run([*arguments, ffmpeg.local(temporary)], f"writing {path.name}", stream())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _table(values: list[int]) -> str:
    """An expression for the N-th of the values, as a search tree (expressions may not be nested deeply)."""

    def tree(low: int, high: int) -> str:
        if high - low == 1:
            return str(values[low])
        middle = (low + high) // 2
        return f"if(lt(N\\,{middle})\\,{tree(low, middle)}\\,{tree(middle, high)})"

    return tree(0, len(values))
