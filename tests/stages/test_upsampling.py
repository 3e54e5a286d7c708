import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.upsampling import Upsample2D

from tests.align.shapes import UNETS, unet_inputs
from vldm_cli.align import align
from vldm_cli.packs.image_models import new_unet, new_vae
from vldm_cli.packs.sizes import TINY
from vldm_cli.stages.upsampling import fold_upsampling


@torch.no_grad()
@pytest.mark.parametrize("size", [(3, 5), (1, 1), (8, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_enlarging_and_then_convolving(size, dtype):
    torch.manual_seed(0)
    module = Upsample2D(6, use_conv=True, out_channels=4).to(dtype)
    x = torch.randn(2, 6, *size, dtype=dtype)
    expected = module(x)
    error = 1e-5 if dtype == torch.float32 else 0.05
    torch.testing.assert_close(fold_upsampling(module)(x), expected, atol=error, rtol=error)
    assert module(x).shape == (2, 4, 2 * size[0], 2 * size[1])


@torch.no_grad()
def test_a_whole_decoder_is_the_same():
    torch.manual_seed(0)
    vae: AutoencoderKL = new_vae(TINY).eval()
    z = torch.randn(2, TINY.latent_channels, 5, 7)
    expected, keys = vae.decode(z).sample, set(vae.state_dict())
    assert sum(hasattr(m, "folded") for m in fold_upsampling(vae).modules()) == len(TINY.vae_channels) - 1
    torch.testing.assert_close(vae.decode(z).sample, expected, atol=1e-5, rtol=1e-4)
    assert set(vae.state_dict()) == keys


@torch.no_grad()
@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
def test_a_whole_video_unet_is_the_same(size):
    """Sizes that cannot be halved evenly are enlarged to what they were."""
    torch.manual_seed(0)
    model = align(UNETS["sd15"]())
    inputs = unet_inputs(model.unet, size=size)
    expected = model(**inputs)
    torch.testing.assert_close(fold_upsampling(model)(**inputs), expected, atol=1e-4, rtol=1e-4)
    assert any(hasattr(m, "folded") for m in fold_upsampling(new_unet(TINY)).modules())
