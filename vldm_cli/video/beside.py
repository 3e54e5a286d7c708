"""What a file says of the whole picture beside its colours and its turn, which no new encoding has by itself."""

import re
from collections.abc import Iterator

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


def remarks(report: Report, kind: str) -> Iterator[str]:
    """Sentences on what a new file of that kind does not say."""
    names = [*report.video.beside, *(_in_frames(report) if report.transfer in HDR else [])]
    lost = [words for key, words in _LOST.items() if any(name.lower().startswith(key) for name in names)]
    if report.video.tag("stereo_mode") not in (None, "mono"):
        # Matroska has a tag for it, which goes along.
        lost = [*(words for words in lost if words != _LOST["stereo"]), _LOST["stereo"]]
        lost = lost[:-1] if KINDS[kind].format in ("matroska", "webm") else lost
    if "Closed Captions" in report.video.words:
        lost.append("its closed captions")
    if lost:
        words = ", ".join(dict.fromkeys(lost))
        yield f"the new file does not say what {report.path} says of the whole picture: {words}"


def _in_frames(report: Report) -> list[str]:
    """HDR10 may stand in the stream alone."""
    first = ["-map", f"0:{report.video.index}", "-frames:v", "1", "-vf", "showinfo", "-f", "null", "-"]
    return _IN_FRAMES.findall(ffmpeg.probe([*source(report.path), *first])[1])
