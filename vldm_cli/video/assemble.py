"""The last step of a command on a clip: segments joined, every frame at its time, with all that the clip carries."""

import json
import os
from fractions import Fraction
from pathlib import Path

from vldm_cli.errors import RunError
from vldm_cli.video import ffmpeg
from vldm_cli.video.carry import Baggage, comment_tag, stretch
from vldm_cli.video.clip import Clip
from vldm_cli.video.comment import commented
from vldm_cli.video.kinds import KINDS, MOV_LANGUAGES
from vldm_cli.video.probe import Report, source
from vldm_cli.video.tags import tag_gif, tag_webp
from vldm_cli.video.times import Times
from vldm_cli.video.write import SETTINGS, join_gif, join_webp, movflags

_MICRO = 1_000_000


def assemble(
    clip: Clip,
    segments: list[tuple[Path, int]],
    out_tmp: Path,
    kind: str,
    times: Times,
    baggage: Baggage,
    metadata: dict,
) -> list[str]:
    """Joins segments, each with its first frame's number, into `out_tmp` (a folder for png). Returns sentences on
    what of the clip's sound or subtitles could not be read. RunError when it fails or frames are missing."""
    out_tmp = Path(out_tmp)
    listing = segments[0][0].with_name(f".segments.{os.getpid()}.txt")
    what = f"joining {len(segments)} segments"
    try:
        listing.write_text(_listing(segments, times))
        joined = ["-f", "concat", "-safe", "0", "-i", ffmpeg.local(listing)]
        if KINDS[kind].codec:
            words = _with_baggage(clip, joined, out_tmp, kind, times, baggage, metadata, what)
            _check(out_tmp, len(times))
            return words
        _pictures(joined, out_tmp, kind, metadata, what)
        return []
    except OSError as error:
        raise RunError(f"{what} failed: {error}") from error
    finally:
        listing.unlink(missing_ok=True)


def _listing(segments: list[tuple[Path, int]], times: Times) -> str:
    """For ffmpeg's concat demuxer, which counts in microseconds: each segment's length is chosen so that the sum
    never strays from the true time by more than half of one, which is less than a tick."""
    lines = []
    firsts = [first for _, first in segments]
    starts = [round(Fraction(times.ticks[first] * _MICRO, times.clock)) for first in firsts]
    ends = [*starts[1:], round(times.seconds * _MICRO)]
    for (path, _), start, end in zip(segments, starts, ends, strict=True):
        quoted = str(path.absolute()).replace("'", r"'\''")
        lines.append(f"file '{quoted}'\nduration {(end - start) / _MICRO:.6f}\n")
    return "".join(lines)


def _with_baggage(
    clip: Clip,
    joined: list[str],
    out_tmp: Path,
    kind: str,
    times: Times,
    baggage: Baggage,
    metadata: dict,
    what: str,
) -> list[str]:
    report, held = clip.report, KINDS[kind]
    head = ["-itsoffset", f"{float(times.start):.6f}"] if times.start else []
    if report is not None and report.rotation and not clip.upright and held.turns:
        head += ["-display_rotation", str(float(report.rotation))]
    inputs, tail = [*head, *joined], ["-map", "0:v:0", "-c:v:0", "copy"]
    beside: list[Path] = []  # files that are read along with the clip and go again
    try:
        if report is not None:
            inputs += ["-fflags", "+discardcorrupt", *source(report.path)]
            tail += ["-map_metadata:s:0", f"1:s:{report.video.index}", "-disposition:v:0", "default"]
            tail += [*_tracks(baggage, kind), *_covers(report, baggage, out_tmp, beside)]
            chapters = 1 if baggage.chapters else -1
            if chapters == 1 and baggage.slow != 1:
                beside.append(_slow_chapters(report.path, baggage.slow, out_tmp))
                chapters = inputs.count("-i")
                inputs += ["-f", "ffmetadata", "-i", ffmpeg.local(beside[-1])]
            tail += ["-map_chapters", str(chapters)]
        if report is not None and "creation_time" in report.metadata:
            tail += ["-metadata", f"creation_time={report.metadata['creation_time']}"]
        for tag in ("major_brand", "minor_version", "compatible_brands"):
            tail += ["-metadata", f"{tag}="]
        if held.iso:
            flags = movflags(kind, baggage.all_tags)
            tail += ["-video_track_timescale", str(times.clock), "-movflags", flags]
        text = json.dumps(metadata, ensure_ascii=False, sort_keys=True)
        with commented(out_tmp, comment_tag(report), text) as comment:
            # Of two tags of one name the first that is mapped is taken: ours.
            maps = ["-map_metadata", str(inputs.count("-i")), *(["-map_metadata", "1"] if report else [])]
            whole = [*inputs, *comment, *maps, *tail, *ffmpeg.BITEXACT, "-f", held.muxer]
            said = ffmpeg.tolerant([*whole, ffmpeg.local(out_tmp)], what)
    finally:
        for path in beside:
            path.unlink(missing_ok=True)
    return [f"some of what {clip.path} carries is damaged ({said[-1]:.200})"] if said else []


def _tracks(baggage: Baggage, kind: str) -> list[str]:
    """Options for every track of the clip, its second input, that goes along."""
    options: list[str] = []
    counts = {"video": 1, "audio": 0, "subtitle": 0, "attachment": 0}
    for number, track in enumerate(baggage.tracks, 1):
        stream = track.stream
        letter = "t" if stream.kind == "attachment" else stream.kind[0]
        at = counts[stream.kind]
        counts[stream.kind] += 1
        options += ["-map", f"1:{stream.index}"]
        options += [f"-c:{letter}:{at}", track.codec[0], f"-map_metadata:s:{number}", f"1:s:{stream.index}"]
        if kind == "mov" and stream.language in MOV_LANGUAGES:
            options += [f"-metadata:s:{number}", f"language={MOV_LANGUAGES[stream.language]}"]
        if stream.kind == "subtitle" and track.slow:
            options += [f"-bsf:s:{at}", f"setts=ts=TS*{track.slow}:duration=DURATION*{track.slow}"]
        if stream.kind == "audio" and track.codec[0] != "copy":
            options += [f"-b:a:{at}", track.codec[1]]
            if track.slow:
                options += [f"-filter:a:{at}", stretch(track.slow)]
    return options


def _covers(report: Report, baggage: Baggage, out_tmp: Path, beside: list[Path]) -> list[str]:
    """Options that attach the clip's pictures, which are files beside the output as long as they are needed."""
    options: list[str] = []
    first = sum(track.stream.kind == "attachment" for track in baggage.tracks)
    for number, cover in enumerate(baggage.covers, first):
        beside.append(out_tmp.with_name(f".{out_tmp.name}.{cover.name}"))
        copied = ["-map", f"0:{cover.stream.index}", "-c", "copy", "-f", "image2", "-update", "1"]
        ffmpeg.run([*source(report.path), *copied, ffmpeg.local(beside[-1])], f"taking out {cover.name}")
        options += ["-attach", ffmpeg.local(beside[-1]), f"-metadata:s:t:{number}", f"mimetype={cover.type}"]
        options += [f"-metadata:s:t:{number}", f"filename={cover.name}"]
    return options


def _slow_chapters(path: Path, slow: Fraction, out_tmp: Path) -> Path:
    """Chapters at `slow` times their times, in a file of ffmpeg's metadata format beside the output."""
    text = ffmpeg.probe([*source(path), "-f", "ffmetadata", "-"])[0].decode(errors="replace")
    lines = []
    for line in text.splitlines():
        name, found, value = line.partition("=")
        if found and name in ("START", "END"):
            line = f"{name}={round(int(value) * slow)}"
        lines.append(line)
    chapters = out_tmp.with_name(f".{out_tmp.name}.chapters.txt")
    chapters.write_text("\n".join(lines) + "\n")
    return chapters


def _pictures(joined: list[str], out_tmp: Path, kind: str, metadata: dict, what: str) -> None:
    """GIF, WebP and folders: the frames and what vldm stores."""
    if kind == "gif":
        join_gif(joined, out_tmp, "null", what)
        tag_gif(out_tmp, json.dumps(metadata, ensure_ascii=False, sort_keys=True))
    elif kind == "webp":
        join_webp(joined, out_tmp, "null", what)
        tag_webp(out_tmp, json.dumps(metadata, sort_keys=True))
    else:
        out_tmp.mkdir(parents=True, exist_ok=True)
        frames = ["-map", "0:v:0", "-c", "copy", *ffmpeg.BITEXACT, "-start_number", "0", "-f", "image2"]
        ffmpeg.run([*joined, *frames, ffmpeg.numbered(out_tmp)], what)
        (out_tmp / SETTINGS).write_text(json.dumps(metadata, ensure_ascii=False, indent=2) + "\n")


def _check(path: Path, frames: int) -> None:
    """That the file holds so many frames: a full disk or a fault must not pass for a video."""
    counted = ffmpeg.probe([*source(path), "-map", "0:v:0", "-c", "copy", "-f", "framecrc", "-"])[0]
    found = sum(line[:1] not in (b"#", b"") for line in counted.splitlines())
    if found != frames:
        raise RunError(f"{found} of {frames} frames are in the joined file; is the disk full?")
