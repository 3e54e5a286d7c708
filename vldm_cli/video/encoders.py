"""What encodes H.264: x264, the same bytes everywhere; or the encoder of an NVIDIA GPU, if this machine has one.

The GPU's is asked for by name. Frames are encoded as with x264 in closed segments without B-frames, whose packets are
joined as they are; its bytes depend on the GPU and on its driver.
"""

import re
from functools import cache
from pathlib import Path

from vldm_cli.errors import RequestError, shown
from vldm_cli.video import ffmpeg
from vldm_cli.video.kinds import KINDS, open_container

X264, NVENC = "x264", "nvenc"
ENCODERS = (X264, NVENC)
_NAME = "h264_nvenc"
# Samples as they are coded → as this encoder takes them, where it knows them by another layout.
_LAYOUTS = {"yuv420p10le": "p010le", "yuv422p": "nv16", "yuv422p10le": "p210le", "yuv444p10le": "yuv444p16le"}
_TRIAL = 4  # frames: one that stands alone and some that refer to it


def nvenc(crf: int) -> list[str]:
    """How the GPU encodes at a quality of 0 (best) to 51. Its own scale has the same ends and 0 for "as it likes", so 0
    and 1 are one; the quality is held (`vbr` without a bit rate), as `-crf` holds x264's."""
    quality = ["-rc", "vbr", "-cq", str(max(1, crf)), "-b:v", "0"]
    # x264's length of a group of frames; the presets have B-frames, which segments must not
    return ["-c:v", _NAME, "-preset", "p4", "-tune", "hq", *quality, "-bf", "0", "-g", "250"]


def samples(encoder: str, coded: str) -> str:
    """The pixel format in which an encoder is given samples that are to be coded as `coded`."""
    return _LAYOUTS.get(coded, coded) if encoder == NVENC else coded


def check_encoder(encoder: str, out: Path) -> None:
    """That there is such an encoder, and that it is for files such as `out`. Raises RequestError."""
    if encoder not in ENCODERS:
        raise RequestError(f"--encoder {shown(encoder):.40} is none of {', '.join(ENCODERS)}")
    if encoder == NVENC and KINDS[open_container(out)].codec != "h264":
        raise RequestError(
            f"--encoder {NVENC} makes H.264, and {out} holds none; use .mp4, .mov or .mkv, or --encoder {X264}"
        )


def try_encoder(encoder: str, height: int = 256, width: int = 256, coded: str = "yuv420p") -> None:
    """Has the GPU encode a few black frames of that size (odd ones as `write.even` makes them) and pixel format, by
    default such as each takes. Raises RequestError where it does not; x264 is not tried."""
    if encoder == NVENC:
        side = 2 if coded.startswith("yuv420") else 1
        refusal = _refusal(-(-height // side) * side, -(-width // side) * side, coded)
        if refusal:
            raise RequestError(f"--encoder {NVENC}: {refusal}; use --encoder {X264}")


@cache
def _refusal(height: int, width: int, coded: str) -> str:
    """Why such frames are not encoded here, or nothing."""
    known = ffmpeg.probe(["-h", f"encoder={_NAME}"])[0]
    if f"Encoder {_NAME}".encode() not in known:
        return f"{ffmpeg.ffmpeg_exe()} has no {_NAME} (IMAGEIO_FFMPEG_EXE names another ffmpeg)"
    black = ["-f", "lavfi", "-i", f"color=c=black:s={width}x{height}:r=24", "-frames:v", str(_TRIAL)]
    taken = ["-vf", f"format={samples(NVENC, coded)}", *nvenc(16), "-f", "framecrc", "pipe:1"]
    made, said = ffmpeg.probe(["-loglevel", "error", *black, *taken])
    packets = ffmpeg.packets(made)
    if packets == _TRIAL:
        return ""
    own = re.findall(rf"^\[{_NAME}[^\]]*\] (.+)$", said, re.MULTILINE)
    why = (own or said.splitlines() or [f"it wrote {packets} of {_TRIAL} frames"])[0].strip(" .")
    return f"no GPU here encodes frames of {width}x{height} in {coded} (ffmpeg says: {why:.200})"
