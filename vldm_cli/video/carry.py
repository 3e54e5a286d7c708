"""What of a clip goes along into the new file beside the frames: sound, subtitles, pictures, chapters, tags."""

from dataclasses import dataclass
from fractions import Fraction

from vldm_cli.video.probe import Report, Stream

# What is copied as it is. ffmpeg writes more into MP4 (PCM, Vorbis) than players read out of it.
_SOUND = {
    "mp4": {"aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "flac", "dts"},
    "webm": {"opus", "vorbis"},
}
_SOUND_CODEC = {"mp4": ("aac", "AAC", "192k"), "webm": ("libopus", "Opus", "128k")}
_TEXT = {"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text", "subviewer", "microdvd"}
_TEXT_CODEC = {"mp4": "mov_text", "webm": "webvtt"}
_PICTURES = {"mjpeg", "png"}
_NAMES = {"mp4": "MP4", "webm": "WebM", "gif": "GIF", "webp": "WebP", "png": "a folder of frames"}
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
class Baggage:
    """Everything that goes along, and sentences on what changes or stays behind."""

    tracks: tuple[Track, ...]
    chapters: bool
    all_tags: bool
    remarks: tuple[str, ...]


def packed(report: Report | None, kind: str, slow: Fraction = Fraction(1)) -> Baggage:
    """What a file of that kind can hold of the source; sound is stretched where the frames are (`slow` > 1)."""
    if report is None:
        return Baggage((), False, False, ())
    tracks, remarks, name = [], [], _NAMES[kind]
    sounds, texts = report.of("audio"), report.of("subtitle")
    if kind not in _SOUND:
        lost = [word for word, there in (("sound", sounds), ("subtitles", texts)) if there]
        lost += ["chapters"] if report.chapters else []
        if lost:
            remarks.append(f"{name} holds no {' or '.join(lost)}: left out")
        return Baggage((), False, False, tuple(remarks))
    for stream in sounds:
        if slow != 1:
            tracks.append(Track(stream, _encoded(kind), slow))
        elif stream.codec in _SOUND[kind]:
            tracks.append(Track(stream, ("copy",)))
        else:
            tracks.append(Track(stream, _encoded(kind)))
            remarks.append(
                f"{name} cannot hold {stream.codec} sound: it is converted to {_SOUND_CODEC[kind][1]}"
            )
    if sounds and slow != 1:
        remarks.append(f"the sound is stretched with the frames and stored as {_SOUND_CODEC[kind][1]}")
    for stream in texts:
        if stream.codec in _TEXT:
            same = {stream.codec, _TEXT_CODEC[kind]} == {_TEXT_CODEC[kind]} and slow == 1
            tracks.append(
                Track(stream, ("copy",) if same else (_TEXT_CODEC[kind],), slow if slow != 1 else None)
            )
            if stream.codec in ("ass", "ssa"):
                remarks.append(
                    f"{name} holds subtitles without their styles: {stream.codec} becomes plain text"
                )
        elif stream.codec == "dvd_subtitle" and kind == "mp4" and slow == 1:
            tracks.append(Track(stream, ("copy",)))
        else:
            remarks.append(f"{name} cannot hold {stream.codec} subtitles: left out")
    for stream in report.of("video"):
        if stream.attached and kind == "mp4" and stream.codec in _PICTURES:
            tracks.append(Track(stream, ("copy",)))
        elif stream.attached:
            remarks.append(f"{name} holds no cover picture: left out")
    others = {"data": "data", "attachment": "attached files"}
    for kept, words in others.items():
        # MP4 shows chapters once more as a track of text
        if any("bin_data (text" not in stream.words for stream in report.of(kept)):
            remarks.append(f"{name} cannot hold the clip's {words}: left out")
    if kind == "webm" and report.rotation:
        remarks.append("WebM stores no rotation: the frames themselves are turned")
    foreign = kind == "mp4" and bool(set(report.metadata) - _PLAIN)
    return Baggage(tuple(tracks), bool(report.chapters), foreign, tuple(dict.fromkeys(remarks)))


def comment_tag(report: Report | None) -> str:
    """The tag for what vldm stores: the first of a few that the source does not use itself (its own `comment` from
    an earlier vldm is not kept: the new one tells of it)."""
    tags = {} if report is None else report.metadata
    if tags.get("comment", "").startswith("{") and '"vldm"' in tags["comment"]:
        return "comment"
    return next(
        (tag for tag in ("comment", "description", "synopsis", "lyrics") if tag not in tags), "comment"
    )


def stretch(slow: Fraction) -> str:
    """The filters that make sound last `slow` times as long at the same pitch (each of them at most twice)."""
    steps = []
    while slow > 2:
        steps.append("atempo=0.5")
        slow /= 2
    return ",".join([*steps, f"atempo={float(1 / slow):.9f}"])


def _encoded(kind: str) -> tuple[str, ...]:
    encoder, _, rate = _SOUND_CODEC[kind]
    return (encoder, rate)
