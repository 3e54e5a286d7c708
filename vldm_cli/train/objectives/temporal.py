"""Temporal layers of the video LDM: keyframes with prediction (METHOD §2, §4) and interpolation (§5)."""

from abc import abstractmethod
from collections.abc import Hashable
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from vldm_cli.align import Context
from vldm_cli.align.temporal import read_temporal
from vldm_cli.denoise.guidance import Guidance, guided
from vldm_cli.denoise.noise import frame_noise, noise_like
from vldm_cli.denoise.sampler import sample
from vldm_cli.denoise.schedulers import make_scheduler
from vldm_cli.packs.load import load_interpolation, load_keyframes, load_text, load_vae, scheduler_config
from vldm_cli.packs.pack import PARTS
from vldm_cli.train.diffusion import Diffusion
from vldm_cli.train.export import export_part
from vldm_cli.train.frames import decode, encode
from vldm_cli.train.objectives.base import Objective, Setup
from vldm_cli.train.sheets import contact_sheet

CAPTION_DROPPED = 0.1
# Known frames are put back after sampling, so what the model makes of them matters little.
KNOWN_WEIGHT = 0.25
SHEET_CLIPS, SHEET_STEPS = 6, 20
FACTOR = 4


class TemporalLayers(Objective):
    """What both parts share: frozen image LDM and text encoder, clips of latents, v-loss on the unknown frames."""

    lr = 4e-4
    recordable = True
    stands_on = ("unet", "vae", "text", "text_2")
    # of the timesteps, see `Diffusion.times`
    shift, last = 1.0, 0.0

    def __init__(self, setup: Setup):
        super().__init__(setup)
        pack = setup.pack
        self.vae = self.load(load_vae(pack), train=False)
        loader = {"keyframes": load_keyframes, "interpolation": load_interpolation}[self.part]
        self.model = self.load(loader(pack), train=False)
        for parameter in self.model.temporal_parameters():
            parameter.requires_grad_(True)
        self.text = load_text(pack, self.device, self.dtype)
        self.trained = {"temporal": self.model}
        self.scheduler = scheduler_config(pack)
        self.diffusion = Diffusion(self.scheduler, self.device)
        self.no_text = self.text.encode([""])
        self.shared = pack.manifest.defaults.shared_noise

    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        clips = self.setup.source.clips(seed, n, self.frames, self.frame_steps)
        return {
            "z": encode(self.vae, clips.video_BTCHW, self.dtype),
            "text": self.text.encode(clips.captions).half(),
            "frame_step": clips.frame_step_B,
            "late": clips.late_B,
        }

    @abstractmethod
    def window(self, z_BTCHW: Tensor, late_B: Tensor) -> tuple[Tensor, Context]:
        """A window of the bank's clips to train on, with the context drawn for it. late_B: clips whose captions are
        true only with what came before."""

    def losses(self) -> dict[str, Tensor]:
        batch, n = self.bank.draw(self.setup.batch), self.setup.batch
        z, context = self.window(batch["z"].float(), batch["late"])
        dropped = torch.rand(n, 1, 1, device=self.device) < CAPTION_DROPPED
        # what is true only together with what came before is not said where nothing of that is known
        dropped |= (batch["late"] & (context.mask_BT.sum(1) == 0))[:, None, None]
        text = torch.where(dropped, self.no_text, batch["text"].to(self.dtype))
        noise, t = noise_like(z, self.shared), self.diffusion.times(n, self.shift, self.last)
        noisy = self.diffusion.add(z, noise, t).to(self.dtype)
        # shorter windows run uncompiled: every length would be compiled for itself
        stance: Literal["default", "force_eager"] = "default" if z.shape[1] == self.frames else "force_eager"
        with torch.compiler.set_stance(stance):
            prediction = self.model(noisy, t, text, context=context, frame_step=batch["frame_step"]).float()
            taught = self.taught(noisy, t, text, context, batch["frame_step"])
        target = self.diffusion.target(z, noise, t) if taught is None else taught
        error_BT = ((prediction - target) ** 2).mean((2, 3, 4))
        weight_BT = 1 - (1 - KNOWN_WEIGHT) * context.mask_BT
        unknown_BT = 1 - context.mask_BT
        made = (error_BT * unknown_BT).sum() / unknown_BT.sum().clamp_min(1)
        return {"loss": (error_BT * weight_BT).sum() / weight_BT.sum(), "unknown": made.detach()}

    def taught(
        self, noisy_BTCHW: Tensor, t_B: Tensor, text_BLD: Tensor, context: Context, step_B: Tensor
    ) -> Tensor | None:
        """What is to be predicted, where that is another model's prediction and not the truth; else None."""
        return None

    def export(self) -> None:
        export_part(self.setup.pack, self.part, self.model)

    def _sampled(self, batch: dict[str, Tensor], context: Context | None, guidance: Guidance) -> Tensor:
        """Frames that the model makes for the held-out batch's texts, (B, T, 3, H, W)."""
        B, T, *shape = batch["z"].shape
        frames = [frame_noise(b, f"sheet-{self.part}", range(T), tuple(shape), self.shared) for b in range(B)]
        z = sample(
            self.model,
            make_scheduler(self.scheduler),
            torch.stack(frames).to(self.device),
            steps=SHEET_STEPS,
            text_BLD=batch["text"].to(self.dtype),
            negative_BLD=self.no_text.expand(B, -1, -1),
            context=context,
            guidance=guidance,
            frame_step=batch["frame_step"],
        )
        return decode(self.vae, z, self.dtype)

    def _drawn(self, n: int, low: float, high: float, share: float) -> Tensor:
        """n numbers: uniform between low and high for a share of the videos, 0 for the others."""
        numbers = torch.rand(n, device=self.device) * (high - low) + low
        return torch.where(torch.rand(n, device=self.device) < share, numbers, 0.0)


class Keyframes(TemporalLayers):
    """Clips as long as the pack's window, of which S ∈ {0, 1, 2} leading frames are given, mostly a keyframe step
    apart.

    With a teacher, they learn what that pack's keyframes predict with its guidance in two or three passes, so that one
    pass is enough: guidance distillation (Meng et al. 2023, "On Distillation of Guided Diffusion Models", §3.1), here
    for one weight of text guidance and one of context guidance, the teacher's defaults."""

    part = "keyframes"
    renders_much = True
    frames = 8
    batch, bank_frames = 64, 192_000
    # Frames tell of each other, so what moves, and how, is settled at noise where single frames show little.
    shift = 3.0
    # share of videos with S = 0 (plain generation), 1 (from an image) and 2 (prediction)
    given = (0.4, 0.2, 0.4)
    # share of steps on shorter windows, for short videos and the last window of long ones
    shorter = 0.15

    def __init__(self, setup: Setup):
        step = setup.pack.manifest.video.keyframe_step
        self.frame_steps = {step: 0.75, max(1, step // 4): 0.125, 1: 0.125}
        self.frames = setup.pack.manifest.video.window
        self.length = self.frames
        super().__init__(setup)
        self.teacher = None
        if setup.teacher is not None:
            self.teacher = self.load(load_keyframes(setup.teacher), train=False)
            defaults = setup.teacher.manifest.defaults
            self.guidance = Guidance(
                defaults.guidance, defaults.context_guidance, from_noise=defaults.guide_from_noise
            )

    @torch.no_grad()
    def taught(
        self, noisy_BTCHW: Tensor, t_B: Tensor, text_BLD: Tensor, context: Context, step_B: Tensor
    ) -> Tensor | None:
        if self.teacher is None:
            return None
        teach = partial(guided, self.teacher, noisy_BTCHW, t_B, text_BLD, self.no_text, context, known=True)
        target = teach(guidance=self.guidance, frame_step=step_B)
        if self.guidance.from_noise:
            is_guided_B = self.diffusion.noise[t_B] >= self.guidance.from_noise
            plain = teach(guidance=Guidance(), frame_step=step_B)
            target = torch.where(is_guided_B[:, None, None, None, None], target, plain)
        return target

    def choose(self, progress: float) -> Hashable:
        short = float(torch.rand(())) < self.shorter
        self.length = int(torch.randint(1, self.frames, ())) if short else self.frames
        return self.length

    def window(self, z_BTCHW: Tensor, late_B: Tensor) -> tuple[Tensor, Context]:
        B, T = len(z_BTCHW), self.length
        z_BTCHW = z_BTCHW[:, :T]
        # compared with numbers: a table of the shares would be copied to the GPU, which waits for it
        u_B = torch.rand(B, device=self.device)
        none, one, _ = self.given
        S_B = (u_B >= none).long() + (u_B >= none + one)
        # a late clip is the continuation of one
        S_B = torch.where(late_B, len(self.given) - 1, S_B).clamp_max(T - 1)
        if not self.model.sizes["context_channels"]:  # layers that cannot be told of any
            S_B = torch.zeros_like(S_B)
        context = Context.leading(z_BTCHW, S_B)
        level_B = self._drawn(B, 0.0, 0.2, 0.5) * (S_B > 0)
        return z_BTCHW, context.noised(torch.randn_like(z_BTCHW), level_B)

    @torch.no_grad()
    def sheet(self):
        batch = self.held_out(SHEET_CLIPS)
        batch["frame_step"] = torch.full_like(batch["frame_step"], max(self.frame_steps))
        captions = self.setup.source.clips(
            self.held_out_seed, SHEET_CLIPS, self.frames, self.frame_steps
        ).captions
        defaults = self.setup.pack.manifest.defaults
        guidance = Guidance(text=defaults.guidance, from_noise=defaults.guide_from_noise)
        frames = self._sampled(batch, None, Guidance() if self.teacher else guidance)
        return contact_sheet(list(zip(captions, frames, strict=True))), {}


class Interpolation(TemporalLayers):
    """Windows of up to 4 intervals; every fourth frame is known, and the 3 between are made, at both rates. Layers
    whose file says another factor, 16, make the 15 between in one step, in windows of as many frames."""

    part = "interpolation"
    frames = FACTOR * 4 + 1
    batch, bank_frames = 48, 204_000
    # Few steps are made, one at the finer rate: the first one, out of pure noise, must get far.
    shift, last = 2.0, 0.3
    whole = 0.75  # share of steps on windows of all intervals; the others are shorter, for the ends of videos

    def __init__(self, setup: Setup):
        video, defaults = setup.pack.manifest.video, setup.pack.manifest.defaults
        self.factor = read_temporal(setup.pack.path(PARTS["interpolation"]))[1].get("factor", FACTOR)
        self.frame_steps = {max(1, video.keyframe_step // self.factor): 0.5, 1: 0.5}
        self.intervals = max(1, FACTOR * defaults.interpolation_window // self.factor)
        self.frames = self.factor * self.intervals + 1
        self.span = (0, self.frames)
        super().__init__(setup)

    def choose(self, progress: float) -> Hashable:
        intervals = self.intervals
        if float(torch.rand(())) >= self.whole:
            intervals = int(torch.randint(1, intervals + 1, ()))
        start = self.factor * int(torch.randint(self.intervals - intervals + 1, ()))
        self.span = (start, start + self.factor * intervals + 1)
        return self.span

    def window(self, z_BTCHW: Tensor, late_B: Tensor) -> tuple[Tensor, Context]:
        z_BTCHW = z_BTCHW[:, slice(*self.span)]
        level_B = self._drawn(len(z_BTCHW), 0.0, 0.3, 0.7)
        return z_BTCHW, self._known(z_BTCHW).noised(torch.randn_like(z_BTCHW), level_B)

    @torch.no_grad()
    def sheet(self):
        batch = self.held_out(SHEET_CLIPS)
        frames = self._sampled(batch, self._known(batch["z"].float()), Guidance())
        truth = decode(self.vae, batch["z"], self.dtype)
        rows = []
        for step, made, real in zip(batch["frame_step"].tolist(), frames, truth, strict=True):
            some = slice(0, 2 * self.factor + 1)
            rows += [(f"frame step {step}: every {self.factor}th given", made[some]), ("truth", real[some])]
        return contact_sheet(rows), {"sheet_error": float((frames - truth).float().abs().mean())}

    def _known(self, z_BTCHW: Tensor) -> Context:
        known_T = torch.arange(z_BTCHW.shape[1], device=z_BTCHW.device) % self.factor == 0
        return Context.at(z_BTCHW, known_T.float().expand(len(z_BTCHW), -1))
