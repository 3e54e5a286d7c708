"""The temporal decoder (METHOD §3): flicker-free frames from the latents of single frames."""

from collections.abc import Hashable

import torch
from torch import Tensor

from vldm_cli.packs.load import load_decoder
from vldm_cli.train.discriminator import Discriminator, adversarial_losses, flicker
from vldm_cli.train.export import export_part
from vldm_cli.train.frames import charbonnier, encode, gradient_l1, psnr, to_model
from vldm_cli.train.objectives.autoencoder import PERCEPTUAL_WEIGHT, SQUARED_WEIGHT
from vldm_cli.train.objectives.base import Objective, Setup
from vldm_cli.train.onestep import rise
from vldm_cli.train.sheets import contact_sheet

# Training starts at the image decoder (the temporal layers being the identity) and shall nowhere fall behind it. The
# losses but one are smallest at the true frames, so that none of them trades exactness for something else:
# - pixels (weight 1) and their squares, which PSNR measures, about as loud: the frames themselves;
# - their differences in space, half as heavy: edges, which the sum over pixels hardly feels;
# - their differences in time, twice as heavy as the pixels: flicker, what these layers are for.
GRADIENT_WEIGHT, MOTION_WEIGHT = 0.5, 2.0
# - LPIPS, where it is given, as the autoencoder has it.
# - the discriminator alone does not know the true frame; it may choose among almost equally exact ones. Its word is a
#   number about one where the others are hundredths: with a weight of 0.02 it was twice as loud as the pixels, and two
#   runs ended .2 and .4 dB under the image decoder. So it comes late, when the exact losses have settled, and weighs
#   as little as the upscaler's; it learns alone first and its weight then rises to the full one, all in shares of the
#   run.
ADVERSARIAL_WEIGHT = 0.003
DISCRIMINATOR_FROM, ADVERSARIAL_FROM, ADVERSARIAL_FULL = 0.4, 0.5, 0.6
# Interpolated latents carry errors that encoded ones do not: a quarter of the videos get some noise, up to this level.
# More teaches it to smooth, since what noise has hidden can only be guessed (.14 in 70 % of them: .5 dB worse).
LATENT_NOISE, NOISY_SHARE = 0.05, 0.25
SHEET_CLIPS = 4


class Decoder(Objective):
    """Trains the temporal layers of the pack's `decoder`; encoder and spatial decoder are untouched."""

    part = "decoder"
    recordable = True
    frames = 8
    lr, batch, bank_frames = 3e-4, 16, 24_576

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self.model = self.load(load_decoder(setup.pack), train=False)
        for parameter in self.model.temporal_parameters():
            parameter.requires_grad_(True)
        self.trained = {"temporal": self.model}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            self.discriminator = Discriminator().to(self.device, self.dtype)
        self.helpers = {"discriminator": self.discriminator}
        self.learns = False
        self.says = torch.zeros((), device=self.device)

    def choose(self, progress: float) -> Hashable:
        """Whether the discriminator learns yet, and how much its word weighs."""
        self.learns = progress >= DISCRIMINATOR_FROM
        self.says.fill_(ADVERSARIAL_WEIGHT * rise(progress, ADVERSARIAL_FROM, ADVERSARIAL_FULL))
        return self.learns

    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        video = self.setup.source.clips(seed, n, self.frames, self.frame_steps).video_BTCHW
        return {"frames": video, "z": encode(self.model.vae, video, self.dtype)}

    def losses(self) -> dict[str, Tensor]:
        batch, n = self.bank.draw(self.setup.batch), self.setup.batch
        x, z = to_model(batch["frames"], self.dtype), batch["z"].float()
        y = self.model.decode((z + self._levels(n) * torch.randn_like(z)).to(self.dtype))
        pixels, edges = charbonnier(x, y).mean(), gradient_l1(x, y)
        error = x.float() - y.float()
        motion = error.diff(dim=1).abs().mean()
        loss = pixels + SQUARED_WEIGHT * error.square().mean()
        loss = loss + GRADIENT_WEIGHT * edges + MOTION_WEIGHT * motion
        out = {"l1": pixels.detach(), "motion": motion.detach()}
        if self.setup.perceptual is not None:
            looks = self.setup.perceptual.distance(x.flatten(0, 1), y.flatten(0, 1)).mean()
            loss, out["lpips"] = loss + PERCEPTUAL_WEIGHT * looks, looks.detach()
        if self.learns:
            adversarial, hinge = adversarial_losses(self.discriminator, x, y)
            loss = loss + self.says * adversarial + hinge
            out |= {"hinge": hinge.detach()}
        return {"loss": loss, **out}

    def _levels(self, n: int) -> Tensor:
        """How much noise each video's latents get, (n, 1, 1, 1, 1): none for most, an even spread for the others."""
        u = torch.rand(n, 1, 1, 1, 1, device=self.device)
        return LATENT_NOISE * ((u - (1 - NOISY_SHARE)) / NOISY_SHARE).clamp_min(0)

    def export(self) -> None:
        export_part(self.setup.pack, "decoder", self.model)

    @torch.no_grad()
    def sheet(self):
        batch = self.held_out(SHEET_CLIPS)
        x, z = to_model(batch["frames"], self.dtype), batch["z"].to(self.dtype)
        y = self.model.decode(z)
        with self.model.temporal_off():
            image = self.model.decode(z)
        rows = []
        for real, single, video in zip(x, image, y, strict=True):
            rows += [("truth", real), ("image decoder", single), ("temporal decoder", video)]
            # what is wrong with the motion, four times enlarged: grey is nothing
            for name, made in (("image decoder", single), ("temporal decoder", video)):
                rows.append((f"error of {name}'s frame differences, 4 times", 4 * (made - real).diff(dim=0)))
        measured = {"psnr": psnr(x, y), "psnr_image": psnr(x, image)}
        measured |= {"flicker_error": flicker(y - x), "flicker_error_image": flicker(image - x)}
        return contact_sheet(rows), measured
