"""What a video keeps of its last frames so that `extend` goes on from them without a loss: their latents, with 16 bits,
beside its settings (METHOD.md §4). What vldm has made is so never encoded from pixels again."""

import base64
import math
import zlib
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from vldm_cli.packs.manifest import Manifest
from vldm_cli.stages.levels import LEVELS, nearest_step
from vldm_cli.stages.plan import MOTION, Plan
from vldm_cli.stages.source import Source

KEY = "latents"
MOST = 64  # latents in one file: no more are believed


def context_of(
    frames: int, speed: float, keyframe_step: int, context: int, by_motion: bool = False
) -> tuple[int, int]:
    """(frames from one keyframe to the next, how many of them the clip gives as context).

    Two that lie a keyframe step apart carry motion. speed: frames of the pack's rate that go by in one of the clip's;
    the step is the one that is nearest to the pack's in time, or shorter where the clip is. by_motion: what is between
    them will be filled in by motion, at any step.
    """
    wanted = nearest_step(keyframe_step / speed, by_motion)
    fitting = [
        step for step in (range(1, wanted + 1) if by_motion else LEVELS) if step <= wanted and step < frames
    ]
    step = max(fitting, default=wanted)
    return step, min(context, (frames - 1) // step + 1)


def run_up_of(frames: int, manifest: Manifest) -> int:
    """How many known frames before the last one the decoder sees along, as it does from window to window; none where it
    sees keyframes only."""
    return 0 if manifest.defaults.between == MOTION else min(manifest.defaults.decode_overlap, frames - 1)


def tail_frames(frames: int, rate: Fraction, manifest: Manifest) -> list[int]:
    """The numbers of those of so many frames, `rate` a second, whose latents are needed to go on after the last:
    the context, and the run-up of the decoder; the last one is among them."""
    last, video = frames - 1, manifest.video
    by_motion = manifest.defaults.between == MOTION
    step, context = context_of(frames, float(video.fps / rate), video.keyframe_step, video.context, by_motion)
    run_up = run_up_of(frames, manifest)
    return sorted({last - i * step for i in range(context)} | {last - i for i in range(run_up + 1)})


def are_made(numbers: list[int], plan: Plan) -> bool:
    """Whether all of these frames have latents: keyframes alone where motion fills in the others."""
    return plan.between != MOTION or not any(number % plan.interpolation for number in numbers)


def pulled(latents: Source, numbers: list[int], plan: Plan) -> Tensor:
    """The latents (T, C, h, w) of frames `numbers` (ascending, `are_made`) out of a plan's source of them."""
    apart = plan.interpolation if plan.between == MOTION else 1
    wanted = [number // apart for number in numbers]
    items = zip(range(wanted[0], wanted[-1] + 1), latents(wanted[0]), strict=False)
    return torch.stack([z_CHW for item, z_CHW in items if item in wanted])


def stored(z_TCHW: Tensor, numbers: list[int], frames: int, size: tuple[int, int]) -> dict:
    """Latents of frames `numbers` of a file of so many frames of that size (height, width), as JSON-able data."""
    halves = z_TCHW.cpu().numpy().astype("<f2")
    planes = np.frombuffer(halves.tobytes(), np.uint8).reshape(-1, 2).T  # alike bytes together: fewer of them
    return {
        "frames": frames,
        "height": size[0],
        "width": size[1],
        "of": numbers,
        "shape": list(z_TCHW.shape[1:]),
        "data": base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode(),
    }


def restored(
    table: dict, numbers: list[int], frames: int, size: tuple[int, int], shape: tuple[int, int, int]
) -> dict[int, Tensor] | None:
    """The latents (C, h, w) of `shape`, float32, by their frames' numbers. None where they are of another file than one
    of so many frames of that size, or not of all of `numbers`. Raises ValueError when they are damaged; anybody may
    have written them."""
    if [table.get(name) for name in ("frames", "height", "width")] != [frames, *size]:
        return None
    of, data = table.get("of"), table.get("data")
    if not isinstance(of, list) or not all(type(n) is int for n in of) or len(of) > MOST:
        raise ValueError("their frames are not told")
    if not set(numbers) <= set(of):
        return None
    if table.get("shape") != list(shape) or not isinstance(data, str):
        raise ValueError("they have another shape")
    length, inflater = 2 * len(of) * math.prod(shape), zlib.decompressobj()
    try:
        planes = inflater.decompress(base64.b64decode(data, validate=True), length + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(planes) != length or not inflater.eof:
        raise ValueError(f"they have {len(planes)} bytes, not {length}")
    halves = np.frombuffer(planes, np.uint8).reshape(2, -1).T.tobytes()
    z_TCHW = torch.from_numpy(np.frombuffer(halves, "<f2").astype(np.float32)).view(len(of), *shape)
    if not z_TCHW.isfinite().all():
        raise ValueError("they are not finite")
    return dict(zip(of, z_TCHW, strict=True))
