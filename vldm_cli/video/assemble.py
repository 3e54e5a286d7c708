"""The last step of a command on a clip: segments joined, every frame at its time, with all that the clip carries."""

import json
import os
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from vldm_cli.errors import RunError
from vldm_cli.video import ffmpeg
from vldm_cli.video.carry import Baggage, comment_tag, fresh
from vldm_cli.video.clip import Clip
from vldm_cli.video.comment import as_json, commented
from vldm_cli.video.kinds import KINDS, MOV_LANGUAGES
from vldm_cli.video.listing import listed
from vldm_cli.video.probe import Report, source
from vldm_cli.video.tags import tag_gif, tag_webp
from vldm_cli.video.times import Times
from vldm_cli.video.write import join_frames, join_gif, join_webp, movflags

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
    what = f"joining {len(segments)} segments"
    try:
        with listed([path for path, _ in segments], _lengths(segments, times)) as (joined, folder):
            if KINDS[kind].codec:
                join = partial(_with_baggage, clip, joined, folder, out_tmp, kind, times, metadata, what)
                try:
                    words = join(baggage)
                except RunError:
                    # The clip is damaged there, and would be so at every further try.
                    sound, lost = _joinable(clip, kind, baggage)
                    if not lost:
                        raise
                    words = [*lost, *join(sound)]
                _check(out_tmp, len(times))
                return words
            _pictures(joined, folder, out_tmp, kind, metadata, what)
            return []
    except OSError as error:
        raise RunError(f"{what} failed: {error}") from error


def _lengths(segments: list[tuple[Path, int]], times: Times) -> list[str]:
    """For ffmpeg's concat demuxer, which counts in microseconds: each segment's length is chosen so that the sum
    never strays from the true time by more than half of one, which is less than a tick."""
    firsts = [first for _, first in segments]
    starts = [round(Fraction(times.ticks[first] * _MICRO, times.clock)) for first in firsts]
    ends = [*starts[1:], round(times.seconds * _MICRO)]
    return [f"duration {(end - start) / _MICRO:.6f}\n" for start, end in zip(starts, ends, strict=True)]


def _with_baggage(
    clip: Clip,
    joined: list[str],
    folder: Path,
    out_tmp: Path,
    kind: str,
    times: Times,
    metadata: dict,
    what: str,
    baggage: Baggage,
) -> list[str]:
    report, held = clip.report, KINDS[kind]
    head = ["-itsoffset", f"{float(times.start):.6f}"] if times.start else []
    if report is not None and report.rotation and not clip.upright and held.turns:
        head += ["-display_rotation", str(float(report.rotation))]
    inputs, tail = [*head, *baggage.display, *joined], ["-map", "0:v:0", "-c:v:0", "copy"]
    beside: list[Path] = []  # files that are read along with the clip and go again
    try:
        if report is not None:
            inputs += ["-fflags", "+discardcorrupt", *source(report.path)]
            tail += ["-map_metadata:s:0", f"1:s:{report.video.index}", "-disposition:v:0", "default"]
            tail += fresh(report.video, 0)
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
        text = as_json(metadata, sort_keys=True)
        with commented(out_tmp, comment_tag(report), text) as comment:
            # Of two tags of one name the first that is mapped is taken: ours.
            maps = ["-map_metadata", str(inputs.count("-i")), *(["-map_metadata", "1"] if report else [])]
            whole = [*inputs, *comment, *maps, *tail, *ffmpeg.BITEXACT, "-f", held.muxer]
            said = ffmpeg.tolerant([*whole, ffmpeg.local(out_tmp)], what, folder)
    finally:
        for path in beside:
            path.unlink(missing_ok=True)
    return [f"some of what {clip.path} carries is damaged ({ffmpeg.plain(said[-1]):.200})"] if said else []


def _joinable(clip: Clip, kind: str, baggage: Baggage) -> tuple[Baggage, list[str]]:
    """The baggage without the tracks that cannot be written into such a file, each tried alone and into nothing, and
    sentences on those."""
    if clip.report is None:  # pictures carry no tracks
        return baggage, []
    kept, lost = [], []
    for track in baggage.tracks:
        alone = _tracks(replace(baggage, tracks=(track,)), kind, video=0)
        options = [*alone, "-map_metadata", "-1", "-map_chapters", "-1", "-f", KINDS[kind].muxer]
        # Where it is the second input.
        blank = ["-f", "lavfi", "-i", "color=s=16x16:d=0.1"]
        inputs = [*blank, "-fflags", "+discardcorrupt", *source(clip.report.path)]
        try:
            ffmpeg.tolerant([*inputs, *options, ffmpeg.local(Path(os.devnull))], "trying")
            kept.append(track)
        except RunError:
            what = "sound" if track.stream.kind == "audio" else track.stream.kind
            lost.append(f"track {track.stream.index} of {clip.path} ({what}) is damaged: left out")
    return replace(baggage, tracks=tuple(kept)), lost


def _tracks(baggage: Baggage, kind: str, video: int = 1) -> list[str]:
    """Options for every track of the clip, its second input, that goes along after so many of video."""
    options: list[str] = []
    counts = {"video": video, "audio": 0, "subtitle": 0, "attachment": 0}
    for number, track in enumerate(baggage.tracks, video):
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
            options += [f"-filter:a:{at}", track.filters] if track.filters else []
        if track.codec[0] != "copy":
            options += fresh(stream, number)
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
    chapters.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return chapters


def _pictures(joined: list[str], folder: Path, out_tmp: Path, kind: str, metadata: dict, what: str) -> None:
    """GIF, WebP and folders: the frames and what vldm stores."""
    if kind == "gif":
        join_gif(joined, out_tmp, "null", what, folder)
        tag_gif(out_tmp, as_json(metadata, sort_keys=True))
    elif kind == "webp":
        join_webp(joined, out_tmp, "null", what, folder)
        tag_webp(out_tmp, json.dumps(metadata, sort_keys=True))
    else:
        frames = ["-map", "0:v:0", "-c", "copy", *ffmpeg.BITEXACT, "-start_number", "0", "-f", "image2"]
        join_frames([*joined, *frames], out_tmp, metadata, what, folder)


def _check(path: Path, frames: int) -> None:
    """That the file holds so many frames: a full disk or a fault must not pass for a video."""
    counted = ffmpeg.probe([*source(path), "-map", "0:v:0", "-c", "copy", "-f", "framecrc", "-"])[0]
    found = ffmpeg.packets(counted)
    if found != frames:
        raise RunError(f"{found} of {frames} frames are in the joined file; is the disk full?")
