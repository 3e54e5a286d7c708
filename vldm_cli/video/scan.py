"""Looking through a whole clip before anything is made of it: which frames there are, and how they are stored."""

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from vldm_cli.errors import RequestError
from vldm_cli.video import ffmpeg
from vldm_cli.video.probe import Report, source
from vldm_cli.video.structure import structure
from vldm_cli.video.times import Times, exact

# A packet that was cut short is no whole frame; every frame is taken once, whatever its time.
TOLERANT = ["-fflags", "+discardcorrupt"]
EACH = ["-fps_mode", "passthrough"]


@dataclass(frozen=True)
class Scan:
    """The times of every frame that decodes; height and width of the first as it is stored; whether all are like it;
    and sentences on damage and other sizes."""

    times: Times
    height: int
    width: int
    steady: bool
    remarks: tuple[str, ...]


def is_transparent(report: Report) -> bool:
    """Whether the clip has transparency. In GIF and WebP it is how frames are stored, and palettes
    need not use it, so there every pixel is asked."""
    pictures = report.container.startswith(("gif", "webp"))
    if not pictures and report.pixels != "pal8":
        # VP8 and VP9 keep it in a stream of their own
        return report.alpha or report.video.tag("alpha_mode") == "1"
    if not report.alpha:
        return False
    asked = "format=bgra,alphaextract" if report.pixels == "pal8" else "alphaextract"
    arguments = [*source(report.path), "-map", f"0:{report.video.index}", *EACH, "-vf", asked]
    seen = (
        report.pixels != "pal8"
    )  # of palettes that have no transparency some programs say that all is clear
    with ffmpeg.output([*arguments, "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]) as stream:
        clear = False
        while block := stream.read(1 << 16):
            clear = clear or block.count(255) < len(block)
            seen = seen or block.count(0) < len(block)
            if clear and seen:
                return True
    return False


def scan(report: Report) -> Scan:
    """RequestError if no frame decodes."""
    # Of recordings that were put together, as transport streams may be, ffmpeg joins the times, and those of the sound
    # alike, but only where it may count from 0.
    pieces = report.container.startswith("mpeg")
    arguments = ["-loglevel", "level+info", *_frames(report, [] if pieces else ["-copyts"])]
    ticks, last, base, size = array("q"), 0, Fraction(1, 25), (report.height, report.width)
    said: list[str] = []
    with ffmpeg.output(arguments, said) as stream:
        for line in stream:
            if line.startswith(b"#tb 0:"):
                base = Fraction(line.split(b":", 1)[1].strip().decode())
            elif not line.startswith(b"#"):
                words = line.split(b",")
                ticks.append(int(words[2]))
                last = int(words[3])
            elif line.startswith(b"#dimensions"):
                width, height = line.split(b":", 1)[1].split(b"x")
                size = int(height), int(width)
    errors = [
        ffmpeg.plain(words) for words in said if re.search(r"\[(error|fatal)\]|\[warning\].*corrupt", words)
    ]
    if not ticks:
        why = f" ({errors[-1].strip()})" if errors else ""
        raise RequestError(f"no frame of {report.path} can be decoded{why}; give another copy of it")
    if pieces:
        (begin,) = _ticks(ffmpeg.probe([*_frames(report, ["-copyts"], ["-frames:v", "1"])])[0]) or [ticks[0]]
        ticks = array("q", (tick - ticks[0] + begin for tick in ticks))
    remarks = []
    own = structure(report.path)
    lost = own.frames > len(ticks) + own.spare
    if lost and own.whole and not errors and report.container == "gif":
        # one without graphic control extensions, as Pillow writes it where no duration is given
        what = f"ffmpeg finds {len(ticks)} of the {own.frames} frames of {report.path}"
        remarks.append(
            f"{what}, which says of none how long it is shown; write it anew with durations for all"
        )
    elif errors or not own.whole or lost:
        why = errors[-1].strip() if errors else "a part of it is missing or foreign"
        told = f" of {own.frames}" if own.frames > len(ticks) else ""
        what = f"{report.path} is damaged ({why})"
        remarks.append(f"{what}; the {len(ticks)}{told} frames that can be decoded are used")
    found = [re.search(r" parameters changed to .*?\b(\d+)x(\d+)", words) for words in said]
    changes = [(int(change.group(2)), int(change.group(1))) for change in found if change]
    if any(change != size for change in changes):
        what = f"{report.path} changes its size on the way"
        remarks.append(f"{what}; all frames are brought to that of the first, {size[1]}x{size[0]}")
    times = exact(ticks, last, base, report.start, report.rate, report.coarse)
    return Scan(times, *size, not changes, tuple(remarks))


def _frames(report: Report, before: list[str], after: Iterable[str] = ()) -> list[str]:
    """Options that list every frame. Frames are not copied, only counted: what is written is one line for each."""
    read = [*TOLERANT, *before, "-noautorotate", *source(report.path), "-map", f"0:{report.video.index}"]
    listed = [*EACH, "-enc_time_base", "demux", "-c:v", "wrapped_avframe", "-f", "framecrc", "pipe:1"]
    return [*read, *after, *listed]


def _ticks(listing: bytes) -> list[int]:
    return [int(line.split(b",")[2]) for line in listing.splitlines() if not line.startswith(b"#")]


def is_quarter_turn(report: Report) -> bool:
    """Whether the stored turn is by 90, 180 or 270 degrees and no mirroring, by what ffmpeg makes of a frame."""
    turns: dict[Fraction | int, str] = {
        0: "null",
        90: "transpose=cclock",
        180: "hflip,vflip",
        270: "transpose=clock",
    }
    turn = turns.get(report.rotation % 360)
    if turn is None:
        return False
    tail = ["-map", f"0:{report.video.index}", "-frames:v", "1"]
    frame = ["-f", "framecrc", "-c:v", "rawvideo", "pipe:1"]
    auto = ffmpeg.probe(["-v", "error", *source(report.path), *tail, "-vf", "format=rgb24", *frame])[0]
    ours = [
        "-v",
        "error",
        "-noautorotate",
        *source(report.path),
        *tail,
        "-vf",
        f"{turn},format=rgb24",
        *frame,
    ]
    crc = re.compile(rb"0x[0-9a-f]+$", re.MULTILINE)
    return crc.findall(auto) == crc.findall(ffmpeg.probe(ours)[0])


def upright_size(report: Report) -> tuple[int, int]:
    """Height and width of an upright frame."""
    return shown_size(report, turned=True)


def shown_size(report: Report, turned: bool = False) -> tuple[int, int]:
    """Height and width of the first frame as it is decoded: cropped where the file says so, upright if `turned`."""
    tail = [] if turned else ["-noautorotate"]
    tail += [*source(report.path)]
    tail += [
        "-map",
        f"0:{report.video.index}",
        "-frames:v",
        "1",
        "-c:v",
        "wrapped_avframe",
        "-f",
        "framecrc",
        "pipe:1",
    ]
    text = ffmpeg.probe(tail)[0].decode(errors="replace")
    found = re.search(r"^#dimensions 0: (\d+)x(\d+)", text, re.MULTILINE)
    assert found is not None  # ffmpeg heads a listing with it
    return int(found.group(2)), int(found.group(1))
