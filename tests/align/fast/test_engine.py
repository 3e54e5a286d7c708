"""Whole models under the engine, on the CPU with the kernels' plain twins: the same weights, the same results."""

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D

from tests.align import shapes
from tests.align.families import test_animatediff, test_svd, test_svd_decoder
from vldm_cli.align import Context, align
from vldm_cli.align.families import FAMILIES
from vldm_cli.align.fast import hasten, hasten_autoencoder


def apart(a, b):
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("name", shapes.UNETS)
def test_video_unets_compute_the_same(name):
    unet = shapes.UNETS[name]()
    model = align(unet, head_dim=4).eval()
    shapes.randomise(model)
    inputs = shapes.unet_inputs(unet)
    known = Context.leading(torch.randn(2, 5, model.sizes["context_channels"], 8, 12), 2)
    names = list(model.state_dict())
    with torch.no_grad():
        before = [model(**inputs), model(**inputs, context=known)]
        with model.temporal_off():
            before.append(model(**inputs))
        hasten(model)
        after = [model(**inputs), model(**inputs, context=known)]
        with model.temporal_off():
            after.append(model(**inputs))
    assert max(map(apart, after, before)) < 1e-5
    assert list(model.state_dict()) == names


def test_every_block_of_an_autoencoder_is_made_fast():
    """Those of its decoder are of the same make under another name for how they hear of time."""
    vae = shapes.autoencoder()
    hasten_autoencoder(vae)
    blocks = [module for module in vae.modules() if isinstance(module, ResnetBlock2D)]
    assert len({block.time_embedding_norm for block in blocks}) == 2
    assert all("forward" in vars(block) for block in blocks)


@torch.no_grad()
def test_autoencoders_compute_the_same():
    model = align(shapes.autoencoder()).eval()
    shapes.randomise(model)
    z, x = torch.randn(1, 5, 4, 6, 8), torch.randn(1, 2, 3, 24, 32)
    decoded, encoded = model.decode(z), model.encode(x)
    hasten(model)
    assert apart(model.decode(z), decoded) < 1e-5 and apart(model.encode(x), encoded) < 1e-5
    vae = shapes.autoencoder()
    single = vae.decode(z[0]).sample
    hasten_autoencoder(vae)
    assert apart(vae.decode(z[0]).sample, single) < 1e-5


@pytest.mark.parametrize("window", [False, True])
@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
@torch.no_grad()
def test_animatediff_computes_the_same(kind, window):
    family = FAMILIES["animatediff-window" if window else "animatediff"]
    model = test_animatediff.hooked(kind, test_animatediff.adapter_for(kind), family)
    z, t, text, added = test_animatediff.inputs(kind, 5, torch.float32)
    heard = test_animatediff.told(text, added)
    before = model(z, t, heard)
    assert apart(hasten(model)(z, t, heard), before) < 1e-5


@torch.no_grad()
def test_stable_video_diffusion_computes_the_same():
    first, embedding = torch.randn(2, 4, 16, 24), torch.randn(2, 1, 16)
    _, model = test_svd.pair(reader=test_svd.told(first, embedding, 13, 40, 0.1))
    z = torch.randn(2, 5, 4, 16, 24)
    context = Context.leading(torch.zeros_like(z), 1)
    before = model(z, torch.tensor(0.9), context=context)
    assert apart(hasten(model)(z, torch.tensor(0.9), context=context), before) < 1e-5


@torch.no_grad()
def test_its_decoder_computes_the_same():
    _, model = test_svd_decoder.pair(torch.float32)
    z = torch.randn(2, 5, 4, 6, 8)
    before = model.decode(z)
    assert apart(hasten(model).decode(z), before) < 1e-5
