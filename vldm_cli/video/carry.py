"""What of a clip goes along into the new file beside the frames: sound, subtitles, pictures, chapters, tags."""

from dataclasses import dataclass
from fractions import Fraction

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
    """One stream of the source in the new file: `codec` as ffmpeg's options, without the output's number."""

    stream: Stream
    codec: tuple[str, ...]
    slow: Fraction | None = None


@dataclass(frozen=True)
class Cover:
    """A picture of the source that Matroska holds as an attached file, of that name and type."""

    stream: Stream
    name: str
    type: str


@dataclass(frozen=True)
class Baggage:
    """Everything that goes along, and sentences on what changes or stays behind. `slow`: how many times as long all
    of it lasts."""

    tracks: tuple[Track, ...]
    chapters: bool
    all_tags: bool
    remarks: tuple[str, ...]
    covers: tuple[Cover, ...] = ()
    slow: Fraction = Fraction(1)


def packed(report: Report | None, kind: str, slow: Fraction = Fraction(1)) -> Baggage:
    """What a file of that kind can hold of the source; sound is stretched where the frames are (`slow` > 1)."""
    if report is None:
        return Baggage((), False, False, ())
    name = KINDS[kind].name
    if not KINDS[kind].codec:
        there = {"sound": report.of("audio"), "subtitles": report.of("subtitle"), "chapters": report.chapters}
        lost = " or ".join(word for word, found in there.items() if found)
        return Baggage((), False, False, (f"{name} holds no {lost}: left out",) if lost else ())
    remarks: list[str] = []
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
    # MP4 shows chapters once more as a track of text
    if any("bin_data (text" not in stream.words for stream in report.of("data")):
        remarks.append(f"{name} cannot hold the clip's data: left out")
    if report.rotation and not KINDS[kind].turns:
        remarks.append(f"{name} stores no rotation: the frames themselves are turned")
    # Of all these MOV has places for a few, and so for what vldm stores in one of them.
    foreign = kind == "mov" or (kind == "mp4" and bool(set(report.metadata) - _PLAIN))
    said = tuple(dict.fromkeys(remarks))
    return Baggage(tuple(tracks), bool(report.chapters), foreign, said, tuple(covers), Fraction(slow))


def _sounds(report: Report, kind: str, slow: Fraction, remarks: list[str]) -> list[Track]:
    """Tracks of sound: as they are where they can be, and encoded where not or where they are stretched."""
    held, tracks = KINDS[kind], []
    encoder, called, rate = held.encoder
    for stream in report.of("audio"):
        if slow != 1:
            tracks.append(Track(stream, (encoder, rate), slow))
        elif stream.codec in held.sound:
            tracks.append(Track(stream, ("copy",)))
        else:
            tracks.append(Track(stream, (encoder, rate)))
            remarks.append(f"{held.name} cannot hold {stream.codec} sound: it is converted to {called}")
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


def stretch(slow: Fraction) -> str:
    """The filters that make sound last `slow` times as long at the same pitch (each of them at most twice)."""
    steps = []
    while slow > 2:
        steps.append("atempo=0.5")
        slow /= 2
    return ",".join([*steps, f"atempo={float(1 / slow):.9f}"])
