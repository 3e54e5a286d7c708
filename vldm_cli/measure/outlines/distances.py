"""How far outlines are from the nearest render's, and how rough balls are, over many objects."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vldm_cli.measure.outlines.contour import contour
from vldm_cli.measure.outlines.fit import Fit, fit_all
from vldm_cli.measure.outlines.kind import Kind
from vldm_cli.measure.outlines.segment import Palette, segment

# Pixels are those of frames this high.
HEIGHT = 160
CLOSE = 0.6  # pixels: so near nearly every object is to be
SECTORS = 48  # around a ball; the outline's distance is averaged within each


@dataclass
class Outlines:
    """Distances of the objects seen, in pixels at 256×160: of all, of those that roll, and the roughness of balls.
    patterns: how clips' patterns change (`texture.held`). lost: nothing of its colour was there; cut: it was not
    whole in the frame, and is not counted."""

    distance: list[float] = field(default_factory=list)
    rolling: list[float] = field(default_factory=list)
    balls: list[float] = field(default_factory=list)
    patterns: list[float] = field(default_factory=list)
    lost: int = 0
    cut: int = 0

    def add(self, mask_NHW: Tensor, kinds: Sequence[Kind], motions: Sequence[str]) -> list[Fit | None]:
        """Take in silhouettes, of which each is one object's; the fit of each, None where there is none."""
        scale = HEIGHT / mask_NHW.shape[1]
        out: list[Fit | None] = [None] * len(kinds)
        # outlines are found on the CPU, where their lengths are needed
        device, mask_NHW = mask_NHW.device, mask_NHW.cpu()
        there_N = mask_NHW.flatten(1).any(1)
        whole_N = there_N & ~(
            mask_NHW[:, [0, -1]].flatten(1).any(1) | mask_NHW[..., [0, -1]].flatten(1).any(1)
        )
        self.lost += int((~there_N).sum())
        self.cut += int((there_N & ~whole_N).sum())
        measured = torch.nonzero(whole_N)[:, 0].tolist()
        points = [contour(mask_NHW[i]) for i in measured]
        size = (mask_NHW.shape[1], mask_NHW.shape[2])
        fits = fit_all([kinds[i] for i in measured], points, size, device)
        for i, points_P2, near in zip(measured, points, fits, strict=True):
            out[i] = near
            distance = scale * float(near.distance_N)
            self.distance.append(distance)
            if motions[i].startswith("rolls"):
                self.rolling.append(distance)
            if kinds[i].shape == "ball":
                self.balls.append(scale * roughness(points_P2, near))
        return out

    def table(self) -> dict[str, float | int | None]:
        """Means, the 90th percentile, and the share of objects (lost ones too) that are close."""
        found = torch.tensor(self.distance)
        close = sum(d <= CLOSE for d in self.distance)
        asked = len(self.distance) + self.lost
        return {
            "distance": _mean(self.distance),
            "90th percentile": round(float(found.quantile(0.9)), 4) if len(found) else None,
            "close": round(close / asked, 4) if asked else None,
            "rolling": _mean(self.rolling),
            "balls": _mean(self.balls),
            "pattern": _mean(self.patterns),
            "patterned clips": len(self.patterns),
            "objects": len(self.distance),
            "lost": self.lost,
            "cut": self.cut,
        }


def roughness(points_P2: Tensor, near: Fit) -> float:
    """Root mean square, around a ball, of how far its outline is from the fitted one, in the frame's pixels."""
    signed = near.signed_NP[0]
    signed = signed[~signed.isnan()]
    # the points that the fit looked at are in their order around the middle
    kept = points_P2[torch.linspace(0, len(points_P2) - 1, len(signed)).long()]
    x, y = (kept - kept.mean(0)).T
    sector = ((torch.atan2(y, x) / (2 * torch.pi) + 0.5) * SECTORS).long().clamp(0, SECTORS - 1)
    total = signed.new_zeros(SECTORS).scatter_add_(0, sector, signed)
    count = signed.new_zeros(SECTORS).scatter_add_(0, sector, torch.ones_like(signed))
    mean = total[count > 0] / count[count > 0]
    return float(mean.square().mean().sqrt())


def look(
    x_NCHW: Tensor, palettes: Sequence[Palette], kinds: Sequence[Kind], motions: Sequence[str], into: Outlines
) -> tuple[Tensor, list[Fit | None]]:
    """Find the objects in frames, measure them; the silhouettes and the nearest renders, None where there is none."""
    mask_NHW = segment(x_NCHW, palettes, kinds)
    return mask_NHW, into.add(mask_NHW, kinds, motions)


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
