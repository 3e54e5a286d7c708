from weakref import ref

import pytest
import torch

from tests.align.saved import read
from tests.align.shapes import autoencoder, randomise
from vldm_cli.align import VideoDecoder, align
from vldm_cli.errors import RequestError


@torch.no_grad()
def test_switched_off_and_when_new_it_is_the_image_decoder():
    vae = autoencoder().requires_grad_(False)
    z = torch.randn(2, 3, 4, 4, 6)
    flat = z.flatten(0, 1).contiguous(memory_format=torch.channels_last) / vae.config.scaling_factor
    expected = vae.decode(flat).sample.unflatten(0, (2, 3))
    model = align(vae)
    torch.testing.assert_close(model.decode(z), expected, rtol=1e-5, atol=1e-6)
    randomise(model)
    assert not torch.allclose(model.decode(z), expected, atol=1e-3)
    with model.temporal_off():
        assert torch.equal(model.decode(z), expected)


@torch.no_grad()
def test_the_encoder_is_untouched():
    vae = autoencoder().requires_grad_(False)
    x = torch.randn(1, 2, 3, 16, 24)
    expected = vae.encode(x[0].contiguous(memory_format=torch.channels_last)).latent_dist.mode()
    model = align(vae)
    randomise(model)
    assert torch.equal(model.encode(x)[0], expected * vae.config.scaling_factor)
    assert not any(".temporal." in name for name in vae.encoder.state_dict())
    spatial = {k for k in vae.state_dict() if ".temporal." not in k}
    assert spatial == autoencoder().state_dict().keys()


@torch.no_grad()
def test_frames_see_their_neighbours_and_videos_do_not_mix():
    model = align(autoencoder())
    randomise(model)
    z = torch.randn(2, 4, 4, 4, 6)
    frames = model.decode(z)
    torch.testing.assert_close(model.decode(z[:1]), frames[:1], rtol=1e-4, atol=1e-5)
    z[0, 3] += 1
    assert not torch.allclose(model.decode(z)[0, 2], frames[0, 2], atol=1e-3)


@torch.no_grad()
def test_it_decodes_as_the_autoencoder_does_and_holds_less():
    """A level's input, and a block's, are gone when temporal layers compute."""
    model = align(autoencoder())
    randomise(model)
    z = torch.randn(1, 3, 4, 4, 6)
    model.state.frames = 3
    flat = z[0].contiguous(memory_format=torch.channels_last) / model.vae.config.scaling_factor
    expected = model.vae.decode(flat).sample
    seen, levels = [], model.vae.decoder.up_blocks
    for block in [block for level in levels for block in level.resnets]:
        block.forward = noted(block.forward, seen)
    after = dict(model.hooks)
    held = []

    def hook(block, *args):
        held.append(sum(x() is not None for x in seen))
        return after[block](block, *args)

    model.hooks = dict.fromkeys(after, hook)
    assert torch.equal(model.decode(z)[0], expected)
    assert len(held) == len(seen) > 2 and not any(held)


def noted(forward, seen):
    def call(x, **kwargs):
        seen.append(ref(x))
        return forward(x, **kwargs)

    return call


@torch.no_grad()
def test_save_and_load(tmp_path):
    model = align(autoencoder())
    randomise(model)
    model.save_temporal(tmp_path / "d.safetensors", torch.float32)
    z = torch.randn(1, 3, 4, 4, 6)
    assert torch.equal(
        read(VideoDecoder, autoencoder(), tmp_path / "d.safetensors").decode(z), model.decode(z)
    )
    with pytest.raises(RequestError, match=r"missing\.safetensors"):
        read(VideoDecoder, autoencoder(), tmp_path / "missing.safetensors")
