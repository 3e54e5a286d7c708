import torch

from vldm_cli.align.pixels import from_residual, to_residual, upsample


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
