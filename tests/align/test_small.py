"""What spares memory changes nothing: decoding in parts, and weights that wait elsewhere."""

import pytest
import torch

from tests.align import shapes
from tests.align.families import test_svd_decoder
from vldm_cli.align import align
from vldm_cli.align.place import Place, place_of
from vldm_cli.align.small import decode_in_parts, offload


@pytest.mark.parametrize("pixels", [1, 6 * 8 * 16, 6 * 8 * 16 * 6])
@torch.no_grad()
def test_decoding_in_parts_is_decoding(pixels):
    model = align(shapes.autoencoder()).eval()
    shapes.randomise(model)
    z = torch.randn(1, 11, 4, 6, 8)
    whole = model.decode(z)
    decode_in_parts(model, pixels)
    torch.testing.assert_close(model.decode(z), whole, rtol=1e-5, atol=1e-5)
    assert model.state.frames == 11


@torch.no_grad()
def test_what_sees_the_whole_window_still_does():
    _, model = test_svd_decoder.pair(torch.float32)
    z = torch.randn(1, 5, 4, 6, 8)
    whole = model.decode(z)
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
