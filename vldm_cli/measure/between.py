"""Interpolation ×16 in one step against ×4 twice (METHOD §5), between the true frames of rendered clips."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vldm_cli.align import Context
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import sample
from vldm_cli.measure.clips import Maker
from vldm_cli.measure.consistency import flicker, psnr, warping_error
from vldm_cli.measure.distances import SEED, Features, rendered_clips
from vldm_cli.measure.probe.probe import Probe

FACTOR = 4
# Known frames of a clip, and frames from one to the next.
KNOWN, APART = 3, FACTOR**2


def measure_between(once: Maker, twice: Maker, probe: Probe, n: int) -> dict:
    """n rendered clips of 33 neighbouring frames, of which every 16th is known. `once` has layers that make 15 frames
    between two in one step, `twice` those that make 3. Both are given as many denoising steps in all."""
    made = {"×16 in one step": Features(), "×4 twice (ours)": Features()}
    truth, other = Features(), Features()
    single: dict[str, dict[str, list[float]]] = {name: {} for name in made}
    frames = (KNOWN - 1) * APART + 1
    # the probe sees frames that lie between two known ones
    inside = slice(FACTOR, FACTOR + twice.frames)
    for features, seed in ((truth, SEED + 6), (other, SEED + 7)):
        for x_BTCHW, captions in rendered_clips(twice, n, seed, frames, 1):
            features.add(probe, x_BTCHW[:, inside], 1)
            if features is not truth:
                continue
            known_BKCHW = twice.encoded(x_BTCHW[:, ::APART])
            for name, z_BTCHW in zip(
                made,
                (in_one_step(once, captions, known_BKCHW), in_two(twice, captions, known_BKCHW)),
                strict=True,
            ):
                y_BTCHW = twice.decoded(z_BTCHW)
                made[name].add(probe, y_BTCHW[:, inside], 1)
                for y_TCHW, x_TCHW in zip(y_BTCHW, x_BTCHW, strict=True):
                    for measure, value in (
                        ("psnr", psnr(y_TCHW, x_TCHW)),
                        ("flicker", flicker(y_TCHW, x_TCHW)),
                        ("warping error", warping_error(y_TCHW)),
                    ):
                        single[name].setdefault(measure, []).append(value)
    rows = {}
    for name, features in made.items():
        distances = features.against(truth, other)
        rows[name] = {
            "video distance": distances["video"]["made"],
            "frame distance": distances["frame"]["made"],
            **{measure: round(float(np.nanmean(values)), 4) for measure, values in single[name].items()},
        }
    floor = {f"{name} distance": distances[name]["floor"] for name in ("video", "frame")}
    return {"clips": n, "floor": floor, "rows": rows}


def in_one_step(maker: Maker, captions: Sequence[str], known_BKCHW: Tensor) -> Tensor:
    """Latents of all frames; each two known ones are a window of their own."""
    steps = sum(maker.models.pack.manifest.defaults.interpolation_steps)
    parts = [
        _filled(maker, captions, known_BKCHW[:, k : k + 2], APART, 1, steps, k * APART)
        for k in range(known_BKCHW.shape[1] - 1)
    ]
    return torch.cat([parts[0], *(z[:, 1:] for z in parts[1:])], 1)


def in_two(maker: Maker, captions: Sequence[str], known_BKCHW: Tensor) -> Tensor:
    """Latents of all frames: every fourth first, then those between."""
    defaults = maker.models.pack.manifest.defaults
    coarse, fine = defaults.interpolation_steps
    z_BTCHW = _filled(maker, captions, known_BKCHW, FACTOR, FACTOR, coarse, 0)
    window, parts = defaults.interpolation_window, []
    for k in range(0, z_BTCHW.shape[1] - 1, window):
        part = _filled(maker, captions, z_BTCHW[:, k : k + window + 1], FACTOR, 1, fine, k * FACTOR)
        parts.append(part[:, 1:] if k else part)
    return torch.cat(parts, 1)


def _filled(
    maker: Maker,
    captions: Sequence[str],
    known_BKCHW: Tensor,
    factor: int,
    frame_step: int,
    steps: int,
    first: int,
) -> Tensor:
    """Known frames and factor − 1 new ones between each two, `frame_step` apart; `first`: number of the first one."""
    models = maker.models
    B, K, *shape = known_BKCHW.shape
    T = factor * (K - 1) + 1
    z_BTCHW = known_BKCHW.new_zeros(B, T, *shape)
    z_BTCHW[:, ::factor] = known_BKCHW
    mask_BT = (torch.arange(T, device=z_BTCHW.device) % factor == 0).float().expand(B, -1)
    at = [first + t * frame_step for t in range(T)]
    shared, stage = models.pack.manifest.defaults.shared_noise, f"between{frame_step}"
    noise = [frame_noise(SEED + b, stage, at, tuple(shape), shared) for b in range(B)]
    return sample(
        models.interpolation,
        models.scheduler(models.pack.manifest.defaults.scheduler),
        torch.stack(noise).to(models.device),
        steps=steps,
        text_BLD=models.text.encode(list(captions)),
        context=Context.at(z_BTCHW, mask_BT),
        frame_step=frame_step,
    )
