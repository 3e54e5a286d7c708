"""Frames of a clip averaged along their motion."""

import pytest
import torch
from torch.nn import functional as F

from vldm_cli.pipelines.upscale.filtered import filtered


def scenery(seed: int = 0, size: int = 80) -> torch.Tensor:
    coarse = torch.rand(1, 3, size // 5, size // 5, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=(size, size), mode="bicubic")[0].clamp(0, 1)


def panning(frames: int, step: int, grain: float) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Frames of a camera that pans, and the same with grain of their own."""
    wide, draw = scenery(), torch.Generator().manual_seed(1)
    clean = [wide[:, 8:72, step * i : step * i + 48] for i in range(frames)]
    return clean, [x + grain * torch.randn(x.shape, generator=draw) for x in clean]


@pytest.mark.parametrize("step", [0, 2])
def test_what_changes_from_frame_to_frame_is_less_and_what_moves_stays_sharp(step):
    clean, grainy = panning(6, step, 0.02)
    made = list(filtered(iter(grainy)))
    assert len(made) == 6
    inner = (slice(None), slice(8, -8), slice(16, -16))
    before, after = (
        torch.stack([(x - y)[inner].square().mean() for x, y in zip(frames, clean, strict=True)][1:-1]).mean()
        for frames in (grainy, made)
    )
    assert after < 0.7 * before


def test_frames_are_the_same_wherever_one_starts():
    _, grainy = panning(5, 1, 0.02)
    whole = list(filtered(iter(grainy)))
    for start in range(1, 5):
        some = list(filtered(iter(grainy[start - 1 :]), 1))
        assert len(some) == 5 - start and all(
            torch.equal(x, y) for x, y in zip(whole[start:], some, strict=True)
        )


def test_nothing_is_brought_across_a_cut():
    one, other = (scenery(seed)[:, :64, :64] for seed in (2, 3))
    made = list(filtered(iter([one, one, other, other])))
    torch.testing.assert_close(made[1], one)
    torch.testing.assert_close(made[2], other)


def test_a_clip_of_one_frame_is_as_it_was():
    (made,) = filtered(iter([scenery()]))
    assert torch.equal(made, scenery())
