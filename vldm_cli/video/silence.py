"""Sound up to the end of frames that outlast it: silence is put behind it.

AAC, which nearly every MP4 has, goes on in packets of silence behind its own, which stay what they are. Other codecs
are encoded again with the silence.
"""

import os
import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import BinaryIO

from vldm_cli.errors import RunError
from vldm_cli.video import ffmpeg
from vldm_cli.video.kinds import KINDS
from vldm_cli.video.probe import Report, Stream, inspect, source
from vldm_cli.video.write import movflags

# Less than this is no silence that anybody hears the lack of.
_LEAST = Fraction(1, 100)
_PACKET = 1024  # samples of a packet of AAC
_CHANNELS = {"mono", "stereo", "5.1"}
_ENCODERS = {
    "mp3": "libmp3lame",
    "opus": "libopus",
    "vorbis": "libvorbis",
    "ac3": "ac3",
    "eac3": "eac3",
    "mp2": "mp2",
    "flac": "flac",
    "alac": "alac",
    "aac": "aac",
}
_LOSSLESS = {"flac", "alac"}


@dataclass(frozen=True)
class _Sound:
    """A track and what it lacks: `start`, `end` and `missing` in seconds; `whole` if its packets follow each other
    without gaps; how many these are."""

    stream: Stream
    start: Fraction
    end: Fraction
    missing: Fraction
    whole: bool
    packets: int


def pad_sound(path: Path, kind: str, seconds: Fraction, clock: int, all_tags: bool) -> list[str]:
    """Gives every track of sound of the finished file `seconds` from its first frame on, to within a packet where it is
    encoded again, or the more that it has; all else in the file stays.

    clock and all_tags: as `assemble` has written the file. Returns sentences on what had to be encoded again.
    Raises RunError when it fails.
    """
    report = inspect(path)
    sounds = [found for s in report.of("audio") if (found := _measured(report, s, seconds)) is not None]
    short = {sound.stream.index: sound for sound in sounds if sound.missing > _LEAST}
    if not short:
        return []
    what, said = f"adding silence to {path.name}", []
    longer = path.with_name(f".{path.name}.{os.getpid()}.longer")
    parts = [path.with_name(f".{path.name}.{os.getpid()}.{index}.aac") for index in short]
    inputs, tail = source(path), []
    try:
        number = 0
        for stream in report.streams:
            if stream.kind not in ("video", "audio", "subtitle"):
                continue  # chapters, which MP4 shows once more as a track
            sound = short.get(stream.index)
            at = f"0:{stream.index}"
            if sound is not None:
                part = parts[list(short).index(stream.index)]
                layout = _aac(sound)
                if layout is not None:
                    trimmed = _append(path, sound, layout, part, what)
                    inputs += ["-itsoffset", f"{float(sound.start):.9f}", "-f", "aac", *source(part)]
                    at = f"{sum(word == '-i' for word in inputs) - 1}:0"
                    tail += [f"-c:{number}", "copy", f"-bsf:{number}", trimmed]
                else:
                    tail += _encoded(sound, number)
                    if stream.codec not in _LOSSLESS:
                        said.append(f"the {stream.codec} sound is encoded again, with silence at its end")
            else:
                tail += [f"-c:{number}", "copy"]
            tail += ["-map", at, f"-map_metadata:s:{number}", f"0:s:{stream.index}"]
            if stream.kind != "video":
                tail += [f"-disposition:{number}", "default" if "(default)" in stream.words else "0"]
            number += 1
        tail += ["-map_metadata", "0", "-map_chapters", "0"]
        for tag in ("major_brand", "minor_version", "compatible_brands"):
            tail += ["-metadata", f"{tag}="]
        if "creation_time" in report.metadata:
            tail += ["-metadata", f"creation_time={report.metadata['creation_time']}"]
        if KINDS[kind].iso:
            flags = movflags(kind, all_tags)
            tail += ["-video_track_timescale", str(clock), "-movflags", flags]
        words = ffmpeg.tolerant(
            [*inputs, *tail, *ffmpeg.BITEXACT, "-f", KINDS[kind].muxer, ffmpeg.local(longer)], what
        )
        said += [f"some of the sound is damaged ({words[-1]:.200})"] if words else []
        os.replace(longer, path)
    except OSError as error:
        raise RunError(f"{what} failed: {error}") from error
    finally:
        for part in (longer, *parts):
            part.unlink(missing_ok=True)
    return list(dict.fromkeys(said))


def _measured(report: Report, stream: Stream, seconds: Fraction) -> _Sound | None:
    """Where the track begins and by how much it is too short; None if it is empty."""
    maps = ["-map", f"0:{report.video.index}", "-map", f"0:{stream.index}", "-c", "copy"]
    text = ffmpeg.probe(["-v", "error", *source(report.path), *maps, "-f", "framecrc", "pipe:1"])[0].decode()
    bases = {number: Fraction(base) for number, base in re.findall(r"^#tb (\d): (\S+)", text, re.MULTILINE)}
    first, begin, end, whole, packets = None, None, None, True, 0
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        words = line.split(",")
        number = words[0].strip()
        at, length = int(words[2]) * bases[number], int(words[3]) * bases[number]
        if number == "0":
            first = at if first is None else min(first, at)
        else:
            whole = whole and (end is None or abs(at - end) < Fraction(1, 10_000))
            begin, end, packets = at if begin is None else begin, at + length, packets + 1
    if begin is None or end is None or first is None:
        return None
    return _Sound(stream, begin, end, first + seconds - end, whole, packets)


def _aac(sound: _Sound) -> tuple[int, str] | None:
    """Rate and layout of a track of AAC that silence can be put behind packet by packet."""
    found = re.match(r"aac \(LC\).*?, (\d+) Hz, ([^,]+),", sound.stream.words)
    if found is None or not sound.whole or found.group(2) not in _CHANNELS:
        return None
    return int(found.group(1)), found.group(2)


def _append(path: Path, sound: _Sound, layout: tuple[int, str], part: Path, what: str) -> str:
    """The track's packets, and those of silence behind them, as a stream of AAC. Returns the filter that ends the last
    one of them when the frames end."""
    rate, channels = layout
    samples = ceil((sound.end + sound.missing - sound.start) * rate)
    packets = ceil(samples / _PACKET)
    quiet = ["-f", "lavfi", "-i", f"anullsrc=r={rate}:cl={channels}", "-c:a", "aac", "-flags:a", "+bitexact"]
    quiet += ["-frames:a", str(packets - sound.packets)]
    silence = part.with_name(f"{part.name}.silence")
    try:
        copy = ["-map", f"0:{sound.stream.index}", "-c", "copy"]
        ffmpeg.run([*source(path), *copy, "-f", "adts", ffmpeg.local(part)], what)
        if packets > sound.packets:
            ffmpeg.run([*quiet, "-f", "adts", ffmpeg.local(silence)], what)
            with silence.open("rb") as tail, part.open("ab") as file:
                for _ in range(packets - sound.packets):  # ffmpeg may have written one more
                    file.write(_packet(tail))
    finally:
        silence.unlink(missing_ok=True)
    rest = samples - (packets - 1) * _PACKET
    return f"setts=duration=if(eq(N\\,{packets - 1})\\,round({rest}/{rate}/TB)\\,DURATION)"


def _packet(file: BinaryIO) -> bytes:
    """The next packet of a stream of AAC, whose header (ADTS) has its length."""
    head = file.read(7)
    length = int.from_bytes(head[3:6], "big") >> 5 & 0x1FFF
    return head + file.read(length - 7)


def _encoded(sound: _Sound, number: int) -> list[str]:
    """Options that encode the track with silence behind it; in its own codec where that can be written."""
    encoder = _ENCODERS.get(sound.stream.codec, "aac")
    options = [f"-c:{number}", encoder, f"-filter:{number}", f"apad=pad_dur={float(sound.missing):.6f}"]
    return options if sound.stream.codec in _LOSSLESS else [*options, f"-b:{number}", "192k"]
