"""Temporal layers for an upscaler of whole frames that others have trained, such as Stable Diffusion's ×4 (METHOD §6,
Video LDM §3.4): that model frozen, its own loss, on clips."""

from collections.abc import Hashable

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.align.space import FrameSpace
from vldm_cli.denoise.noise import noise_like
from vldm_cli.errors import RequestError
from vldm_cli.packs.load import load_space, load_upscaler, load_upscaler_text, upscaler_scheduler_config
from vldm_cli.stages.upscale import SHARED_NOISE
from vldm_cli.train.diffusion import Diffusion
from vldm_cli.train.export import export_part
from vldm_cli.train.frames import to_model
from vldm_cli.train.objectives.base import Objective, Setup
from vldm_cli.train.objectives.patches import UpscalerPatches
from vldm_cli.train.objectives.upscaled import compared
from vldm_cli.train.onestep import motion_of

SHEET_CLIPS = 2
# name → (steps, noise level); its own usual noise is time 20 of 1000
WAYS = {"10": (10, 0.052)}


class UpscalerFrame(Objective):
    """Trains the temporal layers of a pack's named upscaler in frame space. It hears no words: what steadies frames has
    nothing to do with what they show."""

    part = "upscaler-frame"
    stands_on = ("upscaler_frame", "upscaler_frame_vae", "upscaler_frame_text")
    exported = "upscaler_frame_temporal"
    frames = 8
    lr, batch, bank_frames = 1e-4, 8, 4096

    def __init__(self, setup: Setup):
        if "upscaler_frame" not in setup.pack.named:
            raise RequestError(
                f"pack {setup.pack.name} names no upscaler in frame space; begin with "
                "`vldm packs new FOLDER --from sd-x4`"
            )
        super().__init__(setup)
        pack = setup.pack
        self.patches = UpscalerPatches(setup)
        self.model = self.load(load_upscaler(pack, "frame"), train=False)
        for parameter in self.model.temporal_parameters():
            parameter.requires_grad_(True)
        self.trained = {"upscaler": self.model}
        space = load_space(pack, "frame", self.device, self.dtype)
        assert isinstance(space, FrameSpace)
        self.space = space
        self.text_BLD = load_upscaler_text(pack, "frame", self.device, self.dtype).encode([""])
        self.scheduler = upscaler_scheduler_config(pack, "frame")
        self.diffusion = Diffusion(self.scheduler, self.device)

    def choose(self, progress: float) -> Hashable:
        return self.frames

    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        """high, low: uint8 patches (n, T, 3, …)."""
        high, low, _ = self.patches.draw(seed, n, self.frames)
        return {"high": high, "low": low}

    def losses(self) -> dict[str, Tensor]:
        n, batch = self.setup.batch, self.bank.draw(self.setup.batch)
        low, high = to_model(batch["low"], torch.float32), to_model(batch["high"], torch.float32)
        with torch.no_grad():
            z = self.space.coded(high.flatten(0, 1), low.flatten(0, 1)).unflatten(0, low.shape[:2])
        labels, t = torch.randint(0, self.space.most + 1, (n,), device=self.device), self.diffusion.times(n)
        signal2 = self.space.alphas.to(self.device)[labels][:, None, None, None, None]
        seen = signal2.sqrt() * low + (1 - signal2).sqrt() * noise_like(low, SHARED_NOISE)
        noise = noise_like(z, SHARED_NOISE)
        prediction = self.model(
            self.diffusion.add(z, noise, t).to(self.dtype),
            t,
            self.text_BLD.expand(n, -1, -1),
            extra_BTCHW=seen.to(self.dtype),
            class_labels=labels,
        ).float()
        return {"loss": F.mse_loss(prediction, self.diffusion.target(z, noise, t))}

    def export(self) -> None:
        export_part(self.setup.pack, self.exported, self.model)

    def sheet(self):
        batch = self.held_out(SHEET_CLIPS)
        # the loss reads no motion, so the bank is spared it
        with torch.autocast(self.device.type, enabled=False):
            batch["motion"] = motion_of(batch["high"])
        return compared(batch, self.model, self.space, self.scheduler, self.dtype, None, WAYS, self.text_BLD)
