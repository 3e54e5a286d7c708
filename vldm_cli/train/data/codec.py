"""Frames through a real H.264 encoder: many small clips lie side by side in one large video, so that one run of ffmpeg
serves hundreds of them."""

import math

import numpy as np
import torch
from torch import Tensor

from vldm_cli.errors import RunError
from vldm_cli.video import ffmpeg

# Prediction looks back, so what a clip is to be cut from has gone on for a while: so many of its frames, backwards.
LEAD = 5


def h264(clips_BTCHW: Tensor, crf_B: np.ndarray) -> Tensor:
    """uint8 clips (B, T, 3, h, w), h and w even, as x264 leaves them at these constant rate factors (one a clip).

    Raises RunError if ffmpeg cannot do it."""
    out = torch.empty_like(clips_BTCHW)
    for crf in sorted(set(crf_B.tolist())):
        rows = torch.from_numpy(np.flatnonzero(crf_B == crf)).to(clips_BTCHW.device)
        out[rows] = _coded(clips_BTCHW[rows], int(crf))
    return out


def _coded(clips_BTCHW: Tensor, crf: int) -> Tensor:
    B, T, _, h, w = clips_BTCHW.shape
    frames = clips_BTCHW.cpu()
    frames = torch.cat([frames[:, 1 : 1 + LEAD].flip(1), frames], 1)
    columns = math.ceil(math.sqrt(B))
    rows = math.ceil(B / columns)
    # empty places show the first clips again: black ones would make the encoder kinder to the others
    tiles = frames[torch.arange(rows * columns) % B].unflatten(0, (rows, columns))
    video = tiles.permute(2, 0, 4, 1, 5, 3).reshape(-1, rows * h, columns * w, 3).contiguous().numpy()
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24"]
    size = ["-s", f"{columns * w}x{rows * h}", "-r", "24"]
    x264 = ["-c:v", "libx264", "-crf", str(crf), "-pix_fmt", "yuv420p", "-f", "h264", "pipe:1"]
    what = "coding training clips"
    coded = ffmpeg.run([*raw, *size, "-i", "pipe:0", *x264], what, (frame.tobytes() for frame in video))
    decoded = ffmpeg.run(
        ["-f", "h264", "-i", "pipe:0", "-fps_mode", "passthrough", *raw, "pipe:1"], what, [coded]
    )
    if len(decoded) != video.size:
        raise RunError(f"{what} failed: {video.size} bytes went in, {len(decoded)} came out")
    back = torch.frombuffer(bytearray(decoded), dtype=torch.uint8).view(-1, rows, h, columns, w, 3)
    clips = back.permute(1, 3, 0, 5, 2, 4).flatten(0, 1)[:B, -T:]
    return clips.to(clips_BTCHW.device)
