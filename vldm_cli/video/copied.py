"""Whether a clip's own packets can go on in the file that continues it, so that its frames are not encoded again.

H.264 in MP4, MOV and Matroska keeps what the decoder must know of the stream (SPS and PPS) once for the whole file. So
packets of two encodings go together safely only where those are the same to the bit: in what vldm has written itself,
with the same quality and encoder. VP9 says everything in every keyframe.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import numpy as np

from vldm_cli.errors import RequestError
from vldm_cli.video import ffmpeg
from vldm_cli.video.clip import Clip
from vldm_cli.video.encoders import X264
from vldm_cli.video.kinds import KINDS
from vldm_cli.video.look import Look, Raw
from vldm_cli.video.probe import source
from vldm_cli.video.segments import encode_frames
from vldm_cli.video.stored import TRIAL
from vldm_cli.video.times import Times
from vldm_cli.video.write import encode_segment

GENERATED, CLIP = "generated", "clip"
"""The two ways in which vldm encodes: `write.encode_segment` and `segments.encode_frames`."""


def encode(
    style: str,
    path: Path,
    frames: Iterable[bytes],
    raw: Raw,
    look: Look,
    times: Times,
    first: int,
    how: tuple[str, int, str],
) -> None:
    """Encodes raw RGB frames in that style; `how` is (kind, crf, encoder)."""
    if style == CLIP:
        encode_frames(path, frames, raw, look, times, first, *how)
    else:
        encode_segment(path, (raw.planes(frame)[0] for frame in frames), _fps(times), *how)


def style_to_copy(clip: Clip, kind: str, crf: int, beside: Path, encoder: str = X264) -> str | None:
    """In which style new frames can follow the clip's own packets; None where these cannot be copied. It is tried out
    in a folder in `beside`, which goes again (`beside` too if there was none). RequestError where nothing can be
    written there."""
    report, times = clip.report, clip.times
    if report is None or clip.upright or not times.constant or any("damaged" in w for w in clip.warnings):
        return None
    if _packets(report.path, report.video.index) != clip.frames:
        return None
    codec = KINDS[kind].codec
    if codec == "vp9" == report.video.codec and "matroska" in report.container:
        return CLIP if report.pixels == clip.look.coded else None
    if (
        codec != "h264"
        or report.video.codec != codec
        or not {"mp4", "matroska"} & set(report.container.split(","))
    ):
        return None
    wanted = _parameter_sets(report.path, report.video.index)
    raw = clip.raw(rgb=True)
    black = np.zeros(raw.bytes, np.uint8).tobytes()
    with _trial(beside) as folder:
        for style in (GENERATED, CLIP):
            path = folder / f"{style}.mp4"
            if style == GENERATED and raw.peak > 255:
                continue
            encode(style, path, [black], raw, clip.look, times, 0, (kind, crf, encoder))
            if _parameter_sets(path, 0) == wanted:
                return style
    return None


@contextmanager
def _trial(beside: Path) -> Iterator[Path]:
    """A folder for a moment. Not one of the system's for temporary files, which may not be there, and where it would
    stay if the process were killed: what is in the folder of a run goes with that."""
    folder, before = beside / f"{TRIAL}{os.getpid()}", beside.exists()
    try:
        try:
            for made in (beside, folder):
                made.mkdir(exist_ok=True)
        except FileNotFoundError:
            raise RequestError(
                f"there is no folder {beside.parent}; make it or name another place with --out"
            ) from None
        except OSError as error:
            raise RequestError(
                f"cannot write to {beside.parent} ({error.strerror}); name another place with --out"
            ) from error
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not before:  # empty it may be what is left of a finished run, which is known by it
            with suppress(OSError):
                beside.rmdir()


def copy_packets(clip: Clip, path: Path) -> None:
    """The clip's packets of video alone, to the tick of its clock, as a segment. RunError when that fails."""
    assert clip.report is not None  # pictures have no packets to copy
    times, what = clip.times, f"copying the frames of {clip.path}"
    plain = ["-c", "copy", "-map_metadata", "-1", "-map_chapters", "-1", *ffmpeg.BITEXACT]
    plain += ["-video_track_timescale", str(times.clock), "-f", "mp4"]
    first = [*source(clip.path), "-map", f"0:{clip.report.video.index}", *plain]
    coarse = path.with_name(f".{path.name}.{os.getpid()}.coarse")
    try:
        # Twice: what sets times counts in the clock of the file that it reads, and WebM's is of milliseconds.
        ffmpeg.run([*first, ffmpeg.local(coarse)], what)
        exact = f"setts=ts=N*{times.length(0)}:duration={times.length(0)}"
        ffmpeg.run([*source(coarse), "-map", "0:0", "-bsf:v", exact, *plain, ffmpeg.local(path)], what)
    finally:
        coarse.unlink(missing_ok=True)


def _fps(times: Times) -> Fraction:
    return Fraction(times.clock, times.length(0))


def _packets(path: Path, index: int) -> int:
    listed = ["-map", f"0:{index}", "-c", "copy", "-f", "framecrc", "pipe:1"]
    return ffmpeg.packets(ffmpeg.probe([*source(path), *listed])[0])


def _parameter_sets(path: Path, index: int) -> set[bytes]:
    """All SPS and PPS of an H.264 stream."""
    only = "h264_mp4toannexb,filter_units=pass_types=7-8"
    arguments = ["-v", "error", *source(path), "-map", f"0:{index}", "-c", "copy", "-bsf:v", only]
    said = ffmpeg.probe([*arguments, "-f", "h264", "pipe:1"])[0]
    return {unit for unit in re.split(rb"\x00{2,3}\x01", said) if unit}
