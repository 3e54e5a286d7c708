"""What upscalers denoise in pixel and in latent space."""

import pytest
import torch

from vldm_cli.align import space as spaces
from vldm_cli.align.pixels import from_residual, to_residual, upsample
from vldm_cli.align.space import LatentSpace, PixelSpace
from vldm_cli.packs.sizes import TINY
from vldm_cli.packs.upscalers import new_autoencoder


@pytest.fixture
def frames():
    """High-resolution frames and their low resolution."""
    return torch.rand(3, 3, 32, 48) * 2 - 1, torch.rand(3, 3, 8, 12) * 2 - 1


@pytest.fixture
def latent():
    torch.manual_seed(0)
    return LatentSpace(new_autoencoder(TINY, "latent").eval().requires_grad_(False))


def test_pixels_are_the_folded_residual(frames):
    hr, lr = frames
    space = PixelSpace()
    x = space.coded(hr, lr)
    assert torch.equal(x, to_residual(hr, lr, 4)) and x.shape[1] == space.channels == 48
    assert torch.equal(space.frames(x, lr).clamp(-1, 1), from_residual(x, lr, 4))


def test_latents_have_a_cell_for_each_low_resolution_pixel(latent, frames):
    hr, lr = frames
    x = latent.coded(hr, lr)
    assert x.shape == (3, latent.channels, 8, 12) and latent.scale == 4
    assert latent.frames(x, lr).shape == hr.shape
    # what is coded is what the enlargement lacks, wherever that is
    shifted = latent.coded(hr + 0.25, lr + 0.25)
    torch.testing.assert_close(shifted, x, atol=1e-3, rtol=1e-3)


def test_the_autoencoder_has_no_say_in_the_colours_of_areas(latent, frames):
    latent.vae.decoder.conv_out.bias += 3  # half of all there is, if it were heard
    lr = torch.full((2, 3, 40, 56), -0.25)
    y = latent.frames(torch.randn(2, latent.channels, 40, 56), lr)
    assert (y.mean((2, 3)) - upsample(lr, 4).mean((2, 3))).abs().max() < 1 / 127.5
    assert (y - upsample(lr, 4)).abs().mean() > 0.01


def test_frames_decoded_in_parts_are_those_decoded_at_once(latent, monkeypatch):
    x, lr = torch.randn(5, latent.channels, 8, 12), torch.zeros(5, 3, 8, 12)
    whole = latent.residual(x, lr)
    monkeypatch.setitem(spaces.CELLS, "cpu", 2 * 8 * 12)
    torch.testing.assert_close(latent.residual(x, lr), whole)
    monkeypatch.setitem(spaces.CELLS, "cpu", 1)
    torch.testing.assert_close(latent.residual(x, lr), whole)


def test_a_residual_is_float32_whatever_the_model_is(latent):
    latent.vae.bfloat16()
    x, lr = torch.randn(1, latent.channels, 8, 8), torch.zeros(1, 3, 8, 8)
    assert latent.residual(x, lr).dtype == PixelSpace().residual(x.half(), lr).dtype == torch.float32


def test_noise_levels_as_labels():
    assert [PixelSpace().label(level) for level in (0.0, 0.1, 0.9999)] == [0, 100, 999]
