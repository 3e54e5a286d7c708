"""The autoencoder of single frames (METHOD §1): reconstruction, and latents near a standard normal."""

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.packs.load import load_vae
from vldm_cli.train.export import export_part, fold, latent_statistics
from vldm_cli.train.frames import charbonnier, edge_weights, gradient_l1, psnr, to_model
from vldm_cli.train.objectives.base import Objective, Setup
from vldm_cli.train.perceptual import Perceptual
from vldm_cli.train.sheets import contact_sheet

# Just enough that latents keep a scale and do not scatter. The larger it is, the more noise the latents are given, and
# noise is a floor under the error: with 1e-4, a few minutes ended at 31 dB where 36 are wanted. Latents need not be
# normal for the diffusion's sake: their mean and deviation are folded in after training.
KL_WEIGHT = 2e-5
GRADIENT_WEIGHT = 0.5
# Mean squares, as PSNR has them, are about a tenth of the absolute errors at 35 dB: so weighed they are as loud, and
# what is far off, thin stripes and edges, is heard more.
SQUARED_WEIGHT = 10.0
# Toyland is mostly smooth, and what is wrong after some minutes are wobbling outlines.
EDGES = 4.0
# The pixels' loss is about 0.03 where LPIPS is about 0.1: felt, and still a third of it.
PERCEPTUAL_WEIGHT = 0.1
# Latents made half as large shall decode to the frame made half as large (after Skorokhodov et al. 2025, "Improving the
# Diffusability of Autoencoders"). Without that the eight channels took up much more
# fine structure than frames have, which a diffusion model learns last: half-size latents decoded at 21 dB.
HALF_WEIGHT = 0.25
STATISTICS_FRAMES, HELD_OUT_FRAMES = 2048, 64


class Autoencoder(Objective):
    """Trains the pack's `vae`; the exported one has latents of zero mean and unit variance (folded, scaling 1).

    With `keep_latents` its encoder is frozen, so that latents stay what the denoisers were trained on, and the decoder
    alone learns to read them better.
    """

    part = "autoencoder"
    recordable = True
    lr, batch, bank_frames = 6e-4, 64, 16_384

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self.vae = self.load(load_vae(setup.pack), train=True)
        if setup.keep_latents:
            for frozen in filter(None, (self.vae.encoder, self.vae.quant_conv)):
                frozen.requires_grad_(False)
        self.trained = {"vae": self.vae}

    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        return {"frames": self.setup.source.clips(seed, n, 1, self.frame_steps).video_BTCHW[:, 0]}

    def losses(self) -> dict[str, Tensor]:
        x = to_model(self.bank.draw(self.setup.batch)["frames"], self.dtype)
        # mirrored frames are as good here, where no caption says left or right
        mirrored = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
        x = torch.where(mirrored, x.flip(-1), x)
        z, kl = drawn(self.vae.encode(x).latent_dist)
        y = self.vae.decode(z.to(self.dtype)).sample
        losses = reconstruction_losses(x, y, KL_WEIGHT * kl, self.setup.perceptual)
        if not self.setup.keep_latents:
            half = self._half(x, z)
            losses["loss"] = losses["loss"] + HALF_WEIGHT * half
            losses["half"] = half.detach()
        return losses

    def _half(self, x_NCHW: Tensor, z_NCHW: Tensor) -> Tensor:
        """How far every second frame at half size is from what its latents at half size decode to."""
        x, z = x_NCHW[::2], z_NCHW[::2]
        z = F.interpolate(z, size=tuple(max(1, side // 2) for side in z.shape[-2:]), mode="area")
        y = self.vae.decode(z.to(self.dtype)).sample
        x = F.interpolate(x, size=y.shape[-2:], mode="area")
        return charbonnier(x, y).mean() + GRADIENT_WEIGHT * gradient_l1(x, y)

    def export(self) -> None:
        if self.setup.keep_latents:
            export_part(self.setup.pack, "vae", self.vae)
            return
        latents = [self._latents(x) for x in self._some_frames().split(HELD_OUT_FRAMES)]
        export_part(self.setup.pack, "vae", fold(self.vae, *latent_statistics(torch.cat(latents))))

    @torch.no_grad()
    def sheet(self):
        frames = self.held_out(HELD_OUT_FRAMES)["frames"]
        x = to_model(frames, self.dtype)
        y = self.vae.decode(self.vae.encode(x).latent_dist.mean).sample
        rows = [
            ("original", x[:6]),
            ("reconstruction", y[:6]),
            ("original", x[6:12]),
            ("reconstruction", y[6:12]),
        ]
        return contact_sheet([row for row in rows if len(row[1])]), {"psnr": psnr(x, y)}

    @torch.no_grad()
    def _latents(self, frames_u8: Tensor) -> Tensor:
        return self.vae.encode(to_model(frames_u8, self.dtype)).latent_dist.mean.float()

    def _some_frames(self) -> Tensor:
        bank = self.bank.tensors["frames"][: self.bank.size]
        stride = max(1, len(bank) // STATISTICS_FRAMES)
        return bank[::stride][:STATISTICS_FRAMES]


def drawn(posterior: DiagonalGaussianDistribution) -> tuple[Tensor, Tensor]:
    """Latents drawn from an encoder's distribution, float32, and its KL divergence from a standard normal, averaged."""
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    z = mean + (0.5 * logvar).exp() * torch.randn_like(mean)
    return z, 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()


def reconstruction_losses(
    x_NCHW: Tensor, y_NCHW: Tensor, kl: Tensor, perceptual: Perceptual | None
) -> dict[str, Tensor]:
    """The loss under "loss", and its parts, of frames and what an autoencoder made of them; kl: already weighed."""
    pixels = (edge_weights(x_NCHW, EDGES) * charbonnier(x_NCHW, y_NCHW)).mean()
    squares = F.mse_loss(y_NCHW.float(), x_NCHW.float())
    loss = pixels + SQUARED_WEIGHT * squares + GRADIENT_WEIGHT * gradient_l1(x_NCHW, y_NCHW) + kl
    out = {"l1": pixels.detach(), "kl": kl.detach()}
    if perceptual is not None:
        looks = perceptual.distance(x_NCHW, y_NCHW).mean()
        loss, out["lpips"] = loss + PERCEPTUAL_WEIGHT * looks, looks.detach()
    return {"loss": loss, **out}
