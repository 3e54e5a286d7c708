"""Sound that is encoded anew: in which layout of channels, and what stretches it or fills its holes."""

import re
from collections.abc import Mapping
from fractions import Fraction

from vldm_cli.video.probe import Stream

# Which layouts encoders take as they are; all others become one that has room for as many channels, at most eight.
_TAKES: Mapping[str, frozenset[str]] = {
    "libopus": frozenset({"mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"}),
    "aac": frozenset({"mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1"}),
    "flac": frozenset({"mono", "stereo", "3.0", "quad", "5.0", "5.1", "5.1(side)", "7.1"}),
    "alac": frozenset({"mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1(wide)"}),
    "libmp3lame": frozenset({"mono", "stereo"}),
    "mp2": frozenset({"mono", "stereo"}),
}
_LIKE = {"5.1(side)": "5.1", "5.0(side)": "5.0", "quad(side)": "quad", "downmix": "stereo", "7.1(top)": "7.1"}
_BY_COUNT = {1: "mono", 2: "stereo", 3: "5.1", 4: "5.1", 5: "5.1", 6: "5.1"}
_COUNTS = {
    **{
        "mono": 1,
        "stereo": 2,
        "downmix": 2,
        "2.1": 3,
        "3.0": 3,
        "3.0(back)": 3,
        "4.0": 4,
        "quad": 4,
        "quad(side)": 4,
    },
    **{"3.1": 4, "5.0": 5, "5.0(side)": 5, "4.1": 5, "5.1": 6, "5.1(side)": 6},
}


def is_readable(stream: Stream) -> bool:
    """Whether ffmpeg knows what the track is: of a damaged one it says "none", 0 Hz or 0 channels."""
    words = stream.words
    return stream.codec not in ("none", "unknown") and not re.search(r"(?<!\d)0 (Hz|channels)\b", words)


def layout(stream: Stream) -> str:
    """The channels of a track, as ffmpeg calls them."""
    found = re.search(r" Hz, ([^,]+)", stream.words)
    return found.group(1).strip() if found else "stereo"


def layout_for(stream: Stream, encoder: str) -> str | None:
    """The layout that a track is brought to so that the encoder takes it; None where it takes it as it is."""
    takes, own = _TAKES.get(encoder), layout(stream)
    if takes is None or own in takes:
        return None
    like = _LIKE.get(own)
    if like in takes:
        return like
    counted = re.match(r"(\d+) channels", own)
    count = int(counted.group(1)) if counted else _COUNTS.get(own, 8)
    wanted = _BY_COUNT.get(count, "7.1")
    wanted = wanted if wanted in takes else "7.1(wide)" if "7.1(wide)" in takes else wanted
    return wanted if wanted in takes else "stereo"


def filters(stream: Stream, encoder: str, slow: Fraction | None = None) -> str | None:
    """The filters before the encoder; `slow`: the sound lasts so many times as long."""
    steps = [stretch(slow)] if slow else []
    wanted = layout_for(stream, encoder)
    steps += [f"aformat=channel_layouts={wanted}"] if wanted else []
    return ",".join(steps) or None


def stretch(slow: Fraction) -> str:
    """The filters that make sound last `slow` times as long at the same pitch (each of them at most twice). They count
    samples, so the sound's delay and its holes are filled with silence first, which is stretched with the rest."""
    steps = ["aresample=async=1:first_pts=0"]
    while slow > 2:
        steps.append("atempo=0.5")
        slow /= 2
    return ",".join([*steps, f"atempo={float(1 / slow):.9f}"])


def rate(stream: Stream, least: str) -> str:
    """Bits a second for an encoding of a track: what it has itself, or `least` where it does not say or has less."""
    said = re.search(r"(\d+) kb/s", stream.words)
    own = int(said.group(1)) if said else 0
    return f"{min(max(own, int(least.removesuffix('k'))), 640)}k"
