import pytest
import torch

from vldm_cli.align.pixels import faithful, from_residual, level, to_residual, upsample, upsample_bilinear


def test_residual_and_back():
    hr = torch.rand(2, 3, 16, 24) * 2 - 1
    lr = torch.rand(2, 3, 4, 6) * 2 - 1
    folded = to_residual(hr, lr, 4)
    assert folded.shape == (2, 48, 4, 6)
    torch.testing.assert_close(from_residual(folded, lr, 4), hr)


def test_no_residual_is_the_bicubic_frame():
    lr = torch.rand(1, 3, 5, 7) - 0.5
    assert torch.equal(from_residual(torch.zeros(1, 48, 5, 7), lr, 4), upsample(lr, 4))
    assert upsample(torch.ones(1, 3, 2, 2), 4).allclose(torch.ones(1, 3, 8, 8))


def test_bilinear_enlargement_never_overshoots():
    lr = torch.rand(1, 2, 5, 7)
    larger = upsample_bilinear(lr, 4)
    assert larger.shape == (1, 2, 20, 28) and lr.min() <= larger.min() and larger.max() <= lr.max()
    assert torch.equal(upsample_bilinear(lr, 1), lr)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 40), (64, 64)])
def test_level_keeps_flat_areas_and_the_size(size):
    assert torch.allclose(
        level(torch.full((1, 3, *size), 0.3), 12), torch.full((1, 3, *size), 0.3), atol=1e-5
    )
    assert level(torch.randn(1, 3, *size), 12).shape[-2:] == size


def test_a_faithful_residual_leaves_the_colours_of_areas_alone():
    r = torch.randn(1, 48, 40, 56) + torch.linspace(-2, 2, 56)
    means = level(faithful(r, 4).unflatten(1, (3, 16)).mean(2), 12)
    assert means.abs().max() < 0.25 and level(r.unflatten(1, (3, 16)).mean(2), 12).abs().max() > 1
