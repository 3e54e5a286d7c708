"""Where training examples come from: Toyland, a folder of clips, footage, or a mixture of them, behind one interface.

Every batch is a function of the seed it is asked with, so nothing of a source needs saving for a resume.
"""

from fractions import Fraction
from pathlib import Path
from typing import Protocol

import torch

from vldm_cli.packs.manifest import VideoNumbers
from vldm_cli.toyland.dataset import Drawing
from vldm_cli.train.data.batches import Clips, Patches

# Toyland clips rendered at a time are bounded by this many frames.
RENDER_FRAMES = 1024


class Source(Protocol):
    """Training data. A folder gives clips or patches, whichever it was opened for."""

    def check(self, frames: int, frame_steps: dict[int, float]) -> None:
        """Raises RequestError if no clip is long enough."""

    def clips(self, seed: int, n: int, frames: int, frame_steps: dict[int, float]) -> Clips:
        """n clips of so many frames, each at a frame step drawn with these probabilities."""

    def patches(self, seed: int, n: int, frames: int, patch: int, scale: int) -> list[Patches]:
        """n clips of square patches of `patch` low-resolution pixels, those of a kind together."""


def open_source(
    data: str,
    video: VideoNumbers,
    device: torch.device,
    patches: bool,
    compiled: bool,
    real_codec: bool = True,
    drawing: Drawing | None = None,
) -> Source:
    """The source that `--data` names: "toyland", a folder, or several of them with shares (`mixture.shares`).

    `patches`: it is wanted for an upscaler, so folders are footage, at their own sizes and rates, or `Pairs`.
    `compiled`: Toyland's renderer is compiled. `real_codec`: see `Degrade`. `drawing`: how Toyland is drawn (as it
    comes by default). Raises RequestError if a folder holds nothing to train on."""
    from vldm_cli.train.data.mixture import Mixture, shares

    size = (video.height, video.width)
    sources: dict[str, tuple[Source, float]] = {}
    source: Source
    for name, share in shares(data).items():
        if name == "toyland":
            source = ToylandSource(size, video.fps, device, compiled, drawing)
        elif patches:
            from vldm_cli.train.data.degrade import Degrade
            from vldm_cli.train.data.footage import Footage
            from vldm_cli.train.data.pairs import Pairs, holds_pairs

            if holds_pairs(Path(name).expanduser()):
                sources[name] = (Pairs(Path(name).expanduser(), device), share)
                continue
            source = Footage(Path(name).expanduser(), device, Degrade(real_codec))
        else:
            from vldm_cli.train.data.folder import FolderSource

            source = FolderSource(Path(name).expanduser(), size, video.fps, device)
        sources[name] = (source, share)
    return next(iter(sources.values()))[0] if len(sources) == 1 else Mixture(list(sources.values()))


class ToylandSource:
    """Clips of the world that vldm renders itself; no two are the same. compiled: render by torch.compile."""

    def __init__(
        self,
        size: tuple[int, int],
        fps: Fraction,
        device: torch.device,
        compiled: bool = False,
        drawing: Drawing | None = None,
    ):
        from vldm_cli.toyland.render import EAGER, compiled_core

        self.size, self.fps, self.device = size, fps, device
        self.drawing = drawing or Drawing()
        self.core = compiled_core() if compiled else EAGER

    def check(self, frames: int, frame_steps: dict[int, float]) -> None:
        """Toyland goes on for ever: every clip is long enough."""

    def clips(self, seed: int, n: int, frames: int, frame_steps: dict[int, float]) -> Clips:
        batch = self._toyland(seed, frames, frame_steps).batch(n)
        return Clips(batch.video_BTCHW, batch.captions, batch.frame_step_B, batch.late_B, batch.outlines_BTHW)

    def patches(self, seed: int, n: int, frames: int, patch: int, scale: int) -> list[Patches]:
        return [Patches(*self._toyland(seed, frames, {1: 1.0}).patch_pairs(n, (patch, patch), scale))]

    def _toyland(self, seed: int, frames: int, frame_steps: dict[int, float]):
        from vldm_cli.toyland.dataset import ToylandClips

        return ToylandClips(
            seed,
            frames,
            frame_steps,
            size=self.size,
            device=self.device,
            fps=float(self.fps),
            chunk=max(1, RENDER_FRAMES // frames),
            core=self.core,
            drawing=self.drawing,
        )
