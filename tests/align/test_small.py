"""What spares memory changes nothing: decoding in parts, and weights that wait elsewhere; or is told: 8 bits."""

import pytest
import torch
from torch import nn

from tests.align import shapes
from tests.align.families import test_animatediff, test_modelscope, test_svd_decoder
from vldm_cli.align import align
from vldm_cli.align.fast import hasten
from vldm_cli.align.place import Place, place_of
from vldm_cli.align.small import STORED, decode_in_parts, offload, store_in_fp8


@pytest.mark.parametrize("engine", [False, True])
@pytest.mark.parametrize("pixels", [1, 6 * 8 * 16, 6 * 8 * 16 * 6])
@torch.no_grad()
def test_decoding_in_parts_is_decoding(pixels, engine):
    model = align(shapes.autoencoder()).eval()
    shapes.randomise(model)
    z = torch.randn(1, 11, 4, 6, 8)
    whole = model.decode(z)
    if engine:  # by the kernels' twins
        hasten(model)
    decode_in_parts(model, pixels)
    torch.testing.assert_close(model.decode(z), whole, rtol=1e-5, atol=1e-5)
    assert model.state.frames == 11


@pytest.mark.parametrize("engine", [False, True])
@torch.no_grad()
def test_what_sees_the_whole_window_still_does(engine):
    _, model = test_svd_decoder.pair(torch.float32)
    z = torch.randn(1, 5, 4, 6, 8)
    whole = model.decode(z)
    if engine:
        hasten(model)
    decode_in_parts(model, 1)
    torch.testing.assert_close(model.decode(z), whole, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_weights_that_wait_compute_the_same():
    unet = shapes.stable_diffusion_21()
    model = align(unet, head_dim=4).eval()
    shapes.randomise(model)
    inputs = shapes.unet_inputs(unet)
    whole = model(**inputs)
    place = Place(torch.device("cpu"), torch.float32)
    assert place_of(model) == place
    offload(model, *place)
    assert torch.equal(model(**inputs), whole)
    assert place_of(model) == place


def own():
    """vldm's layers of every kind that have weights."""
    unet = shapes.stable_diffusion_21()
    model = align(unet, head_dim=4, reach="space-time", text_dim=20, waves=4).eval()
    shapes.randomise(model)
    return model, shapes.unet_inputs(unet)


def plain():
    unet = shapes.stable_diffusion_15()
    model = align(unet, head_dim=4, layers="attention").eval()
    shapes.randomise(model)
    return model, shapes.unet_inputs(unet)


def of_animatediff():
    model = test_animatediff.hooked("sd15", test_animatediff.adapter_for("sd15"))
    z, timestep, text, _ = test_animatediff.inputs("sd15", 4, torch.float32)
    return model, {"z_BTCHW": z, "timestep": timestep, "text_BLD": text}


def of_modelscope():
    _, model = test_modelscope.pair(torch.float32)
    z, text = torch.randn(1, 4, 4, 16, 24), torch.randn(1, 7, 16)
    return model, {"z_BTCHW": z, "timestep": torch.tensor([777]), "text_BLD": text}


@pytest.mark.parametrize("make", [own, plain, of_animatediff, of_modelscope])
@torch.no_grad()
def test_weights_in_8_bits_are_those_rounded_once(make):
    model, inputs = make()
    exact = model(**inputs)
    rounded = []
    for name, module in model.unet.named_modules():
        left = any(word in name for word in ("norm", "embed", "waves")) or name in ("conv_in", "conv_out")
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d) and not left:
            rounded += list(module.parameters())
    for parameter in rounded:
        parameter.copy_(parameter.to(STORED).to(parameter.dtype))
    wanted = model(**inputs)
    assert not torch.equal(wanted, exact)
    store_in_fp8(model, torch.float32)
    stored = [p for p in model.unet.parameters() if p.dtype == STORED]
    assert {id(p) for p in stored} == {id(p) for p in rounded}
    assert sum(p.numel() for p in stored) > 0.7 * sum(p.numel() for p in model.unet.parameters())
    offload(model, torch.device("cpu"), torch.float32)
    assert torch.equal(model(**inputs), wanted) and torch.equal(model(**inputs), wanted)
    assert all(p.dtype == STORED for p in stored)


@torch.no_grad()
def test_weights_in_8_bits_compute_in_the_usual_format():
    model, inputs = own()
    model.bfloat16()
    inputs = {
        name: x.bfloat16() if torch.is_tensor(x) and x.is_floating_point() else x
        for name, x in inputs.items()
    }
    whole = model(**inputs)
    store_in_fp8(model, torch.bfloat16)
    offload(model, torch.device("cpu"), torch.bfloat16)
    made = model(**inputs)
    assert made.dtype == torch.bfloat16
    assert 0 < float((made - whole).float().norm() / whole.float().norm()) < 0.2
