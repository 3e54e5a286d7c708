"""Noise that belongs to the frame: a function of seed, stage and frame index, and of nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def frame_noise(seed: int, stage: str, frames: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Standard normal noise (T, *shape), float32 on the CPU, for the frames of these indices.

    Drawn on the CPU frame by frame, so it depends neither on the device nor on how frames are put into windows
    and batches.
    """
    noise = torch.empty(len(frames), *shape)
    for row, frame in zip(noise, frames, strict=True):
        digest = hashlib.blake2b(f"{seed}/{stage}/{int(frame)}".encode(), digest_size=8).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
        row.normal_(generator=generator)
    return noise
