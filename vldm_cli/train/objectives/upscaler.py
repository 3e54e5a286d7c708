"""The upscalers (METHOD §6): the image UNet on single patches, then its temporal layers on clips of patches."""

from collections.abc import Hashable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.align.space import LABELS, video
from vldm_cli.align.temporal import CLOSING
from vldm_cli.denoise.noise import noise_like
from vldm_cli.packs.load import load_space, load_upscaler, upscaler_scheduler_config
from vldm_cli.stages.upscale import SHARED_NOISE
from vldm_cli.train.diffusion import Diffusion
from vldm_cli.train.discriminator import Discriminator
from vldm_cli.train.export import export_part
from vldm_cli.train.frames import to_model
from vldm_cli.train.looks import NAMES, looks_loss
from vldm_cli.train.objectives.base import Objective, Setup
from vldm_cli.train.objectives.patches import ROUNDTRIP_SHARE, UpscalerPatches, ensure_upscaler
from vldm_cli.train.objectives.upscaled import augmented, compared
from vldm_cli.train.onestep import (
    DETAIL,
    SQUARED_WEIGHT,
    STEADY_RENDERED,
    detail,
    motion_of,
    one_step_losses,
    rise,
)

# Share of each batch that is trained on what sampling in one trailing step gives, from pure noise at 999 straight to
# the residual (see `onestep`). The others are denoised from any time, a share of them from where a second step starts.
ONE_STEP, LAST_TIME = 0.75, 999
SECOND_STEP = {499: 0.3}
# The one-step losses are a few hundredths, the diffusion loss is about one.
DIFFUSION_WEIGHT = 0.03
# Shares of examples whose low-resolution frames are as they are, and whose noise only says that detail is wanted.
CLEAN_SHARE, DETAIL_SHARE = 0.3, 0.5
SHEET_CLIPS = 8


class UpscalerImage(Objective):
    """Trains an upscaler's UNet on single patches; temporal layers are switched off."""

    part = "upscaler-image"
    space_name = "pixel"
    exported = "upscaler_pixel"
    recordable = True
    lr, batch, bank_frames = 4e-4, 96, 20_000
    # Shares of the run from which on, and until which, LPIPS and the discriminator's word come in: exactness first.
    looks, adversarial = (0.2, 0.4), (0.5, 0.7)
    # The discriminator learns alone first.
    discriminates = 0.45
    # Whether it begins with the layers for the frames that the pack itself makes.
    own = False
    # Share of steps on clips of fewer frames, for short videos.
    shorter = 0.25
    # How much steadiness counts in rendered clips, and squares of the error in all.
    steady, squared = STEADY_RENDERED, SQUARED_WEIGHT
    # Share of rendered clips that have been through the autoencoder, where any are.
    roundtrip = ROUNDTRIP_SHARE

    def __init__(self, setup: Setup):
        ensure_upscaler(setup, self.space_name, self.part)
        super().__init__(setup)
        self.patches = UpscalerPatches(setup, self.roundtrip)
        self.model = self.load(load_upscaler(setup.pack, self.space_name, own=self.own), train=False)
        self.space = load_space(setup.pack, self.space_name, self.device, self.dtype)
        self._choose_trained()
        self.trained = {"upscaler": self.model}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            self.discriminator = Discriminator().to(self.device, self.dtype)
        self.helpers = {"discriminator": self.discriminator}
        self.scheduler = upscaler_scheduler_config(setup.pack, self.space_name)
        self.diffusion = Diffusion(self.scheduler, self.device)
        self.length, self.learns, self.looked = self.frames, False, False
        # how much of LPIPS and of the discriminator's word counts by now
        self.looking, self.saying = (torch.zeros((), device=self.device) for _ in range(2))

    def choose(self, progress: float) -> Hashable:
        """The clips' length, and what counts by then."""
        self.length = self.frames
        if self.frames > 1 and float(torch.rand(())) < self.shorter:
            self.length = int(torch.randint(self.frames // 2, self.frames, ()))
        self.learns, looks = progress >= self.discriminates, rise(progress, *self.looks)
        self.looked = looks > 0
        self.looking.fill_(looks)
        self.saying.fill_(rise(progress, *self.adversarial))
        return self.length, self.learns, self.looked

    def _choose_trained(self) -> None:
        temporal = {id(p) for p in self.model.temporal_parameters()}
        for parameter in self.model.parameters():
            parameter.requires_grad_(id(parameter) not in temporal)
        self.model.state.on = False

    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        """high, low: uint8 patches; rendered: which of them vldm rendered; motion, of clips: `motion_of` high; with a
        teacher for looks what it gives, too (`Looks.examples`)."""
        high, low, rendered_B = self.patches.draw(seed, n, self.frames)
        motion = {"motion": motion_of(high)} if self.frames > 1 else {}
        looks = self.setup.looks
        taught = {} if looks is None else looks.examples(high, low, rendered_B, seed)
        return {"high": high, "low": low, "rendered": rendered_B, **motion, **taught}

    def losses(self) -> dict[str, Tensor]:
        batch, n = self.bank.draw(self.setup.batch), self.setup.batch
        rendered_B = batch.pop("rendered")
        taught = {name: batch.pop(name) for name in NAMES if name in batch}
        batch = {name: x[:, : self.length - (name == "motion")] for name, x in batch.items()}
        low, z = self._coded(batch["high"], batch["low"])
        labels, t = self._labels(n), self._times(n)
        one = max(1, round(ONE_STEP * n))
        t[:one] = LAST_TIME
        noise = noise_like(z, SHARED_NOISE)
        noisy = self.diffusion.add(z, noise, t)
        extra = augmented(low, labels, noise_like(low, SHARED_NOISE)).to(self.dtype)
        # shorter windows run uncompiled: every length would be compiled for itself
        stance: Literal["default", "force_eager"] = "default" if z.shape[1] == self.frames else "force_eager"
        with torch.compiler.set_stance(stance):
            v = self.model(noisy.to(self.dtype), t, extra_BTCHW=extra, class_labels=labels).float()
        guess = self.diffusion.clean(noisy[:one], v[:one], t[:one])
        made, level_B = video(self.model, self.space, guess, low[:one]), labels[:one] / LABELS
        out = one_step_losses(
            to_model(batch["high"][:one], torch.float32),
            made,
            level_B,
            batch["motion"][:one] if "motion" in batch else None,
            rendered_B[:one],
            self.setup.perceptual if self.looked else None,
            self.discriminator if self.learns else None,
            self.looking,
            self.saying,
            self.steady,
            self.squared,
        )
        if taught and self.looked:
            shown = {name: x[:one] for name, x in taught.items()}
            looks = looks_loss(made, shown, self.looking * detail(level_B), self.setup.perceptual)
            out["loss"], out["looks"] = out["loss"] + looks, looks.detach()
            out["heed"] = shown["heed"].mean()
        if one < n:
            target = self.diffusion.target(z[one:], noise[one:], t[one:])
            out["denoising"] = F.mse_loss(v[one:], target)
            out["loss"] = out["loss"] + DIFFUSION_WEIGHT * out["denoising"]
        return out

    def export(self) -> None:
        export_part(self.setup.pack, self.exported, self.model.unet)

    def _labels(self, n: int) -> Tensor:
        """Noise levels of the low-resolution frames, as class labels: none; so little that it only says that detail is
        wanted, up to twice of what that takes; and any, the less the likelier."""
        u = torch.rand(n, device=self.device)
        little = 2 * DETAIL * ((u - CLEAN_SHARE) / DETAIL_SHARE)
        much = ((u - CLEAN_SHARE - DETAIL_SHARE) / (1 - CLEAN_SHARE - DETAIL_SHARE)).clamp_min(0) ** 3
        level = torch.where(u < CLEAN_SHARE + DETAIL_SHARE, little.clamp_min(0), much)
        return (LABELS * level).ceil().long().clamp_max(LABELS - 1)

    def _times(self, n: int) -> Tensor:
        """Timesteps of the examples that are denoised from any time."""
        u, t, below = torch.rand(n, device=self.device), self.diffusion.times(n), 0.0
        for time, share in SECOND_STEP.items():
            t = torch.where((u >= below) & (u < below + share), time, t)
            below += share
        return t

    def sheet(self):
        batch, perceptual = self.held_out(SHEET_CLIPS), self.setup.perceptual
        return compared(batch, self.model, self.space, self.scheduler, self.dtype, perceptual)

    def _coded(self, high_u8: Tensor, low_u8: Tensor) -> tuple[Tensor, Tensor]:
        """(low-resolution patches in [−1, 1], what is diffused), both (B, T, …) float32."""
        high, low = to_model(high_u8, torch.float32), to_model(low_u8, torch.float32)
        with torch.no_grad():
            z = self.space.coded(high.flatten(0, 1), low.flatten(0, 1))
        return low, z.unflatten(0, low.shape[:2])


class Upscaler(UpscalerImage):
    """Trains an upscaler's temporal layers on clips of patches; its image UNet is frozen (METHOD §6).

    The same losses as the image UNet's, for frozen layers are as sharp as they were made, and temporal ones that were
    trained for exactness alone would smooth that away; here flicker counts too, and the discriminator sees clips.
    """

    part = "upscaler"
    stands_on: tuple[str, ...] = ("upscaler_pixel",)
    exported = "upscaler_pixel_temporal"
    frames = 8
    lr, batch, bank_frames = 4e-4, 20, 24_000
    looks, adversarial = (0.0, 0.05), (0.3, 0.5)
    discriminates = 0.2

    def _choose_trained(self) -> None:
        for parameter in self.model.temporal_parameters():
            parameter.requires_grad_(True)

    def export(self) -> None:
        export_part(self.setup.pack, self.exported, self.model)


class UpscalerOwn(Upscaler):
    """Trains the second half of the pixel upscaler's temporal convolutions anew, for the frames that the pack itself
    makes: of one world they can be made steadier than footage without getting soft. `vldm generate` uses these."""

    part = "upscaler-own"
    stands_on = ("upscaler_pixel", "upscaler_pixel_temporal")
    exported = "upscaler_pixel_own"
    own = True
    # Never: what a discriminator wants blinks, and of a rendered world there is little detail to invent. After three
    # minutes without it the layers were as exact, and steadier by a hundredth.
    discriminates = float("inf")
    # Against the others' weights, after as many steps, these made the layers steadier and .2 dB more exact.
    steady, squared = 60.0, 40.0
    # Less than others: every tenth of it costs exactness on frames that are as they were rendered.
    roundtrip = 0.3

    def _choose_trained(self) -> None:
        self.model.sizes["compensated"] = True  # steadiness is what this set is for
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name.endswith(CLOSING))


class UpscalerLatentImage(UpscalerImage):
    """The same in the latents of the upscaler's own autoencoder, which is frozen; losses are of what it decodes."""

    part = "upscaler-latent-image"
    stands_on = ("upscaler_latent_vae",)
    space_name, exported = "latent", "upscaler_latent"


class UpscalerLatent(Upscaler):
    """The same in latent space."""

    part = "upscaler-latent"
    stands_on = ("upscaler_latent_vae", "upscaler_latent")
    space_name, exported = "latent", "upscaler_latent_temporal"
