"""The image LDM with its text encoder (METHOD §1), trained from a bank of latents of single frames."""

from typing import cast

import torch
from torch import Tensor

from vldm_cli.align.unet import VideoUNet
from vldm_cli.denoise.guidance import Guidance
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import sample
from vldm_cli.denoise.schedulers import make_scheduler
from vldm_cli.packs.load import load_text, load_unet, load_vae, scheduler_config
from vldm_cli.train.diffusion import Diffusion
from vldm_cli.train.export import export_part
from vldm_cli.train.frames import decode, encode
from vldm_cli.train.objectives.base import Objective, Setup
from vldm_cli.train.sheets import FrameByFrame, contact_sheet

CAPTION_DROPPED = 0.1
SHEET_FRAMES, SHEET_STEPS, SHEET_GUIDANCE = 12, 20, 4.0


# Timesteps, of a thousand, at which outlines are decided: more than half of what is wrong with them arises below.
FINE = 0.3


class Image(Objective):
    """Trains the pack's `unet` and `text` together; the autoencoder stays as it is.

    Most of the loss lies in grass, clouds and noise that nobody sees, and what everybody sees, outlines, in small
    differences of the latents at the last noise levels. So `outlines` of the setup says how much more than others the
    cells count that an outline runs through, and `fine` which share of the examples is drawn at times below FINE."""

    part = "image"
    stands_on = ("vae",)
    recordable = renders_much = True
    lr, batch, bank_frames = 4e-4, 512, 200_000

    def __init__(self, setup: Setup):
        super().__init__(setup)
        pack = setup.pack
        self.vae = self.load(load_vae(pack), train=False)
        self.unet = self.load(load_unet(pack), train=True)
        text = load_text(pack)
        self.words = text.words
        self.text = text.model.requires_grad_(True).to(self.device, self.dtype)
        self.trained = {"unet": self.unet, "text": self.text}
        self.scheduler = scheduler_config(pack)
        self.diffusion = Diffusion(self.scheduler, self.device)
        self.no_text = self._ids([""])

    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        clips = self.setup.source.clips(seed, n, 1, self.frame_steps)
        made = {"z": encode(self.vae, clips.video_BTCHW[:, 0], self.dtype), "ids": self._ids(clips.captions)}
        if self.setup.outlines:
            h, w = made["z"].shape[-2:]
            marked = clips.outlines_BTHW
            made["outlines"] = (
                torch.zeros(n, h, w, dtype=torch.bool, device=self.device) if marked is None else marked[:, 0]
            )
        return made

    def losses(self) -> dict[str, Tensor]:
        batch = self.bank.draw(self.setup.batch)
        z, n = batch["z"].float(), self.setup.batch
        dropped = torch.rand(n, 1, device=self.device) < CAPTION_DROPPED
        text = self.text(torch.where(dropped, self.no_text, batch["ids"]).long()).last_hidden_state
        noise, t = torch.randn_like(z), self.diffusion.times(n, first=self.setup.fine, below=FINE)
        noisy = self.diffusion.add(z, noise, t).to(self.dtype)
        prediction = self.unet(noisy, t, text, return_dict=False)[0]
        error = (prediction.float() - self.diffusion.target(z, noise, t)) ** 2
        if not self.setup.outlines:
            return {"loss": error.mean()}
        mark = batch["outlines"][:, None].float()
        weight = 1 + self.setup.outlines * mark
        on_outlines = (error * mark).mean() / mark.mean().clamp_min(1e-6)
        return {
            "loss": (error * weight).mean() / weight.mean(),
            "plain": error.mean().detach(),
            "on_outlines": on_outlines.detach(),
        }

    def export(self) -> None:
        export_part(self.setup.pack, "text", self.text)
        export_part(self.setup.pack, "unet", self.unet)

    @torch.no_grad()
    def sheet(self):
        captions = self.setup.source.clips(self.held_out_seed, SHEET_FRAMES, 1, self.frame_steps).captions
        text = self.text(self._ids(captions).long()).last_hidden_state
        n, config = len(captions), self.unet.config
        size = self.bank.tensors["z"].shape[-2:]
        noise = frame_noise(0, "sheet", range(n), (config.in_channels, *size))[:, None].to(self.device)
        z = sample(
            cast(VideoUNet, FrameByFrame(self.unet)),  # which is called alike
            make_scheduler(self.scheduler, "ddim"),
            noise,
            steps=SHEET_STEPS,
            text_BLD=text,
            negative_BLD=self.text(self.no_text.long()).last_hidden_state.expand(n, -1, -1),
            guidance=Guidance(text=SHEET_GUIDANCE),
        )[:, 0]
        frames = decode(self.vae, z, self.dtype)
        rows = [(" | ".join(captions[i : i + 4]), frames[i : i + 4]) for i in range(0, n, 4)]
        return contact_sheet(rows), {}

    def _ids(self, captions: list[str]) -> Tensor:
        return torch.tensor([self.words.ids(c) for c in captions], dtype=torch.int32, device=self.device)
