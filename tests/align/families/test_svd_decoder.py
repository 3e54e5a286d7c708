"""Stable Video Diffusion's temporal decoder on an AutoencoderKL is diffusers' AutoencoderKLTemporalDecoder."""

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLTemporalDecoder

from tests.align.families.common import filled, randomised
from vldm_cli.align.families import FAMILIES
from vldm_cli.align.foreign import ForeignDecoder

FAMILY = FAMILIES["svd-decoder"]


def pair(dtype):
    torch.manual_seed(0)
    theirs = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 64, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=64,
    )
    theirs = randomised(theirs).to(dtype)
    vae = AutoencoderKL(**FAMILY.image_config(theirs.config)).to(dtype)
    model = ForeignDecoder(vae, FAMILY, theirs.config).to(dtype).eval()
    return theirs, filled(model, vae, theirs.state_dict())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@torch.no_grad()
def test_it_is_diffusers_model(dtype):
    theirs, model = pair(dtype)
    z, x = torch.randn(2, 5, 4, 6, 8, dtype=dtype), torch.rand(1, 3, 3, 48, 64, dtype=dtype) * 2 - 1
    s = theirs.config.scaling_factor
    decoded = theirs.decode((z / s).flatten(0, 1), num_frames=5).sample.unflatten(0, (2, 5))
    torch.testing.assert_close(
        model.decode(z), decoded, rtol=1e-5, atol=1e-5 if dtype == torch.float32 else 1e-12
    )
    encoded = theirs.encode(x[0]).latent_dist.mode() * s
    torch.testing.assert_close(model.encode(x)[0], encoded, rtol=1e-5, atol=1e-5)
    with model.temporal_off():
        assert not torch.allclose(model.decode(z), decoded, atol=1e-2)


@torch.no_grad()
def test_an_encoder_that_overflows_in_half_precision_runs_in_single():
    _, model = pair(torch.float32)
    x = torch.rand(1, 2, 3, 32, 48) * 2 - 1
    model.vae.encoder.conv_in.weight.mul_(3e4)
    wanted = model.encode(x)
    made = model.half().encode(x.half())
    assert made.dtype == model.vae.dtype == torch.float16
    torch.testing.assert_close(made.float(), wanted, rtol=0.02, atol=0.02)


def test_real_sizes_are_one_to_one():
    with torch.device("meta"):
        theirs = AutoencoderKLTemporalDecoder(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            layers_per_block=2,
            sample_size=768,
        )
        vae = AutoencoderKL(**FAMILY.image_config(theirs.config))
        ForeignDecoder(vae, FAMILY, theirs.config)
    mapped = {FAMILY.key(k, vae): v.shape for k, v in theirs.state_dict().items()}
    assert mapped == {k: v.shape for k, v in vae.state_dict().items()}
    assert len(mapped) == 374
    assert round(sum(s.numel() for s in mapped.values()) / 1e6, 1) == 97.7
