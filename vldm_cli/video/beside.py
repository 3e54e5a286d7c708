"""What a file says of the whole picture beside its colours and its turn, which no new encoding has by itself."""

import re
from dataclasses import dataclass
from fractions import Fraction

from vldm_cli.video import ffmpeg
from vldm_cli.video.kinds import KINDS
from vldm_cli.video.probe import HDR, Report, source

# What is not kept, by the names that ffmpeg has for it, and what it is to a person.
_LOST = {
    "spherical": "that it is a spherical (360°) video",
    "stereo": "that it is stereo (3D)",
    "mastering": "its mastering display",
    "content light": "its light level",
    "dovi": "its Dolby Vision",
    "dolby vision": "its Dolby Vision",
    "ambient": "in what light it is meant to be seen",
    "icc": "its colour profile",
    "frame cropping": "how it is cropped",
}
_IN_FRAMES = re.compile(r"side data - ([^:]+)", re.IGNORECASE)
_XY = r"\(([\d.]+),? *([\d.]+)\)"
_MASTERING = re.compile(
    f"(?i)mastering display metadata: has_primaries:1 has_luminance:1 r{_XY} g{_XY} b{_XY} wp{_XY}"
    r" min_luminance=([\d.]+), max_luminance=([\d.]+)"
)
_LIGHT = re.compile(r"(?i)content light level metadata: MaxCLL=(\d+), MaxFALL=(\d+)")


@dataclass(frozen=True)
class Beside:
    """What goes along of all that: `options` of ffmpeg before the input of the new frames, and `lost`, in words."""

    options: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def beside(report: Report, kind: str) -> Beside:
    """What a new file of that kind says, and what not, of what the clip says of the whole picture."""
    names, said = [*report.video.beside], ""
    if report.transfer in HDR or any(name.lower().startswith(("mastering", "content")) for name in names):
        said = _seen(report)
        names += _IN_FRAMES.findall(said)
    options = _display(said) if KINDS[kind].codec else {}
    kept = ffmpeg.takes(*(words[0] for words in options.values())) if options else False
    lost = [
        words
        for key, words in _LOST.items()
        if any(name.lower().startswith(key) for name in names) and not (kept and key in options)
    ]
    if report.video.tag("stereo_mode") not in (None, "mono"):
        # Matroska has a tag for it, which goes along.
        lost = [*(words for words in lost if words != _LOST["stereo"]), _LOST["stereo"]]
        lost = lost[:-1] if KINDS[kind].format in ("matroska", "webm") else lost
    if "Closed Captions" in report.video.words:
        lost.append("its closed captions")
    if report.transfer in HDR and not KINDS[kind].codec:
        lost.append("that it is HDR, without which it looks pale")
    words = tuple(word for option in options.values() for word in option) if kept else ()
    return Beside(words, tuple(dict.fromkeys(lost)))


def _seen(report: Report) -> str:
    """ffmpeg's words on the first frame: HDR10 may stand in the stream alone."""
    first = ["-map", f"0:{report.video.index}", "-frames:v", "1", "-vf", "showinfo", "-f", "null", "-"]
    return ffmpeg.probe([*source(report.path), *first])[1]


def _display(said: str) -> dict[str, list[str]]:
    """What ffmpeg can put beside new frames, by its name in `_LOST`: in steps of 1/50000 and 1/10000 cd/m², as
    SMPTE ST 2086 has them."""
    found = {}
    display, light = _MASTERING.search(said), _LIGHT.search(said)
    if display:
        *colours, low, high = (Fraction(number) for number in display.groups())
        rx, ry, gx, gy, bx, by, wx, wy = (round(50_000 * number) for number in colours)
        top, bottom = round(10_000 * high), round(10_000 * low)
        if max(rx, ry, gx, gy, bx, by, wx, wy) <= 50_000 and max(top, bottom) < 2**32:
            primaries = f"G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})"
            found["mastering"] = ["-mastering_display", f"{primaries}L({top},{bottom})"]
    if light:
        found["content light"] = ["-content_light", ",".join(light.groups())]
    return found
