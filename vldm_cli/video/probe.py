"""What a video file holds, from ffmpeg's own report of it (`ffmpeg -i`): imageio-ffmpeg ships no ffprobe."""

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.video import ffmpeg
from vldm_cli.video.pixels import depth, has_alpha, is_rgb

HDR = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
# Text, playlists and patterns that ffmpeg would take for video; a playlist could name any other file.
_NO_VIDEO = {"tty", "concat", "hls", "dash", "image2", "lavfi", "rawvideo", "sdp"}
_FIELDS = ("top", "bottom")
_RANGES = {"tv": "tv", "pc": "pc"}
_STREAM = re.compile(
    r"^ +Stream #0:(\d+)(?:\[0x[0-9a-fA-F]+\])?(?:\(([^)]*)\))?: (Video|Audio|Subtitle|Data|Attachment): (.*)$"
)

# Names that ffmpeg gives to what stands beside a stream in the file and is no tag.
_SIDE = re.compile(
    r"(?i)(spherical|stereo 3d|stereo3d|3d reference|mastering display|content light|dovi|dolby vision|icc profile"
    r"|ambient|audio service|skip samples|replaygain|cpb|encryption|frame cropping|lcevc|rtcp|producer)"
)


@dataclass(frozen=True)
class Stream:
    """One stream: its index in the file, kind ("video", "audio", …), codec, language and ffmpeg's line on it; `tags` by
    their names as they are written, and the names of what else stands beside it ("Spherical Mapping")."""

    index: int
    kind: str
    codec: str
    language: str
    words: str
    attached: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    beside: tuple[str, ...] = ()

    def tag(self, name: str) -> str | None:
        """The tag's text, whatever the case of its name."""
        return next((text for key, text in self.tags if key.lower() == name), None)


@dataclass(frozen=True)
class Report:
    """A file and its first video stream. Colours are None where the file does not say; `rotation` is what is stored
    beside the frames, in degrees counter-clockwise; `start` and `seconds` (how long
    the file says that it lasts) in seconds; `sar` the shape of a pixel, None if not said."""

    path: Path
    container: str
    start: Fraction
    streams: tuple[Stream, ...]
    video: Stream
    width: int
    height: int
    pixels: str
    range: str | None
    matrix: str | None
    primaries: str | None
    transfer: str | None
    interlaced: bool
    sar: Fraction | None
    rotation: Fraction
    rate: str | None
    chapters: int
    seconds: Fraction | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def alpha(self) -> bool:
        return has_alpha(self.pixels)

    @property
    def coarse(self) -> bool:
        """Whether the file counts whole milliseconds, so that the times of an exact rate are rounded."""
        return bool({"matroska", "webm", "flv", "live_flv", "asf"} & set(self.container.split(",")))

    @property
    def rgb(self) -> bool:
        return is_rgb(self.pixels)

    @property
    def bits(self) -> int:
        """Bits of a sample as far as they are kept: 8 or 10."""
        return 10 if depth(self.pixels) > 8 else 8

    def of(self, kind: str) -> list[Stream]:
        return [stream for stream in self.streams if stream.kind == kind]


def source(path: Path) -> list[str]:
    """The input of ffmpeg that is this file and nothing else, whatever its name looks like."""
    return [*_animation(Path(path)), "-protocol_whitelist", "file", "-i", ffmpeg.local(path)]


def _animation(path: Path) -> list[str]:
    """Animated pictures in whose names %d stands are said to be such: ffmpeg would look for a series of pictures."""
    if "%" not in str(path.absolute()):
        return []
    try:
        with path.open("rb") as file:
            head = file.read(21)
    except (OSError, ValueError):
        return []  # what reads it says so
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        moves = head[12:16] == b"VP8X" and bool(head[20] & 0x02)  # of the extended format's flags
        return ["-f", "webp_anim" if moves else "webp_pipe"]
    return ["-f", "apng"] if head[:8] == b"\x89PNG\r\n\x1a\n" else []


def inspect(path: Path) -> Report:
    """ffmpeg's report of the file. Raises RequestError when it holds no video that can be read."""
    path = Path(path)
    check_there(path)
    said = ffmpeg.probe(source(path))[1]
    report = _parsed(path, said)
    if report is None:
        raise RequestError(
            f"{path} holds no video that can be read; give a video file or a folder of pictures"
        )
    return report


def check_there(path: Path) -> None:
    """Raises RequestError where there is no such file, or nothing in it."""
    try:
        if not path.is_file():
            raise RequestError(f"there is no file {path}; check the name of the clip")
        with path.open("rb") as file:
            empty = not file.read(1)
    except (OSError, ValueError) as error:
        raise RequestError(f"cannot read {path} ({error}); check the name of the clip") from error
    if empty:
        raise RequestError(f"{path} is empty; give a video file or a folder of pictures")


def _parsed(path: Path, said: str) -> Report | None:
    lines = said.splitlines()
    head = next(
        (re.match(r"Input #0, (.+?), from '", line) for line in lines if line.startswith("Input")), None
    )
    if head is None or set(head.group(1).split(",")) & _NO_VIDEO:
        return None
    begun = re.search(r"^  Duration: .*?start: (-?[\d.]+)", said, re.MULTILINE)
    lasts = re.search(r"^  Duration: (\d+):(\d\d):(\d\d\.\d+),", said, re.MULTILINE)
    streams: list[Stream] = []
    rotations: dict[int, Fraction] = {}
    for line in lines:
        found = _STREAM.match(line)  # further in where streams are grouped, as one with its timecode
        if found and int(found.group(1)) not in (stream.index for stream in streams):
            streams.append(_stream(*found.groups()))
        elif streams and not re.match(r" {0,4}\S", line):
            turned = re.match(r"\s+(?:Display Matrix|displaymatrix): rotation of (-?[\d.]+) degrees", line)
            if turned:
                rotations[streams[-1].index] = Fraction(turned.group(1))
            streams[-1] = _more(streams[-1], line)
    for stream in streams:
        look = _look(stream) if stream.kind == "video" and not stream.attached else None
        if look:
            return Report(
                path=path,
                container=head.group(1),
                start=Fraction(begun.group(1)) if begun else Fraction(0),
                streams=tuple(streams),
                video=stream,
                rotation=rotations.get(stream.index, Fraction(0)),
                seconds=_seconds(*lasts.groups()) if lasts else None,
                chapters=len(re.findall(r"^    Chapter #0:\d+: ", said, re.MULTILINE)),
                metadata={**_created(said), **_metadata(path)},
                **look,
            )
    return None


def _stream(index: str, language: str | None, kind: str, words: str) -> Stream:
    codec = re.match(r"\w+", words)
    name = codec.group(0) if codec else "unknown"
    return Stream(int(index), kind.lower(), name, language or "", words, "(attached pic)" in words)


def _more(stream: Stream, line: str) -> Stream:
    """The stream with what a line below its own says of it."""
    tag = re.match(r" {6,}([^\s:][^:]*?) *: ?(.*)$", line)
    if tag is None or tag.group(1) in ("Metadata", "Side data", "Display Matrix", "displaymatrix"):
        return stream
    if _SIDE.match(tag.group(1)):
        return replace(stream, beside=(*stream.beside, tag.group(1)))
    return replace(stream, tags=(*stream.tags, (tag.group(1), tag.group(2))))


def _seconds(hours: str, minutes: str, seconds: str) -> Fraction:
    return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)


def _look(stream: Stream) -> dict | None:
    """Size, pixels, colours, shape of a pixel and rate in ffmpeg's line on a video stream."""
    parts = re.split(r", (?![^(\[]*[)\]])", stream.words)
    size = next((re.match(r"(\d+)x(\d+)\b", part) for part in parts if re.match(r"\d+x\d+\b", part)), None)
    pixels = next((re.fullmatch(r"(\w+)(?:\((.*)\))?", part.strip()) for part in parts[1:2]), None)
    if not size or not pixels or pixels.group(1) == "none" or min(int(n) for n in size.groups()) < 1:
        return None
    said = (pixels.group(2) or "").split(", ")
    colours = next((word for word in said if word not in _RANGES and not _is_layout(word)), None)
    names = (colours or "unknown").split("/")
    matrix, primaries, transfer = names if len(names) == 3 else names[:1] * 3
    # The container's, where it is another, comes last: that is the one which players obey.
    shapes = [(int(a), int(b)) for a, b in re.findall(r"SAR (\d+):(\d+)", stream.words)]
    shape = Fraction(*shapes[-1]) if shapes and shapes[-1][1] else None
    rate = re.search(r"([\d.]+k?) fps", stream.words)
    jpeg = pixels.group(1).startswith("yuvj")
    return {
        "width": int(size.group(1)),
        "height": int(size.group(2)),
        "pixels": pixels.group(1).replace("yuvj", "yuv"),
        "range": "pc" if jpeg else next((_RANGES[word] for word in said if word in _RANGES), None),
        "matrix": _known(matrix),
        "primaries": _known(primaries),
        "transfer": _known(transfer),
        "interlaced": any(word.startswith(_FIELDS) for word in said),
        "sar": shape or None,
        "rate": rate.group(1) if rate else None,
    }


def _is_layout(word: str) -> bool:
    """What else stands between the brackets: fields, chroma positions, alpha."""
    return bool(
        re.match(r"progressive|top|bottom|left|center|unspecified|topleft|premultiplied|straight|$", word)
    )


def _known(name: str) -> str | None:
    return None if name in ("unknown", "reserved", "unspecified") else name


def _created(said: str) -> dict[str, str]:
    """When the file was made, which ffmpeg reports and does not copy."""
    found = re.search(r"^    creation_time   : ([^\s;]+)", said, re.MULTILINE)
    return {"creation_time": found.group(1)} if found else {}


def _metadata(path: Path) -> dict[str, str]:
    """The file's own tags, by name in lower case."""
    text = ffmpeg.probe([*source(path), "-map_chapters", "-1", "-f", "ffmetadata", "-"])[0].decode(
        errors="replace"
    )
    table = {}
    for line in re.findall(r"^((?:\\.|[^\\\n])*)$", text.split("\n[")[0], re.MULTILINE | re.DOTALL):
        name, found, value = line.partition("=")
        if found and not line.startswith(";"):
            table[name.lower()] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
    return table
