"""The pixel upscaler (METHOD §6): its image UNet on single patches, then its temporal layers on clips of patches."""

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.align.pixels import from_residual, to_residual, upsample
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import make_scheduler, sample
from vldm_cli.packs.load import load_decoder, load_upscaler, upscaler_scheduler_config
from vldm_cli.stages.upscale import LEVELS
from vldm_cli.train.bank import chunk_seed
from vldm_cli.train.diffusion import Diffusion
from vldm_cli.train.export import export_part
from vldm_cli.train.frames import ENCODE_FRAMES, encode, psnr, to_bytes, to_model
from vldm_cli.train.objectives.base import Objective, Setup
from vldm_cli.train.sheets import contact_sheet

SCALE, PATCH = 4, 48
ROUNDTRIP_SHARE = 0.6
# Shares of the training spent on single timesteps. Sampling takes one trailing step: from pure noise at 999 straight to
# the residual, where the best answer is its mean, so that the result cannot be worse than the bicubic it starts from.
# A second step, from 499, adds detail and keeps some of the noise it was given; it is trained less.
TIMES = {999: 0.6, 499: 0.1}
# Share of examples whose low-resolution frames are as they are: that is how clips are upscaled unless asked otherwise.
CLEAN_SHARE = 0.5
# Share of steps on clips of fewer frames, for short videos.
SHORTER = 0.25
SHEET_CLIPS, SHEET_STEPS = 8, (1, 2)


class UpscalerImage(Objective):
    """Trains the pack's `upscaler_pixel` on single patches; temporal layers are switched off."""

    part = "upscaler-image"
    lr, batch, bank_frames = 4e-4, 96, 20_000

    def __init__(self, setup: Setup):
        super().__init__(setup)
        video = setup.pack.manifest.video
        # low-resolution pixels; divisible by what the UNet's levels and an autoencoder need
        self.patch = min(PATCH, video.height, video.width) // 8 * 8
        self.model = self.load(load_upscaler(setup.pack, "pixel"), train=False)
        self._choose_trained()
        self.trained = {"upscaler": self.model}
        self.decoder = self.load(load_decoder(setup.pack), train=False) if setup.vae_roundtrip else None
        self.scheduler = upscaler_scheduler_config(setup.pack, "pixel")
        self.diffusion = Diffusion(self.scheduler, self.device)

    def _choose_trained(self) -> None:
        temporal = {id(p) for p in self.model.temporal_parameters()}
        for parameter in self.model.parameters():
            parameter.requires_grad_(id(parameter) not in temporal)
        self.model.state.on = False

    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        patches = self.setup.source.patches(seed, n, self.frames, self.patch, SCALE)
        low = patches.low_BTCHW
        if self.decoder is not None:
            chosen = (
                torch.rand(n, generator=torch.Generator().manual_seed(chunk_seed(seed, 1))) < ROUNDTRIP_SHARE
            )
            low = low.clone()
            rows = chosen.nonzero()[:, 0].to(self.device)
            for some in rows.split(max(1, ENCODE_FRAMES // self.frames)):
                low[some] = self._roundtrip(low[some])
        return {"high": patches.high_BTCHW, "low": patches.low_patches(low, self.patch, self.patch)}

    def losses(self, progress: float) -> dict[str, Tensor]:
        batch, n = self.bank.draw(self.setup.batch), self.setup.batch
        high, low = batch["high"], batch["low"]
        if self.frames > 1 and float(torch.rand(())) < SHORTER:
            frames = int(torch.randint(self.frames // 2, self.frames, ()))
            high, low = high[:, :frames], low[:, :frames]
        low, z = self._residual(high, low)
        labels, t = self._labels(n), self._times(n)
        noise = torch.randn_like(z)
        noisy = self.diffusion.add(z, noise, t).to(self.dtype)
        extra = augmented(low, labels, torch.randn_like(low)).to(self.dtype)
        # shorter windows run uncompiled: every length would be compiled for itself
        stance = "default" if z.shape[1] == self.frames else "force_eager"
        with torch.compiler.set_stance(stance):
            prediction = self.model(noisy, t, extra_BTCHW=extra, class_labels=labels).float()
        return {"loss": F.mse_loss(prediction, self.diffusion.target(z, noise, t))}

    def export(self) -> None:
        export_part(self.setup.pack, "upscaler_pixel", self.model.unet)

    def _labels(self, n: int) -> Tensor:
        """Noise levels of the low-resolution frames, as class labels."""
        u = torch.rand(n, device=self.device)
        # cubed: a median of an eighth of the range, for light noise is what clips are upscaled with, if with any
        noisy = (LEVELS * ((u - CLEAN_SHARE) / (1 - CLEAN_SHARE)).clamp_min(0) ** 3).long()
        return noisy.clamp_max(LEVELS - 1)

    def _times(self, n: int) -> Tensor:
        """Timesteps: the single ones by their shares, all others evenly."""
        u, t, below = torch.rand(n, device=self.device), self.diffusion.times(n), 0.0
        for time, share in TIMES.items():
            t = torch.where((u >= below) & (u < below + share), time, t)
            below += share
        return t

    @torch.no_grad()
    def sheet(self):
        batch = self.held_out(SHEET_CLIPS)
        low, z = self._residual(batch["high"], batch["low"])
        B, T, *shape = z.shape
        noise = torch.stack([frame_noise(b, "sheet-upscale", range(T), tuple(shape)) for b in range(B)])
        labels = torch.zeros(B, dtype=torch.long, device=self.device)
        flat = low.flatten(0, 1)
        bicubic, truth = upsample(flat, SCALE).unflatten(0, (B, T)), to_model(batch["high"], torch.float32)
        rows, measured = [("bicubic", bicubic)], {"psnr_bicubic": psnr(bicubic, truth)}
        for steps in SHEET_STEPS:
            r = sample(
                self.model,
                make_scheduler(self.scheduler, "ddim"),
                noise.to(self.device),
                steps=steps,
                extra_BTCHW=low.to(self.dtype),
                class_labels=labels,
            )
            made = from_residual(r.flatten(0, 1), flat, SCALE).unflatten(0, (B, T))
            rows.append((f"ours, steps: {steps}", made))
            measured[f"psnr_{steps}"] = psnr(made, truth)
        rows.append(("truth", truth))
        rows = (
            [(name, x[:, 0]) for name, x in rows]
            if T == 1
            else [(n, x[i]) for i in range(3) for n, x in rows]
        )
        return contact_sheet(rows), measured

    def _residual(self, high_u8: Tensor, low_u8: Tensor) -> tuple[Tensor, Tensor]:
        """(low-resolution patches in [−1, 1], what is diffused), both (B, T, …) float32."""
        high, low = to_model(high_u8, torch.float32), to_model(low_u8, torch.float32)
        z = to_residual(high.flatten(0, 1), low.flatten(0, 1), SCALE)
        return low, z.unflatten(0, low.shape[:2])

    @torch.no_grad()
    def _roundtrip(self, low_BTCHW: Tensor) -> Tensor:
        """The frames as the pack's autoencoder gives them back, with its temporal decoder where there is time."""
        z = encode(self.decoder.vae, low_BTCHW, self.dtype).to(self.dtype)
        self.decoder.state.on = self.frames > 1
        return to_bytes(self.decoder.decode(z))


class Upscaler(UpscalerImage):
    """Trains the upscaler's temporal layers on clips of patches; its image UNet is frozen."""

    part = "upscaler"
    frames = 8
    lr, batch, bank_frames = 4e-4, 20, 24_000

    def _choose_trained(self) -> None:
        for parameter in self.model.temporal_parameters():
            parameter.requires_grad_(True)

    def export(self) -> None:
        export_part(self.setup.pack, "upscaler_pixel_temporal", self.model)


def augmented(low_BTCHW: Tensor, labels_B: Tensor, noise_BTCHW: Tensor) -> Tensor:
    """Noise augmentation of the low-resolution frames as `stages.upscale` applies it: level l = label / LEVELS,
    low ← sqrt(1 − l²) low + l ε."""
    level = (labels_B.to(low_BTCHW.dtype) / LEVELS)[:, None, None, None, None]
    return (1 - level**2).sqrt() * low_BTCHW + level * noise_BTCHW
