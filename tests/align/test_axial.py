"""Attention along rows and columns of all frames, on levels where the image model has no attention."""

import pytest
import torch

from tests.align.shapes import UNETS, randomise, unet_inputs
from vldm_cli.align import Context, VideoUNet, align
from vldm_cli.align.layers import AxialAttention, State

SHAPES = pytest.mark.parametrize("shape", UNETS)
AXES = pytest.mark.parametrize("axis", ["row", "column"])


def aligned(shape="x4", random=True):
    unet = UNETS[shape]()
    model = align(unet, axial=True)
    if random:
        randomise(model)
    return model, unet_inputs(unet)


def layer(axis):
    torch.manual_seed(0)
    state = State(frames=4, embedding_BE=torch.randn(2, 8))
    made = AxialAttention(16, 2, 8, state, axis)
    torch.nn.init.normal_(made.out.weight)
    return made, torch.randn(8, 16, 5, 6)


@SHAPES
@torch.no_grad()
def test_new_it_is_the_image_model_and_switched_off_as_well(shape):
    plain, inputs = align(UNETS[shape]()), unet_inputs(UNETS[shape]())
    model, _ = aligned(shape, random=False)
    torch.testing.assert_close(model(**inputs), plain(**inputs), rtol=1e-5, atol=1e-6)
    randomise(model)
    with model.temporal_off(), plain.temporal_off():
        assert torch.equal(model(**inputs), plain(**inputs))


def test_it_is_on_levels_without_attention_and_its_axes_take_turns():
    model, _ = aligned("x4")
    found = {n: m.axis for n, m in model.unet.named_modules() if isinstance(m, AxialAttention)}
    assert found == {
        "down_blocks.0.resnets.0.temporal.attention": "row",
        "up_blocks.2.resnets.0.temporal.attention": "column",
        "up_blocks.2.resnets.1.temporal.attention": "row",
    }


@AXES
@torch.no_grad()
def test_a_place_is_seen_from_its_line_in_every_frame_and_from_nowhere_else(axis):
    made, z = layer(axis)
    changed = z.clone()
    changed[1, :, 2, 3] += torch.randn(16)  # frame 1 of the first video
    moved = (made(changed) - made(z)).abs().amax(1)
    line = moved[:4, 2] if axis == "row" else moved[:4, :, 3]
    assert (line > 1e-6).all()
    line.zero_()
    assert not moved.any()


@AXES
@torch.no_grad()
def test_frames_and_places_are_told_apart(axis):
    made, z = layer(axis)
    for dim in (2, 3):
        assert not torch.allclose(made(z.flip(dim)).flip(dim), made(z), atol=1e-3)
    order = [2, 0, 3, 1, 4, 5, 6, 7]
    assert not torch.allclose(made(z[order]), made(z)[order], atol=1e-3)


@torch.no_grad()
def test_it_moves_in_a_file(tmp_path):
    model, inputs = aligned()
    model.save_temporal(tmp_path / "t.safetensors")
    there = VideoUNet.from_file(UNETS["x4"](), tmp_path / "t.safetensors")
    assert torch.equal(there(**inputs), model(**inputs))


@torch.no_grad()
def test_it_changes_what_comes_out_in_any_size_precision_and_layout():
    model, inputs = aligned()
    context = Context.leading(inputs["z_BTCHW"], 2)
    full = model(**inputs, context=context)
    for block in model.unet.modules():
        if isinstance(block, AxialAttention):
            torch.nn.init.zeros_(block.out.weight)
            torch.nn.init.zeros_(block.out.bias)
    assert not torch.allclose(model(**inputs, context=context), full, atol=1e-3)
    model, _ = aligned()
    for T, size in ((1, (8, 12)), (9, (8, 12)), (3, (7, 9))):
        other = unet_inputs(model.unet, T=T, size=size)
        first = {k: None if v is None else v[:1] for k, v in other.items()}
        torch.testing.assert_close(model(**other)[:1], model(**first), rtol=1e-4, atol=1e-5)
    model.to(torch.bfloat16).to(memory_format=torch.channels_last)
    halves = {k: v.bfloat16() if v is not None and v.is_floating_point() else v for k, v in inputs.items()}
    torch.testing.assert_close(model(**halves, context=context).float(), full, rtol=0.1, atol=0.1)
