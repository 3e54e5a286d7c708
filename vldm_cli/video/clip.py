"""A clip that a person gives: a video file or a folder of pictures, read frame by frame from any frame on."""

import hashlib
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from vldm_cli.errors import RequestError, RunError
from vldm_cli.video import ffmpeg, pictures
from vldm_cli.video.look import Look, Raw
from vldm_cli.video.probe import HDR, Report, inspect, source
from vldm_cli.video.times import Times, exact

# A packet that was cut short is no whole frame; every frame is taken once, whatever its time.
_TOLERANT = ["-fflags", "+discardcorrupt"]
_EACH = ["-fps_mode", "passthrough"]


@dataclass(frozen=True)
class Clip:
    """`times` of all frames that can be decoded; `height` and `width` as read, upright if `upright`; `report` is None
    for pictures, whose files are `pictures`; `warnings` are sentences for the person."""

    path: Path
    times: Times
    look: Look
    height: int
    width: int
    report: Report | None = None
    pictures: tuple[Path, ...] = ()
    upright: bool = False
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def frames(self) -> int:
        return len(self.times)

    def raw(self, rgb: bool) -> Raw:
        """How frames are read: RGB, or coded as they are stored (RGB where they are stored so)."""
        return Raw(self.look.rgb if rgb or self.stores_rgb else self.look.coded, self.height, self.width)

    @property
    def stores_rgb(self) -> bool:
        return self.report is None or self.report.rgb

    def read(self, start: int, raw: Raw) -> Iterator[bytes]:
        """Frames start, start + 1, … to the last, one at a time. Raises RunError when the file gives fewer than it
        did when it was opened (it vanished or changed)."""
        if self.pictures:
            yield from pictures.read(self.pictures[start:], raw)
            return
        filters = [f"select='gte(n,{start})'"] if start else []
        arguments = [*_TOLERANT, *([] if self.upright else ["-noautorotate"]), *source(self.path)]
        arguments += ["-map", f"0:{self.report.video.index}", *_EACH]
        arguments += ["-vf", ",".join([*filters, self.look.decode(raw.pixels)])]
        left = self.frames - start
        with ffmpeg.output([*arguments, "-f", "rawvideo", "-pix_fmt", raw.pixels, "pipe:1"]) as stream:
            while left and len(frame := stream.read(raw.bytes)) == raw.bytes:
                yield frame
                left -= 1
        if left:
            raise RunError(
                f"{self.path} gave {self.frames - left} frames where there were {self.frames} when it was opened; "
                "it vanished or changed, so put it back"
            )

    def fingerprint(self) -> str:
        """A hash of what is read: the same one, the same frames."""
        digest = hashlib.blake2b(digest_size=16)
        for path in self.pictures or (self.path,):
            with path.open("rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
            digest.update(b"/")
        return digest.hexdigest()


def open_clip(
    path: Path, force: bool = False, fps: Fraction | None = None, keep_rotation: bool = True
) -> Clip:
    """The clip, every frame of it decoded once to know which there are and when they are shown.

    `fps` is for pictures, which have no times (24). `keep_rotation`: frames are read as they are stored, to be turned
    by the player as before; otherwise they are read upright. Raises RequestError for what cannot be served; HDR only
    with `force`.
    """
    path = Path(path)
    found = pictures.find(path)
    if found:
        times, height, width, deep = pictures.measure(found, fps)
        return Clip(path, times, Look(), height, width, None, found, warnings=tuple(deep))
    report = inspect(path)
    look = Look.of(report)
    warnings = list(_remarks(report))
    if report.transfer in HDR and not force:
        raise RequestError(
            f"{path} is HDR ({HDR[report.transfer]}), on which nothing here was trained; convert it to SDR first "
            "(ffmpeg -vf zscale=t=linear,tonemap=hable,zscale=t=bt709:m=bt709:p=bt709) or add --force to go on"
        )
    upright = bool(report.rotation) and not (keep_rotation and _is_quarter_turn(report))
    times, errors = _scan(report)
    if errors:
        warnings.append(f"{path} is damaged ({errors}); the {len(times)} frames that can be decoded are used")
    clip = Clip(path, times, look, report.height, report.width, report, upright=upright)
    if upright:
        height, width = _decoded_size(report)
        sar = look.sar and (1 / look.sar if (height, width) != (report.height, report.width) else look.sar)
        clip = replace(clip, height=height, width=width, look=replace(look, sar=sar))
    return replace(clip, warnings=tuple(warnings))


def _remarks(report: Report) -> Iterator[str]:
    name = report.path
    if report.alpha and report.container != "gif":  # in a GIF it is how frames are stored
        yield f"{name} has transparency, which is dropped"
    if report.interlaced:
        yield f"{name} is interlaced; its two fields are taken as one picture (deinterlace it first for better)"
    if report.transfer in HDR:
        yield f"{name} is HDR ({HDR[report.transfer]}); it is treated like any other video and keeps its tags"
    others = [s for s in report.of("video") if s is not report.video and not s.attached]
    if others:
        yield f"{name} has {len(others) + 1} video streams; only the first is used"


def _scan(report: Report) -> tuple[Times, str]:
    """The times of every frame that decodes, and ffmpeg's last word on what does not. RequestError if none does."""
    arguments = [
        *_TOLERANT,
        "-copyts",
        "-noautorotate",
        *source(report.path),
        "-map",
        f"0:{report.video.index}",
    ]
    # Frames are not copied, only counted: what is written is one line for each.
    arguments += [*_EACH, "-enc_time_base", "demux", "-c:v", "wrapped_avframe", "-f", "framecrc", "pipe:1"]
    ticks, last, base, sizes, said = array("q"), 0, Fraction(1, 25), set(), []
    with ffmpeg.output(arguments, said) as stream:
        for line in stream:
            if line.startswith(b"#tb 0:"):
                base = Fraction(line.split(b":", 1)[1].strip().decode())
            elif not line.startswith(b"#"):
                words = line.split(b",")
                ticks.append(int(words[2]))
                last = int(words[3])
            elif line.startswith(b"#dimensions"):
                sizes.add(line)
    if not ticks:
        why = f" ({said[-1]})" if said else ""
        raise RequestError(f"no frame of {report.path} can be decoded{why}; give another copy of it")
    coarse = "matroska" in report.container
    return exact(ticks, last, base, report.start, report.rate, coarse), said[-1] if said else ""


def _is_quarter_turn(report: Report) -> bool:
    """Whether the stored turn is by 90, 180 or 270 degrees and no mirroring, by what ffmpeg makes of a frame."""
    turns = {0: "null", 90: "transpose=cclock", 180: "hflip,vflip", 270: "transpose=clock"}
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


def _decoded_size(report: Report) -> tuple[int, int]:
    """Height and width of an upright frame."""
    tail = [
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
    text = ffmpeg.probe([*source(report.path), *tail])[0].decode(errors="replace")
    found = re.search(r"^#dimensions 0: (\d+)x(\d+)", text, re.MULTILINE)
    return int(found.group(2)), int(found.group(1))
