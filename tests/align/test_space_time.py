"""Temporal attention that reaches every place of every frame, and the words."""

import json

import pytest
import torch
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from safetensors.torch import load_file, save_file

from tests.align.saved import read
from tests.align.shapes import UNETS, first_video, randomise, unet_inputs
from vldm_cli.align import Context, VideoUNet, align
from vldm_cli.align.layers import SpaceTimeAttention, State

SHAPES = pytest.mark.parametrize("shape", UNETS)


def aligned(shape="sd15", random=True):
    unet = UNETS[shape]()
    model = align(unet, reach="space-time", text_dim=unet.config.cross_attention_dim)
    if random:
        randomise(model)
    return model, unet_inputs(unet)


def layer(text_dim=0):
    torch.manual_seed(0)
    state = State(frames=4, embedding_BE=torch.randn(2, 8), text_BLD=torch.randn(2, 3, 6))
    made = SpaceTimeAttention(16, 2, 8, state, text_dim=text_dim)
    torch.nn.init.normal_(made.out.weight)
    return made, torch.randn(8, 16, 5, 6)


@SHAPES
@torch.no_grad()
def test_new_it_is_the_image_model_and_switched_off_as_well(shape):
    unet = UNETS[shape]()
    inputs = unet_inputs(unet)
    plain = align(UNETS[shape]())
    expected = plain(**inputs)
    model, _ = aligned(shape, random=False)
    torch.testing.assert_close(model(**inputs), expected, rtol=1e-5, atol=1e-6)
    randomise(model)
    assert not torch.allclose(model(**inputs), expected, atol=1e-3)
    with model.temporal_off(), plain.temporal_off():
        assert torch.equal(model(**inputs), plain(**inputs))


def test_every_transformer_has_it():
    model, _ = aligned("sd21")
    transformers = [m for m in model.unet.modules() if isinstance(m, Transformer2DModel)]
    assert transformers and all(isinstance(m.temporal, SpaceTimeAttention) for m in transformers)


@torch.no_grad()
def test_a_place_is_seen_from_every_other_place_of_every_other_frame():
    made, z = layer()
    changed = z.clone()
    changed[1, :, 0, 0] += torch.randn(16)  # frame 1 of the first video
    moved = (made(changed) - made(z)).abs().amax(1)
    assert (moved[:4] > 1e-6).all()
    assert not moved[4:].any()  # the other video


@torch.no_grad()
def test_frames_rows_and_columns_are_told_apart():
    made, z = layer()
    for dim in (2, 3):
        flipped = made(z.flip(dim)).flip(dim)
        assert not torch.allclose(flipped, made(z), atol=1e-3)
    order = [2, 0, 3, 1, 4, 5, 6, 7]
    assert not torch.allclose(made(z[order]), made(z)[order], atol=1e-3)


@torch.no_grad()
def test_words_are_heard_by_the_video_they_belong_to():
    made, z = layer(text_dim=6)
    before = made(z)
    made.state.text_BLD = made.state.text_BLD.clone()
    made.state.text_BLD[1] += 1
    after = made(z)
    assert torch.equal(after[:4], before[:4])
    assert not torch.allclose(after[4:], before[4:], atol=1e-4)


@torch.no_grad()
def test_it_moves_in_a_file_and_files_from_before_it_are_read(tmp_path):
    model, inputs = aligned()
    model.save_temporal(tmp_path / "t.safetensors")
    there = read(VideoUNet, UNETS["sd15"](), tmp_path / "t.safetensors")
    assert torch.equal(there(**inputs), model(**inputs))

    old = align(UNETS["sd15"]())
    randomise(old)
    old.save_temporal(tmp_path / "old.safetensors")
    sizes = {k: v for k, v in old.sizes.items() if k not in ("reach", "text_dim")}
    tensors = load_file(tmp_path / "old.safetensors")
    save_file(tensors, tmp_path / "old.safetensors", metadata={"align": json.dumps(sizes)})
    there = read(VideoUNet, UNETS["sd15"](), tmp_path / "old.safetensors")
    assert torch.equal(there(**inputs), old(**inputs))


@torch.no_grad()
def test_lengths_sizes_and_batches():
    model, _ = aligned("x4")
    for T, size in ((1, (8, 12)), (9, (8, 12)), (3, (7, 9))):
        inputs = unet_inputs(model.unet, T=T, size=size)
        first = first_video(inputs)
        torch.testing.assert_close(model(**inputs)[:1], model(**first), rtol=1e-4, atol=1e-5)


def test_gradient_checkpointing_gives_the_same_gradients():
    model, inputs = aligned()
    model.train()

    def gradients():
        model.zero_grad()
        model(**inputs).square().mean().backward()
        return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    plain = gradients()
    assert any(n.endswith("temporal.words.weight") for n in plain)
    model.unet.enable_gradient_checkpointing()
    torch.testing.assert_close(gradients(), plain)


@torch.no_grad()
def test_half_precision_channels_last_and_compiled():
    model, inputs = aligned()
    context = Context.leading(inputs["z_BTCHW"], 2)
    full = model(**inputs, context=context)
    next(m for m in model.unet.modules() if isinstance(m, Transformer2DModel)).compile(backend="aot_eager")
    torch.testing.assert_close(model(**inputs, context=context), full, rtol=1e-4, atol=1e-5)
    model.to(torch.bfloat16).to(memory_format=torch.channels_last)
    halves = {k: v.bfloat16() if v is not None and v.is_floating_point() else v for k, v in inputs.items()}
    torch.testing.assert_close(model(**halves, context=context).float(), full, rtol=0.1, atol=0.1)


def test_sizes_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="reach"):
        align(UNETS["sd15"](), reach="far")
    with pytest.raises(ValueError, match="words"):
        align(UNETS["sd15"](), text_dim=12)
