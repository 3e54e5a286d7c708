"""Noise that belongs to the frame: a function of seed, stage and frame index, and of nothing else.

Frames of a video may share a part of their noise (Ge et al., ICCV 2023, arXiv:2305.10474, §4.1, the mixed noise model):
what all frames have in common, such as the light of the day, need then not be agreed on from nothing. Each frame's
noise is standard normal all the same, and still nobody's but its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

# Values from which drawing them in several threads is worth starting these: some milliseconds' worth.
_LARGE = 2**19


def frame_noise(
    seed: int, stage: str, frames: Sequence[int], shape: tuple[int, ...], shared: float = 0.0
) -> Tensor:
    """Standard normal noise (T, *shape), float32 on the CPU, for the frames of these indices.

    shared: the share, 0 to 1, of its variance that is the same in all frames of the seed and stage. Drawn on the CPU
    frame by frame, so it depends neither on the device nor on how frames are put into windows and batches.
    """
    if shared:
        common = torch.empty(1, *shape).normal_(generator=_generator(f"{seed}/{stage}/shared"))
        if shared == 1:  # nothing is a frame's own
            return common.repeat(len(frames), *(1 for _ in shape))
    noise = torch.empty(len(frames), *shape)
    threads = min(len(frames), torch.get_num_threads()) if noise.numel() >= _LARGE else 1
    if threads > 1:
        # torch draws one frame on one core: of 2560×1440, upscaled, that is a tenth of a second
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda row, frame: _draw(row, seed, stage, frame), noise, frames))
    else:
        for row, frame in zip(noise, frames, strict=True):
            _draw(row, seed, stage, frame)
    return mixed(noise, common, shared) if shared else noise


def _draw(out: Tensor, seed: int, stage: str, frame: int) -> Tensor:
    """`out`, float32 on the CPU, filled with one frame's noise; in any thread."""
    with torch.inference_mode(out.is_inference()):  # which a thread does not inherit
        return out.normal_(generator=_generator(f"{seed}/{stage}/{int(frame)}"))


def noise_like(z_BTCHW: Tensor, shared: float) -> Tensor:
    """The same for training: noise (B, T, C, H, W) by torch's global generator, a share of it common to a clip."""
    noise = torch.randn_like(z_BTCHW)
    return mixed(noise, torch.randn_like(z_BTCHW[:, :1]), shared) if shared else noise


def mixed(own: Tensor, common: Tensor, shared: float) -> Tensor:
    """√(1 − s) own + √s common: unit variance for any share s."""
    return (1 - shared) ** 0.5 * own + shared**0.5 * common


def _generator(key: str) -> torch.Generator:
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
