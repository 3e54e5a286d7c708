"""The temporal decoder (METHOD §3): flicker-free frames from the latents of single frames."""

from collections.abc import Hashable

import torch
from torch import Tensor

from vldm_cli.measure.between import APART, in_two
from vldm_cli.measure.clips import Maker
from vldm_cli.packs.load import load_decoder
from vldm_cli.stages.models import Models
from vldm_cli.train.data.bank import chunk_seed
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
# What the chain decodes is mostly interpolated, and such latents carry errors that encoded ones do not: so many of the
# clips are interpolated by the pack between two encoded frames, as many at a time.
INTERPOLATED, AT_A_TIME = 0.6, 64
# A quarter of the others get some noise, up to this level. More teaches it to smooth, since what noise has hidden can
# only be guessed (.14 in 70 % of them: .5 dB worse).
LATENT_NOISE, NOISY_SHARE = 0.05, 0.25
SHEET_CLIPS = 4


class Decoder(Objective):
    """Trains the temporal layers of the pack's `decoder`; encoder and spatial decoder are untouched."""

    part = "decoder"
    stands_on = ("vae",)
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
        self.maker = None
        if setup.pack.has("interpolation") and setup.pack.manifest.video.keyframe_step == APART:
            models = Models(setup.pack, str(self.device), str(self.dtype).removeprefix("torch."))
            if not models.interpolation.untrained:
                setup.source.check(APART + 1, self.frame_steps)
                self.maker = Maker(models, AT_A_TIME)

    def choose(self, progress: float) -> Hashable:
        """Whether the discriminator learns yet, and how much its word weighs."""
        self.learns = progress >= DISCRIMINATOR_FROM
        self.says.fill_(ADVERSARIAL_WEIGHT * rise(progress, ADVERSARIAL_FROM, ADVERSARIAL_FULL))
        return self.learns

    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        """frames: uint8; z: their latents; made: whether these are interpolated."""
        between = round(INTERPOLATED * n) if self.maker else 0
        parts = []
        if between < n:
            video = self.setup.source.clips(seed, n - between, self.frames, self.frame_steps).video_BTCHW
            parts.append((video, encode(self.model.vae, video, self.dtype)))
        if between:
            parts.append(self._interpolated(chunk_seed(seed, between), between))
        frames, z = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return {"frames": frames, "z": z, "made": torch.arange(n, device=self.device) >= n - between}

    @torch.no_grad()
    def _interpolated(self, seed: int, n: int) -> tuple[Tensor, Tensor]:
        """n windows of clips of which every 16th frame is encoded and the others are interpolated from these, as
        `vldm generate` does it: uint8 frames and float16 latents."""
        assert self.maker is not None  # or nothing is interpolated
        maker = self.maker
        clips = self.setup.source.clips(seed, n, APART + 1, self.frame_steps)
        known = encode(self.model.vae, clips.video_BTCHW[:, ::APART], self.dtype).float()
        said = iter(clips.captions)
        with torch.autocast(self.device.type, enabled=False):
            made = [in_two(maker, [next(said) for _ in z], z) for z in known.split(AT_A_TIME)]
        random = torch.Generator().manual_seed(seed)
        start_B = torch.randint(APART + 2 - self.frames, (n, 1), generator=random)
        at = (start_B + torch.arange(self.frames)).to(self.device)
        row = torch.arange(n, device=self.device)[:, None]
        return clips.video_BTCHW[row, at], torch.cat(made)[row, at].half()

    def losses(self) -> dict[str, Tensor]:
        batch, n = self.bank.draw(self.setup.batch), self.setup.batch
        x, z = to_model(batch["frames"], self.dtype), batch["z"].float()
        level = self._levels(n) * ~batch["made"].view(-1, 1, 1, 1, 1)
        y = self.model.decode((z + level * torch.randn_like(z)).to(self.dtype))
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
