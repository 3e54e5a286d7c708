"""Fréchet distances of made clips from rendered ones, in the probe's features: of whole clips (the paper's FVD, the
probe in I3D's place) and of single frames."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vldm_cli.measure.clips import Maker
from vldm_cli.measure.frechet import Gaussian, frechet_distance
from vldm_cli.measure.probe.probe import Answers, Probe
from vldm_cli.toyland.dataset import ToylandClips

SEED = 100_000


class Features:
    """The probe's features of a set of clips."""

    def __init__(self) -> None:
        self.clips: list[Tensor] = []
        self.frames: list[Tensor] = []

    def add(self, probe: Probe, x_BTCHW: Tensor, frame_step: int) -> None:
        self.take(probe(x_BTCHW, frame_step))

    def take(self, answers: Answers) -> None:
        """Take in what the probe has said already."""
        self.clips.append(answers.clip_BF.cpu())
        self.frames.append(answers.frame_BTF.flatten(0, 1).cpu())

    def video(self) -> Gaussian:
        return Gaussian.of(torch.cat(self.clips))

    def frame(self) -> Gaussian:
        return Gaussian.of(torch.cat(self.frames))

    def against(self, truth: "Features", other: "Features") -> dict[str, dict[str, float]]:
        """Distances of video and frame from the truth's; their floor is how far the truth's are from other rendered
        clips', as many."""
        out = {}
        for name in ("video", "frame"):
            a, b, c = (getattr(features, name)() for features in (truth, other, self))
            distance, floor = frechet_distance(a, c), frechet_distance(a, b)
            out[name] = {
                "made": round(distance, 4),
                "floor": round(floor, 4),
                "made / floor": round(distance / floor, 4),
            }
        return out


def rendered_clips(
    maker: Maker, n: int, seed: int, frames: int, step: int
) -> Iterator[tuple[Tensor, list[str]]]:
    """n rendered clips of so many frames, `step` apart, in batches: (B, T, 3, H, W) in [−1, 1], and their captions.
    Settling motions begin with their clip."""
    clips = ToylandClips(
        seed, frames, {step: 1.0}, size=maker.size, device=maker.models.device,
        fps=float(maker.models.pack.manifest.video.fps), late=0.0,
    )  # fmt: skip
    for first in range(0, n, maker.batch):
        batch = clips.batch(min(maker.batch, n - first))
        yield batch.video_BTCHW / 127.5 - 1, batch.captions


@dataclass(frozen=True)
class Reference:
    """n rendered clips of keyframes: their captions and features, and those of n others."""

    captions: list[str]
    truth: Features
    other: Features

    @classmethod
    def rendered(cls, maker: Maker, probe: Probe, n: int) -> "Reference":
        captions: list[str] = []
        truth, other = Features(), Features()
        for features, seed, keep in ((truth, SEED, captions), (other, SEED + 1, [])):
            for x_BTCHW, said in rendered_clips(maker, n, seed, maker.frames, maker.keyframe_step):
                keep += said
                features.add(probe, x_BTCHW, maker.keyframe_step)
        return cls(captions, truth, other)

    def distances(self, maker: Maker, probe: Probe) -> dict[str, dict[str, float]]:
        """Of the clips that are made from the captions."""
        made = Features()
        for x_BTCHW in maker.keyframes(self.captions, SEED):
            made.add(probe, x_BTCHW, maker.keyframe_step)
        return made.against(self.truth, self.other)


def measure_distances(maker: Maker, probe: Probe, n: int) -> dict:
    """Fréchet distances in the probe's features: clips made from the captions of n rendered clips against these, and
    as their floor n other rendered clips against these."""
    return {"clips": n, **Reference.rendered(maker, probe, n).distances(maker, probe)}
