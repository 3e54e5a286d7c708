"""What the stages' tests share: the tiny pack's models, denoisers over them, and sources that are watched."""

import weakref

import torch

from vldm_cli.denoise.guidance import Guidance
from vldm_cli.runs.progress import Meter, NullProgress
from vldm_cli.stages.denoiser import Denoiser

SHAPE = (4, 8, 12)  # the tiny pack's latents


def denoiser(models, stage="keyframes", frame_step=16, steps=2, seed=1, guidance=None):
    """The tiny pack's denoiser of one stage."""
    text_BLD = models.text.encode(["a red ball", ""])
    model = models.keyframes if stage == "keyframes" else models.interpolation
    if guidance is None:
        guidance = Guidance(3.0, 1.5) if stage == "keyframes" else Guidance()
    return Denoiser(
        model=lambda: model,
        scheduler=lambda: models.scheduler("dpm++"),
        text=lambda: (text_BLD[:1], text_BLD[1:]),
        seed=seed,
        stage=stage,
        frame_step=frame_step,
        steps=steps,
        shape=SHAPE,
        guidance=guidance,
    )


def meter(total=10**6):
    return Meter(NullProgress(), "stage", total)


def source_of(items):
    """A source of the items of a list."""
    return lambda start: iter(items[start:])


class Watched:
    """A source of `count` random items; knows how many were asked for and how many are alive at once."""

    def __init__(self, count, shape=SHAPE):
        self.count, self.shape = count, shape
        self.made = self.alive = self.most = 0

    def __call__(self, start):
        for index in range(start, self.count):
            item = torch.randn(self.shape, generator=torch.Generator().manual_seed(index))
            self.made = max(self.made, index + 1)
            self.alive += 1
            self.most = max(self.most, self.alive)
            weakref.finalize(item, self._gone)
            yield item
            del item

    def _gone(self):
        self.alive -= 1
