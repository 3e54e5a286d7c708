"""What of a clip goes along into the new file beside the frames: sound, subtitles, pictures, chapters, tags."""

import re
from dataclasses import dataclass
from fractions import Fraction

from vldm_cli.video import sound
from vldm_cli.video.beside import beside
from vldm_cli.video.kinds import KINDS
from vldm_cli.video.probe import Report, Stream

_TEXT = {"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text", "subviewer", "microdvd"}
OWN_TAGS = ("comment", "description", "synopsis", "lyrics")
_PICTURES = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png")}
# Tags that MP4 has places of its own for; with any other, all go where any name may stand.
_PLAIN = {
    *(
        "title",
        "artist",
        "album_artist",
        "composer",
        "album",
        "date",
        "encoder",
        "comment",
        "genre",
        "copyright",
    ),
    *(
        "grouping",
        "lyrics",
        "description",
        "synopsis",
        "show",
        "episode_id",
        "network",
        "keywords",
        "track",
        "disc",
    ),
    *(
        "creation_time",
        "major_brand",
        "minor_version",
        "compatible_brands",
        "location",
        "software",
        "duration",
    ),
}


@dataclass(frozen=True)
class Track:
    """One stream of the source in the new file: `codec` as ffmpeg's options, without the output's number; `filters`
    before it where it is sound that is encoded."""

    stream: Stream
    codec: tuple[str, ...]
    slow: Fraction | None = None
    filters: str | None = None


@dataclass(frozen=True)
class Cover:
    """A picture of the source that Matroska holds as an attached file, of that name and type."""

    stream: Stream
    name: str
    type: str


@dataclass(frozen=True)
class Baggage:
    """Everything that goes along, and sentences on what changes or stays behind. `slow`: how many times as long all
    of it lasts; `display`: options of ffmpeg that say of new frames for what display they are."""

    tracks: tuple[Track, ...]
    chapters: bool
    all_tags: bool
    remarks: tuple[str, ...]
    covers: tuple[Cover, ...] = ()
    slow: Fraction = Fraction(1)
    display: tuple[str, ...] = ()


def packed(report: Report | None, kind: str, slow: Fraction = Fraction(1)) -> Baggage:
    """What a file of that kind can hold of the source; sound is stretched where the frames are (`slow` > 1)."""
    if report is None:
        return Baggage((), False, False, ())
    name = KINDS[kind].name
    whole = beside(report, kind)
    lost = ", ".join(whole.lost)
    besides = (
        [f"the new file does not say what {report.path} says of the whole picture: {lost}"] if lost else []
    )
    if not KINDS[kind].codec:
        there = {"sound": report.of("audio"), "subtitles": report.of("subtitle"), "chapters": report.chapters}
        held = " or ".join(word for word, found in there.items() if found)
        left = [f"{name} holds no {held}: left out"] if held else []
        return Baggage((), False, False, (*left, *besides))
    remarks: list[str] = besides
    tracks = [*_sounds(report, kind, slow, remarks), *_texts(report, kind, slow, remarks)]
    covers: list[Cover] = []
    for stream in (stream for stream in report.of("video") if stream.attached):
        if kind == "mp4" and stream.codec in _PICTURES:
            tracks.append(Track(stream, ("copy",)))
        elif kind == "mkv" and stream.codec in _PICTURES:
            suffix, mime = _PICTURES[stream.codec]
            covers.append(Cover(stream, f"cover{len(covers) or ''}.{suffix}", mime))
        else:
            remarks.append(f"{name} holds no cover picture: left out")
    if kind == "mkv":
        tracks += [Track(stream, ("copy",)) for stream in report.of("attachment")]
    elif report.of("attachment"):
        remarks.append(f"{name} cannot hold the clip's attached files: left out")
    # MP4 shows chapters once more as a track of text; of a timecode ffmpeg makes a track again, or a tag.
    again = ("bin_data (text", *([] if kind == "webm" else ["(tmcd"]))
    if any(not any(words in stream.words for words in again) for stream in report.of("data")):
        remarks.append(f"{name} cannot hold the clip's data: left out")
    if report.rotation and not KINDS[kind].turns:
        remarks.append(f"{name} stores no rotation: the frames themselves are turned")
    # Of all these MOV has places for a few, and so for what vldm stores in one of them.
    foreign = kind == "mov" or (kind == "mp4" and bool(set(report.metadata) - _PLAIN))
    said = tuple(dict.fromkeys(remarks))
    return Baggage(
        tuple(tracks), bool(report.chapters), foreign, said, tuple(covers), Fraction(slow), whole.options
    )


def _sounds(report: Report, kind: str, slow: Fraction, remarks: list[str]) -> list[Track]:
    """Tracks of sound: as they are where they can be, and encoded where not or where they are stretched."""
    held, tracks = KINDS[kind], []
    encoder, called, rate = held.encoder
    for stream in report.of("audio"):
        copied = slow == 1 and stream.codec in held.sound
        if not sound.is_readable(stream):
            remarks.append(f"a track of sound of {report.path} is damaged: left out")
        elif copied:
            tracks.append(Track(stream, ("copy",)))
        else:
            stretched = None if slow == 1 else slow
            tracks.append(
                Track(stream, (encoder, rate), stretched, sound.filters(stream, encoder, stretched))
            )
            if slow == 1:
                remarks.append(f"{held.name} cannot hold {stream.codec} sound: it is converted to {called}")
            wanted = sound.layout_for(stream, encoder)
            if wanted and wanted != sound.layout(stream).replace("(side)", ""):
                remarks.append(f"{called} has no sound of {sound.layout(stream)}: it becomes {wanted}")
    if tracks and slow != 1:
        remarks.append(f"the sound is stretched with the frames and stored as {called}")
    return tracks


def _texts(report: Report, kind: str, slow: Fraction, remarks: list[str]) -> list[Track]:
    """Subtitles; times are stretched as they are, whatever these consist of."""
    held, tracks, stretched = KINDS[kind], [], slow if slow != 1 else None
    for stream in report.of("subtitle"):
        if stream.codec in held.texts or stream.codec in held.images:
            tracks.append(Track(stream, ("copy",), stretched))
        elif stream.codec in _TEXT:
            tracks.append(Track(stream, (held.text,), stretched))
            if stream.codec in ("ass", "ssa"):
                remarks.append(
                    f"{held.name} holds subtitles without their styles: {stream.codec} becomes plain text"
                )
        else:
            remarks.append(f"{held.name} cannot hold {stream.codec} subtitles: left out")
    return tracks


def comment_tag(report: Report | None) -> str:
    """The tag for what vldm stores: the first of a few that the source does not use itself (what an earlier vldm has
    stored in one of them is not kept: the new one tells of it)."""
    tags = {} if report is None else report.metadata
    own = [tag for tag in OWN_TAGS if tags.get(tag, "").startswith("{") and '"vldm"' in tags[tag]]
    return next((tag for tag in OWN_TAGS if tag in own or (not own and tag not in tags)), "comment")


# Tags that tell how the old stream was coded: mkvmerge's statistics, which may have a language behind their names, its
# encoder and its transparency.
_CODING = re.compile(
    r"(?i)(_STATISTICS_\w+|BPS|DURATION|NUMBER_OF_(FRAMES|BYTES)|SOURCE_ID|ENCODER(_\w+)?|ENCODED_BY|alpha_mode)(-\w+)*"
)


def fresh(stream: Stream, number: int) -> list[str]:
    """Options that keep what describes the coding of a stream from its new encoding, stream `number` of the output."""
    names = dict.fromkeys(name for name, _ in stream.tags if _CODING.fullmatch(name))
    return [word for name in names for word in (f"-metadata:s:{number}", f"{name}=")]
