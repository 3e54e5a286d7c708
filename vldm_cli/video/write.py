"""Writing video: segments of frames as files of their own, and their joining into the final file.

A segment is closed (it starts with a keyframe and refers to nothing outside), has no B-frames and, unless a GPU
encodes it, always the same bytes for the same frames, so an interrupted video goes on at the next segment and ends with
the same file.
Segments of MP4, MOV, Matroska and WebM are in the final codec and are joined without encoding again; for GIF, WebP and
PNG folders segments are lossless.
"""

import json
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from vldm_cli.errors import RunError
from vldm_cli.video import ffmpeg
from vldm_cli.video.comment import as_json, commented
from vldm_cli.video.encoders import NVENC, X264, nvenc
from vldm_cli.video.kinds import KINDS
from vldm_cli.video.listing import listed
from vldm_cli.video.stored import SETTINGS
from vldm_cli.video.tags import tag_gif, tag_webp

# RGB in, BT.709 limited range out, and tagged as what it is: without the conversion the colours would be BT.601's
# under a player that assumes BT.709 for anything of this size.
_COLOUR = (
    "scale=in_range=pc:out_range=tv:out_color_matrix=bt709:flags=bicubic+accurate_rnd+full_chroma_int,"
    "format=yuv420p,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)
# Threads of the encoder for frames of so many pixels at most, and for larger ones. x264's bytes depend on the number,
# so it follows from the frames and not from the machine: a video that goes on elsewhere ends with the same bytes. Each
# thread holds a frame of its own (8 take 50 to 75 MiB more than 2 at 2560×1440), so small frames, which are quick, have
# few; 2 took 74 ms for a frame of 2560×1440 beside an H100, which makes one in less than a third of that.
_THREADS = {1_300_000: 2, 2_100_000: 4}
_MOST_THREADS = 8


def even(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) with the last row or column repeated where H or W is odd: 4:2:0 video has only even sizes."""
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return frame


def encode_segment(
    path: Path, frames: Iterable[np.ndarray], fps: Fraction, kind: str, crf: int, encoder: str = X264
) -> int:
    """Encode uint8 (H, W, 3) RGB frames into the file `path` (which appears whole or not at all); how many it took.
    encoder: of H.264, one of `encoders.ENCODERS`.

    Frames are streamed, never collected. Odd sizes grow by one pixel where frames are H.264 or VP9 (see `even`).
    Raises RunError with ffmpeg's words when it fails (disk full, …).
    """
    path = Path(path)
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError("a segment needs at least one frame")
    count = 0

    def stream() -> Iterator[bytes]:
        nonlocal count
        for frame in _chain(first, frames):
            if frame.shape != first.shape or frame.dtype != np.uint8:
                raise ValueError(f"frames of one segment are uint8 and alike: {frame.dtype} {frame.shape}")
            count += 1
            yield np.ascontiguousarray(even(frame) if KINDS[kind].codec else frame).tobytes()

    shown = even(first) if KINDS[kind].codec else first
    height, width = shown.shape[:2]
    rate = f"{fps.numerator}/{fps.denominator}"
    arguments = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    arguments += [
        "-framerate",
        rate,
        "-i",
        "pipe:0",
        *codec(kind, crf, height, width, encoder),
        *_container(kind, fps),
        *ffmpeg.BITEXACT,
    ]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        ffmpeg.run([*arguments, ffmpeg.local(temporary)], f"writing {path.name}", stream())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def join_segments(segments: list[Path], out_tmp: Path, kind: str, fps: Fraction, metadata: dict) -> None:
    """Join segments into `out_tmp` (a folder for png), at exactly `fps`, with `metadata` as JSON in its comment.

    The caller renames it when this returns. Raises RunError with ffmpeg's words when it fails.
    """
    out_tmp = Path(out_tmp)
    text = as_json(metadata, sort_keys=True)
    what = f"joining {len(segments)} segments"
    # Every packet is one frame: its time is counted, not added up from rounded durations of the segments.
    per_frame, per_second = _ticks(fps)
    exact = f"setts=ts=N*{per_frame}:duration={per_frame}"
    if kind == "webm":  # Matroska counts milliseconds
        exact = f"setts=ts=round(N*1000*{fps.denominator}/{fps.numerator})"
    copied = ["-map", "0:v:0", "-c", "copy", "-bsf:v", exact, *ffmpeg.BITEXACT]
    try:
        with listed(segments) as (source, folder):
            if KINDS[kind].codec:
                tags = ["-map_metadata", "1"]
                if KINDS[kind].iso:
                    tags += ["-video_track_timescale", str(per_second), "-movflags", movflags(kind)]
                with commented(out_tmp, "comment", text) as comment:
                    whole = [*source, *comment, *copied, *tags, "-f", KINDS[kind].muxer]
                    ffmpeg.run([*whole, ffmpeg.local(out_tmp)], what, folder=folder)
            elif kind == "gif":
                join_gif(source, out_tmp, _retimed(fps), what, folder)
                tag_gif(out_tmp, text)
            elif kind == "webp":
                join_webp(source, out_tmp, _retimed(fps), what, folder)
                tag_webp(out_tmp, json.dumps(metadata, sort_keys=True))
            else:
                frames = [*copied, "-start_number", "0", "-f", "image2"]
                join_frames([*source, *frames], out_tmp, metadata, what, folder)
    except OSError as error:
        raise RunError(f"{what} failed: {error}") from error


def codec(kind: str, crf: int, height: int, width: int, encoder: str = X264) -> list[str]:
    """How a segment of such frames is encoded: in the final codec, or without loss where that is not one for
    segments."""
    threads = ["-threads", str(_threads(height * width))]
    if KINDS[kind].codec == "h264" and encoder == NVENC:
        return nvenc(crf)
    if KINDS[kind].codec == "h264":
        return ["-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf), "-bf", "0", *threads]
    if KINDS[kind].codec == "vp9":
        # VP9 counts quality from 0 to 63 where H.264 counts to 51
        vp9 = ["-c:v", "libvpx-vp9", "-crf", str(round(crf * 63 / 51)), "-b:v", "0"]
        return [*vp9, "-cpu-used", "4", *threads]
    return ["-c:v", "png", "-compression_level", "1", *threads]


def _threads(pixels: int) -> int:
    """Of the encoder, for frames of so many pixels."""
    return next((threads for most, threads in _THREADS.items() if pixels <= most), _MOST_THREADS)


def _container(kind: str, fps: Fraction) -> list[str]:
    """Filters and format of a segment file of `encode_segment`."""
    clock = ["-video_track_timescale", str(_ticks(fps)[1])]
    if KINDS[kind].codec == "h264":
        return ["-vf", _COLOUR, *clock, "-f", "mp4"]
    return ["-vf", _COLOUR, "-f", "webm"] if kind == "webm" else [*clock, "-f", "mov"]


def movflags(kind: str, all_tags: bool = False) -> str:
    """How MP4 and MOV are laid out; `all_tags`: with tags of any name. MOV's own places end at 64 KB."""
    return "+faststart+use_metadata_tags" if all_tags or kind == "mov" else "+faststart"


def _ticks(fps: Fraction) -> tuple[int, int]:
    """Ticks a frame and a second of a track's clock in which every frame lasts a whole number of ticks."""
    factor = -(-10_000 // fps.numerator)
    return fps.denominator * factor, fps.numerator * factor


def _retimed(fps: Fraction) -> str:
    """The filters that give frame N the time N / fps, exactly."""
    return f"settb={fps.denominator}/{fps.numerator},setpts=N"


def join_frames(arguments: list[str], out_tmp: Path, metadata: dict, what: str, folder: Path) -> None:
    """A folder of frames, and beside them what vldm stores."""
    out_tmp.mkdir(parents=True, exist_ok=True)
    ffmpeg.run([*arguments, ffmpeg.numbered(out_tmp)], what, folder=folder)
    (out_tmp / SETTINGS).write_text(as_json(metadata, indent=2) + "\n", encoding="utf-8")


def join_gif(source: list[str], out_tmp: Path, retimed: str, what: str, folder: Path) -> None:
    """One palette for the whole video, found in a first pass, so that memory does not grow with the length."""
    palette = out_tmp.with_name(f".{out_tmp.name}.palette.png")
    try:
        find = ["-vf", "palettegen=stats_mode=full", "-update", "1", "-frames:v", "1", "-f", "image2"]
        ffmpeg.run([*source, *find, ffmpeg.local(palette)], what, folder=folder)
        use = [
            "-lavfi",
            f"[0:v]{retimed}[v];[v][1:v]paletteuse=dither=sierra2_4a",
            "-fps_mode",
            "passthrough",
            "-loop",
            "0",
        ]
        arguments = [*source, "-i", ffmpeg.local(palette), *use, *ffmpeg.BITEXACT]
        ffmpeg.run([*arguments, "-f", "gif", ffmpeg.local(out_tmp)], what, folder=folder)
    finally:
        palette.unlink(missing_ok=True)


def join_webp(source: list[str], out_tmp: Path, retimed: str, what: str, folder: Path) -> None:
    """Every frame a picture of its own: ffmpeg's encoder of animations makes one of frames that look alike."""
    coded = ["-c:v", "libwebp", "-quality", "90", "-loop", "0", "-fps_mode", "passthrough"]
    whole = [*source, "-vf", retimed, *coded, *ffmpeg.BITEXACT, "-f", "webp", ffmpeg.local(out_tmp)]
    ffmpeg.run(whole, what, folder=folder)


def _chain(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest
