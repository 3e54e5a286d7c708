"""Fréchet distances of made clips from rendered ones, in the probe's features: of whole clips (the paper's FVD, the
probe in I3D's place) and of single frames."""

import torch
from torch import Tensor

from vldm_cli.measure.clips import Maker
from vldm_cli.measure.frechet import Gaussian, frechet_distance
from vldm_cli.measure.probe import Probe
from vldm_cli.toyland.dataset import ToylandClips

SEED = 100_000


class Features:
    """The probe's features of a set of clips."""

    def __init__(self) -> None:
        self.clips: list[Tensor] = []
        self.frames: list[Tensor] = []

    def add(self, probe: Probe, x_BTCHW: Tensor, frame_step: int) -> None:
        answers = probe(x_BTCHW, frame_step)
        self.clips.append(answers.clip_BF.cpu())
        self.frames.append(answers.frame_BTF.flatten(0, 1).cpu())

    def video(self) -> Gaussian:
        return Gaussian.of(torch.cat(self.clips))

    def frame(self) -> Gaussian:
        return Gaussian.of(torch.cat(self.frames))


def measure_distances(maker: Maker, probe: Probe, n: int) -> dict:
    """Fréchet distances in the probe's features: clips made from the captions of n rendered clips against these, and
    as their floor n other rendered clips against these."""
    captions: list[str] = []
    truth, other, made = Features(), Features(), Features()
    for features, seed, keep in ((truth, SEED, captions), (other, SEED + 1, [])):
        clips = ToylandClips(
            seed, maker.frames, {maker.keyframe_step: 1.0}, size=maker.size, device=maker.models.device,
            fps=float(maker.models.pack.manifest.video.fps), late=0.0, core=maker.core,
        )  # fmt: skip
        for first in range(0, n, maker.batch):
            batch = clips.batch(min(maker.batch, n - first))
            keep += batch.captions
            features.add(probe, batch.video_BTCHW / 127.5 - 1, maker.keyframe_step)
    for x_BTCHW in maker.keyframes(captions, SEED):
        made.add(probe, x_BTCHW, maker.keyframe_step)
    out = {"clips": n}
    for name in ("video", "frame"):
        a, b, c = (getattr(features, name)() for features in (truth, other, made))
        distance, floor = frechet_distance(a, c), frechet_distance(a, b)
        out[name] = {
            "made": round(distance, 4),
            "floor": round(floor, 4),
            "made / floor": round(distance / floor, 4),
        }
    return out
