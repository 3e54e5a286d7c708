"""Ablations of what is made of frames: the temporal decoder and the video upscaler (METHOD §3, §6)."""

from collections.abc import Iterator
from contextlib import nullcontext

import torch
from torch import Tensor

from vldm_cli.align.space import video
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import sample
from vldm_cli.measure.ablations.rows import Amounts, Book, beside
from vldm_cli.measure.clips import Maker, rounded
from vldm_cli.measure.distances import SEED, Features, rendered_clips
from vldm_cli.measure.probe.probe import Probe
from vldm_cli.measure.reconstruction import measure_decoder, measure_upscaler
from vldm_cli.stages.plan import UPSCALE
from vldm_cli.stages.upscale import SHARED_NOISE
from vldm_cli.toyland.dataset import ToylandClips

# The upscaler whose temporal layers the variant `upscaler` trains.
SPACE = "pixel"


def decoder_group(makers: dict[str, Maker], probe: Probe, amounts: Amounts, book: Book) -> dict:
    """Rendered clips of neighbouring frames through the autoencoder, and back with either decoder."""
    book.note("decoder")
    maker = makers["decoder"]
    made = {"image decoder": Features(), "temporal decoder (ours)": Features()}
    truth, other = Features(), Features()
    for features, seed in ((truth, SEED + 2), (other, SEED + 3)):
        for x_BTCHW, _ in rendered_clips(maker, amounts.neighbours, seed, maker.frames, 1):
            features.add(probe, x_BTCHW, 1)
            if features is truth:
                z_BTCHW = maker.encoded(x_BTCHW)
                for name, temporal in zip(made, (False, True), strict=True):
                    made[name].add(probe, maker.decoded(z_BTCHW, temporal), 1)
    alone, _ = measure_decoder(maker, amounts.decoder_clips, amounts.decoder_frames)
    return beside(made, truth, other, (alone["image"], alone["temporal"]), amounts.neighbours)


def upscaler_group(makers: dict[str, Maker], probe: Probe, amounts: Amounts, book: Book) -> dict:
    """Rendered clips upscaled; distances are of patches as large as the probe's frames, in the upscaled pixels."""
    book.note("upscaler")
    maker = makers["upscaler"]
    made = {"image upscaler frame by frame": Features(), "video upscaler (ours)": Features()}
    truth, other = Features(), Features()
    for features, seed in ((truth, SEED + 4), (other, SEED + 5)):
        for high_BTCHW, low_BTCHW in _patches(maker, amounts.patches, seed):
            features.add(probe, high_BTCHW, 1)
            if features is truth:
                for name, temporal in zip(made, (False, True), strict=True):
                    made[name].add(probe, _upscaled(maker, low_BTCHW, temporal), 1)
    alone, _ = measure_upscaler(maker, amounts.upscaler_clips, amounts.upscaler_frames, SPACE)
    return beside(made, truth, other, (alone["image"], alone["temporal"]), amounts.patches)


def _patches(maker: Maker, n: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Clips (B, T, 3, 4h, 4w) rendered large and the same part of the small frames (B, T, 3, h, w), in [−1, 1]."""
    H, W = maker.size
    h, w = H // UPSCALE, W // UPSCALE
    clips = ToylandClips(
        seed, maker.frames, {1: 1.0}, size=maker.size, device=maker.models.device,
        fps=float(maker.models.pack.manifest.video.fps),
    )  # fmt: skip
    for first in range(0, n, maker.batch):
        high, low, y0, x0 = clips.patch_pairs(min(maker.batch, n - first), (h, w), UPSCALE)
        parts = [v[:, :, y : y + h, x : x + w] for v, y, x in zip(low, y0.tolist(), x0.tolist(), strict=True)]
        yield high / 127.5 - 1, torch.stack(parts) / 127.5 - 1


def _upscaled(maker: Maker, low_BTCHW: Tensor, temporal: bool) -> Tensor:
    """Clips four times as large, each one window of the upscaler, frames rounded to bytes."""
    models, defaults = maker.models, maker.models.pack.manifest.defaults
    B, T, _, h, w = low_BTCHW.shape
    upscaler = models.upscaler_in(SPACE, own=True)
    model, space = upscaler.model, upscaler.space
    noise = torch.stack(
        [frame_noise(SEED + b, "upscale", range(T), (space.channels, h, w), SHARED_NOISE) for b in range(B)]
    )
    with nullcontext() if temporal else model.temporal_off():
        x_BTCHW = sample(
            model,
            models.upscaler_scheduler(defaults.scheduler, SPACE),
            noise.to(models.device),
            steps=defaults.upscale_steps,
            extra_BTCHW=low_BTCHW.to(models.dtype),
            class_labels=torch.zeros(B, dtype=torch.long, device=models.device),
        )
        return rounded(video(model, space, x_BTCHW, low_BTCHW).clamp(-1, 1))
