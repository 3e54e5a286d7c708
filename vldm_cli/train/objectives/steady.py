"""Temporal layers for an image super-resolution network of any make (METHOD §6): the network is frozen, and patches of
clips teach the layers to keep what it makes steady along the motion, and likely."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL.Image import Image
from torch import Tensor

from vldm_cli.align.pixels import upsample
from vldm_cli.align.steady.network import SteadyNetwork, motion_before
from vldm_cli.align.steady.saved import fingerprint, save_layers
from vldm_cli.train.discriminator import Discriminator, adversarial_losses
from vldm_cli.train.frames import charbonnier, psnr, to_model
from vldm_cli.train.objectives.base import Means, Task
from vldm_cli.train.objectives.patches import PATCH
from vldm_cli.train.onestep import ADVERSARIAL_WEIGHT, motion_of, rise, unsteady
from vldm_cli.train.sheets import contact_sheet

LAYERS = "layers.safetensors"
# How much the changes of the error along the motion count, squares of the error, and LPIPS. The network's own frames
# are likely and restless; these are the pixel upscaler's weights with more for likeness.
STEADY_WEIGHT, SQUARED_WEIGHT, PERCEPTUAL_WEIGHT = 3.0, 3.0, 0.3
SHEET_CLIPS = 6


@dataclass(frozen=True, kw_only=True)
class NetworkMeans(Means):
    """What a run on a network is given. out: the folder that the layers go to; told: what their file is to say of the
    network."""

    steady: SteadyNetwork
    out: Path
    told: dict[str, str]


class SteadyLayers(Task):
    """Trains the temporal layers of an image network."""

    part = "upscaler-network"
    frames = 8
    lr, batch, bank_frames = 4e-4, 16, 16_384
    # From when on the discriminator learns, and between which shares of the run its word comes in.
    discriminates, adversarial = 0.45, (0.5, 0.7)

    def __init__(self, means: NetworkMeans):
        super().__init__(means)
        self.network_means, self.steady = means, means.steady
        self.scale = self.steady.image.scale
        image = self.steady.image
        self.known = fingerprint(image.module)
        image.to(self.device, self.dtype)
        if self.device.type == "cuda":
            image.module.to(memory_format=torch.channels_last)
        self.steady.layers.train().requires_grad_(True).to(self.device, self.dtype)
        self.trained = {"layers": self.steady.layers}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(means.seed)
            self.discriminator = Discriminator().to(self.device, self.dtype)
        self.helpers = {"discriminator": self.discriminator}
        self.learns, self.saying = False, 0.0

    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        """high, low: uint8 clips of patches; motion: `motion_of` high; flow, agree: `motion_before` low."""
        found = self.means.source.patches(seed, n, self.frames, PATCH, self.scale)
        high = torch.cat([one.high_BTCHW for one in found])
        low = torch.cat([one.low_patches(one.low_BTCHW, PATCH, PATCH) for one in found])
        flow_BTCHW, agree_BTCHW = motion_before(low / 255)
        return {
            "high": high,
            "low": low,
            "motion": motion_of(high),
            "flow": flow_BTCHW.half(),
            "agree": agree_BTCHW.half(),
        }

    def choose(self, progress: float) -> Hashable:
        self.learns, self.saying = progress >= self.discriminates, rise(progress, *self.adversarial)
        return self.learns

    def losses(self) -> dict[str, Tensor]:
        batch = self.bank.draw(self.means.batch)
        truth = to_model(batch["high"], torch.float32)
        made = 2 * self._made(batch) - 1
        error = made - truth
        pixels, steady = charbonnier(truth, made).mean(), unsteady(error, batch["motion"]).mean()
        out = {"l1": pixels.detach(), "flicker": steady.detach()}
        loss = pixels + STEADY_WEIGHT * steady + SQUARED_WEIGHT * error.square().mean()
        if self.means.perceptual is not None:
            looks = self.means.perceptual.distance(truth.flatten(0, 1), made.flatten(0, 1)).mean()
            loss, out["lpips"] = loss + PERCEPTUAL_WEIGHT * looks, looks.detach()
        if self.learns:
            mine, hinge = adversarial_losses(self.discriminator, truth.to(self.dtype), made.to(self.dtype))
            loss, out["hinge"] = loss + ADVERSARIAL_WEIGHT * self.saying * mine + hinge, hinge.detach()
        return {"loss": loss, **out}

    def export(self) -> None:
        means = self.network_means
        means.out.mkdir(parents=True, exist_ok=True)
        save_layers(means.out / LAYERS, self.steady, means.told, known=self.known)

    @torch.no_grad()
    def sheet(self) -> tuple[Image, dict[str, float]]:
        batch = self.held_out(SHEET_CLIPS)
        low, truth = batch["low"].float() / 255, to_model(batch["high"], torch.float32)
        B, T = low.shape[:2]
        rows = {
            "bicubic": upsample(low.flatten(0, 1), self.scale).unflatten(0, (B, T)),
            "network": self.steady.alone(low.flatten(0, 1)).unflatten(0, (B, T)),
            "steadied": self._made(batch),
        }
        rows = {name: (2 * x - 1).clamp(-1, 1) for name, x in rows.items()}
        measured = {}
        for name, made in rows.items():
            measured[f"psnr_{name}"] = psnr(made, truth)
            measured[f"flicker_{name}"] = float(unsteady(made - truth, batch["motion"]).mean())
            if self.means.perceptual is not None:
                distance = self.means.perceptual.distance(made.flatten(0, 1), truth.flatten(0, 1))
                measured[f"lpips_{name}"] = float(distance.mean())
        shown = {**rows, "truth": truth}
        return contact_sheet([(name, x[i]) for i in range(3) for name, x in shown.items()]), measured

    def _made(self, batch: dict[str, Tensor]) -> Tensor:
        """What comes out of a batch of clips, in [0, 1]."""
        motion = batch["flow"].float(), batch["agree"].float()
        return self.steady(batch["low"].float() / 255, motion, self.steady.begin())
