"""A clip that a person gives: a video file or a folder of pictures, read frame by frame from any frame on."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from vldm_cli.errors import RequestError, RunError
from vldm_cli.video import ffmpeg, pictures
from vldm_cli.video.files import Files
from vldm_cli.video.look import Look, Raw
from vldm_cli.video.probe import HDR, Report, inspect, source
from vldm_cli.video.scan import EACH, TOLERANT, is_quarter_turn, is_transparent, scan, upright_size
from vldm_cli.video.times import Times


@dataclass(frozen=True)
class Clip:
    """`times` of all frames that can be decoded; `height` and `width` as read, upright if `upright`; `report` is None
    for pictures, whose files are `pictures`; `steady`: frames are of one size and colour all along, or else ffmpeg's
    filters begin to count anew where they change; `warnings` are sentences for the person; `files` tell whether
    they have changed since before they were looked at; `rate`: what was given as that of pictures, if any was."""

    path: Path
    times: Times
    look: Look
    height: int
    width: int
    files: Files = field(compare=False)
    report: Report | None = None
    pictures: tuple[Path, ...] = ()
    upright: bool = False
    steady: bool = True
    warnings: tuple[str, ...] = field(default=(), compare=False)
    rate: Fraction | None = None

    @property
    def frames(self) -> int:
        return len(self.times)

    def raw(self, rgb: bool) -> Raw:
        """How frames are read: RGB, or coded as they are stored (RGB where they are stored so)."""
        return Raw(self.look.rgb if rgb or self.stores_rgb else self.look.coded, self.height, self.width)

    @property
    def stores_rgb(self) -> bool:
        return self.report is None or self.report.rgb

    def read(self, start: int, raw: Raw) -> Generator[bytes, None, None]:
        """Frames start, start + 1, … to the last, one at a time. Raises RunError when the file is no more what it was
        when it was opened (it vanished or changed)."""
        if self.pictures:
            for number, frame in enumerate(pictures.read(self.pictures[start:], raw), start):
                if not self.files.is_still(number):
                    self.check()
                yield frame
            return
        assert self.report is not None  # only pictures have none
        filters = [f"select='gte(n,{start})'"] if start and self.steady else []
        arguments = [*TOLERANT, *([] if self.upright else ["-noautorotate"]), *source(self.path)]
        arguments += ["-map", f"0:{self.report.video.index}", *EACH]
        arguments += ["-vf", ",".join([*filters, self.look.decode(raw)])]
        left = self.frames - start
        with ffmpeg.output([*arguments, "-f", "rawvideo", "-pix_fmt", raw.pixels, "pipe:1"]) as stream:
            for _ in range(0 if self.steady else start):
                stream.read(raw.bytes)
            while left and len(frame := stream.read(raw.bytes)) == raw.bytes:
                if not self.files.is_still(0):  # after reading it: so it is of the file as it was
                    self.check()
                yield frame
                left -= 1
        if left:
            raise RunError(
                f"{self.path} gave {self.frames - left} frames where there were {self.frames} when it was opened; "
                "it vanished or changed, so put it back"
            )

    def fingerprint(self) -> str:
        """A hash of what is read: the same one, the same frames. RunError when it vanished, or has changed since it was
        opened."""
        self.check()
        self.files.digest = self.files.read()
        self.check()
        return self.files.digest

    def check(self) -> None:
        """Raises RunError when the files are no more what they were: nothing of two clips is to be mixed."""
        if not self.files.are_still():
            raise RunError(f"{self.path} changed while it was read; put it back as it was")


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
    files = Files(found or (path,))
    if found:
        times, height, width, bits, said = pictures.measure(found, fps)
        look = Look.of_rgb(bits)
        return Clip(path, times, look, height, width, files, None, found, warnings=tuple(said), rate=fps)
    report = _inspected(path, force)
    look = Look.of(report)
    warnings = list(_remarks(report))
    upright = bool(report.rotation) and not (keep_rotation and is_quarter_turn(report))
    scanned = scan(report)
    warnings += scanned.remarks
    clip = Clip(
        path,
        scanned.times,
        look,
        scanned.height,
        scanned.width,
        files,
        report,
        upright=upright,
        steady=scanned.steady,
    )
    if upright:
        height, width = upright_size(report)
        sar = look.sar and (1 / look.sar if (height, width) != (clip.height, clip.width) else look.sar)
        clip = replace(clip, height=height, width=width, look=replace(look, sar=sar))
    return replace(clip, warnings=tuple(warnings))


def check_head(path: Path, force: bool = False) -> None:
    """Raises RequestError for a clip of which its first bytes tell that `open_clip` would refuse it; nothing is
    decoded."""
    if not pictures.find(path):
        _inspected(path, force)


def _inspected(path: Path, force: bool) -> Report:
    """A video's report. RequestError where there is no video; HDR only with `force`."""
    report = inspect(path)
    if report.transfer in HDR and not force:
        raise RequestError(
            f"{path} is HDR ({HDR[report.transfer]}), on which nothing here was trained; convert it to SDR first "
            "(ffmpeg -vf zscale=t=linear,tonemap=hable,zscale=t=bt709:m=bt709:p=bt709) or add --force to go on"
        )
    return report


def _remarks(report: Report) -> Iterator[str]:
    name = report.path
    if is_transparent(report):
        yield f"{name} has transparency, which is dropped"
    if report.interlaced:
        yield f"{name} is interlaced; its two fields are taken as one picture (deinterlace it first for better)"
    if report.transfer in HDR:
        yield f"{name} is HDR ({HDR[report.transfer]}); it is treated like any other video"
    others = [s for s in report.of("video") if s is not report.video and not s.attached]
    if others:
        yield f"{name} has {len(others) + 1} video streams; only the first is used"
