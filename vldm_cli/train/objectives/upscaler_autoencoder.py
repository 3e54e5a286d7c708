"""The autoencoder of the latent upscaler (METHOD §6): what a bicubic enlargement lacks, in a few channels."""

import torch
from torch import Tensor

from vldm_cli.align.pixels import upsample
from vldm_cli.align.space import LatentSpace
from vldm_cli.packs.load import load_upscaler_vae
from vldm_cli.train.export import export_part, fold, latent_statistics
from vldm_cli.train.frames import psnr, to_model
from vldm_cli.train.objectives.autoencoder import drawn, reconstruction_losses
from vldm_cli.train.objectives.base import Objective, Setup
from vldm_cli.train.objectives.patches import UpscalerPatches, ensure_upscaler
from vldm_cli.train.sheets import contact_sheet

# A tenth of the image autoencoder's: residuals are small, so noise in the latents would outweigh them sooner.
KL_WEIGHT = 2e-6
STATISTICS_PATCHES, HELD_OUT_PATCHES = 2048, 32


class UpscalerAutoencoder(Objective):
    """Trains the pack's `upscaler_latent_vae` on patches and their low resolution, by the image autoencoder's losses;
    the exported one has latents of zero mean and unit variance. A pack without latent upscaler is given a new one."""

    part = "upscaler-latent-autoencoder"
    recordable = True
    lr, batch, bank_frames = 6e-4, 64, 16_384

    def __init__(self, setup: Setup):
        ensure_upscaler(setup, "latent", self.part)
        super().__init__(setup)
        self.patches = UpscalerPatches(setup)
        self.vae = self.load(load_upscaler_vae(setup.pack), train=True)
        self.space = LatentSpace(self.vae)
        self.trained = {"vae": self.vae}

    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        """high, low: uint8 patches (n, 3, …)."""
        high, low, _ = self.patches.draw(seed, n, 1)
        return {"high": high[:, 0], "low": low[:, 0]}

    def losses(self) -> dict[str, Tensor]:
        x, low = self._frames(self.bank.draw(self.setup.batch))
        z, kl = drawn(self.space.posterior(x, low))
        return reconstruction_losses(x, self.space.frames(z, low), KL_WEIGHT * kl, self.setup.perceptual)

    def export(self) -> None:
        bank = {name: x[: self.bank.size] for name, x in self.bank.tensors.items()}
        stride = max(1, self.bank.size // STATISTICS_PATCHES)
        some = {name: x[::stride][:STATISTICS_PATCHES].split(HELD_OUT_PATCHES) for name, x in bank.items()}
        latents = [
            self._coded(dict(zip(some, parts, strict=True))) for parts in zip(*some.values(), strict=True)
        ]
        vae = fold(self.vae, *latent_statistics(torch.cat(latents)))
        export_part(self.setup.pack, "upscaler_latent_vae", vae)

    @torch.no_grad()
    def sheet(self):
        x, low = self._frames(self.held_out(HELD_OUT_PATCHES))
        y, guess = self.space.frames(self.space.coded(x, low), low), upsample(low, self.space.scale)
        rows = [("bicubic", guess[:6]), ("reconstruction", y[:6]), ("truth", x[:6])]
        return contact_sheet(rows), {"psnr": psnr(x, y), "psnr_bicubic": psnr(x, guess)}

    @torch.no_grad()
    def _coded(self, batch: dict[str, Tensor]) -> Tensor:
        return self.space.coded(*self._frames(batch))

    def _frames(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Frames in [−1, 1] and their low resolution, float32."""
        return to_model(batch["high"], torch.float32), to_model(batch["low"], torch.float32)
