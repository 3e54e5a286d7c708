import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel

from tests.align.saved import read
from tests.align.shapes import UNETS, first_video, randomise, unet_inputs
from vldm_cli.align import Context, VideoUNet, align
from vldm_cli.align.layers import TemporalAttention, TemporalConvolution
from vldm_cli.errors import RequestError

SHAPES = pytest.mark.parametrize("shape", UNETS)


def aligned(shape="sd15", random=True):
    model = align(UNETS[shape]())
    if random:
        randomise(model)
    return model, unet_inputs(model.unet)


def frame_by_frame(unet, inputs):
    """The image model on every frame of the video, one batch of B·T images; frozen, as inference has it."""
    unet.requires_grad_(False)
    z = inputs["z_BTCHW"]
    B, T = z.shape[:2]
    x = z if inputs["extra_BTCHW"] is None else torch.cat([z, inputs["extra_BTCHW"]], 2)
    labels = inputs["class_labels"]
    return unet(
        x.flatten(0, 1).contiguous(memory_format=torch.channels_last),
        inputs["timestep"].repeat_interleave(T),
        inputs["text_BLD"].repeat_interleave(T, 0),
        class_labels=None if labels is None else labels.repeat_interleave(T),
    ).sample.unflatten(0, (B, T))


@SHAPES
@torch.no_grad()
def test_a_new_video_model_is_the_image_model(shape):
    unet = UNETS[shape]()
    inputs = unet_inputs(unet)
    expected = frame_by_frame(unet, inputs)
    torch.testing.assert_close(align(unet)(**inputs), expected, rtol=1e-5, atol=1e-6)


@SHAPES
@torch.no_grad()
def test_switched_off_it_is_the_image_model_to_the_bit(shape):
    unet = UNETS[shape]()
    inputs = unet_inputs(unet)
    expected = frame_by_frame(unet, inputs)
    model = align(unet)
    randomise(model)
    assert not torch.allclose(model(**inputs), expected, atol=1e-3)
    with model.temporal_off():
        assert torch.equal(model(**inputs), expected)
    assert not torch.allclose(model(**inputs), expected, atol=1e-3)


@SHAPES
def test_spatial_keys_and_values_are_unchanged_and_frozen(shape):
    before = {k: v.clone() for k, v in UNETS[shape]().state_dict().items()}
    model = align(UNETS[shape]())
    spatial = {k: v for k, v in model.unet.state_dict().items() if ".temporal." not in k}
    assert spatial.keys() == before.keys()
    assert all(torch.equal(spatial[k], before[k]) for k in before)
    trainable = {id(p) for p in model.parameters() if p.requires_grad}
    assert trainable == {id(p) for p in model.temporal_parameters()}
    assert len(before) == len(model.state_dict()) - len(model.temporal_state_dict())


def test_every_residual_block_and_every_transformer_has_its_layer():
    model, _ = aligned("sd21")
    for block in model.unet.modules():
        if isinstance(block, ResnetBlock2D):
            assert isinstance(block.temporal, TemporalConvolution)
        elif isinstance(block, Transformer2DModel):
            assert isinstance(block.temporal, TemporalAttention)


@SHAPES
@torch.no_grad()
def test_temporal_layers_move_to_another_image_model_of_the_shape(shape, tmp_path):
    model, inputs = aligned(shape)
    model.save_temporal(tmp_path / "t.safetensors")
    other = UNETS[shape]()
    for p in other.parameters():
        p.data.add_(0.05)
    there = read(VideoUNet, other, tmp_path / "t.safetensors")
    moved = there.temporal_state_dict()
    assert all(torch.equal(moved[k], v) for k, v in model.temporal_state_dict().items())
    assert not torch.allclose(there(**inputs), model(**inputs))
    there.unet.load_state_dict(model.unet.state_dict())
    assert torch.equal(there(**inputs), model(**inputs))


def test_a_file_for_another_shape_is_refused(tmp_path):
    aligned("sd15")[0].save_temporal(tmp_path / "t.safetensors")
    with pytest.raises(RequestError, match="another shape"):
        read(VideoUNet, UNETS["x4"](), tmp_path / "t.safetensors")
    (tmp_path / "t.safetensors").write_bytes(b"garbage")
    with pytest.raises(RequestError, match=r"t\.safetensors"):
        read(VideoUNet, UNETS["sd15"](), tmp_path / "t.safetensors")


def test_aligning_twice_is_refused():
    model, _ = aligned()
    with pytest.raises(ValueError, match="already has temporal layers"):
        align(model.unet)


@torch.no_grad()
def test_the_order_of_frames_matters():
    model, inputs = aligned()
    order = [2, 0, 1, 4, 3]
    shuffled = {**inputs, "z_BTCHW": inputs["z_BTCHW"][:, order]}
    assert not torch.allclose(model(**shuffled), model(**inputs)[:, order], atol=1e-3)
    with model.temporal_off():
        torch.testing.assert_close(model(**shuffled), model(**inputs)[:, order])


@torch.no_grad()
def test_attention_alone_knows_the_order():
    model, inputs = aligned(random=False)
    for block in model.modules():
        if isinstance(block, TemporalAttention):
            torch.nn.init.normal_(block.out.weight)
    order = [2, 0, 1, 4, 3]
    shuffled = {**inputs, "z_BTCHW": inputs["z_BTCHW"][:, order]}
    assert not torch.allclose(model(**shuffled), model(**inputs)[:, order], atol=1e-3)


@torch.no_grad()
def test_videos_of_a_batch_do_not_mix_and_any_length_runs():
    model, _ = aligned()
    for T in (1, 2, 9):
        inputs = unet_inputs(model.unet, T=T)
        first = first_video(inputs)
        torch.testing.assert_close(model(**inputs)[:1], model(**first), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_frame_step_and_context_are_conditions():
    model, inputs = aligned()
    plain = model(**inputs)
    assert not torch.allclose(model(**{**inputs, "frame_step": 1}), plain, atol=1e-3)
    z = torch.randn(2, 5, 4, 8, 12)
    one = model(**inputs, context=Context.leading(z, 1))
    two = model(**inputs, context=Context.leading(z, 2))
    assert not torch.allclose(one, plain, atol=1e-3)
    assert not torch.allclose(one, two, atol=1e-3)
    nothing = Context.leading(z, 2).dropped()
    torch.testing.assert_close(model(**inputs, context=nothing), plain)


@torch.no_grad()
def test_context_reaches_no_spatial_layer():
    model, inputs = aligned()
    seen = []
    for block in (model.unet.conv_in, model.unet.time_embedding):
        block.register_forward_hook(lambda _m, _i, out: seen.append(out.clone()))
    for context in (None, Context.leading(torch.randn(2, 5, 4, 8, 12), 2)):
        model(**inputs, context=context)
    assert torch.equal(seen[0], seen[2]) and torch.equal(seen[1], seen[3])


@torch.no_grad()
def test_odd_latent_sizes_get_context():
    model, _ = aligned("x4")
    inputs = unet_inputs(model.unet, size=(7, 9))
    context = Context.leading(torch.randn(2, 5, 4, 7, 9), 1)
    assert model(**inputs, context=context).shape == (2, 5, 4, 7, 9)


def test_gradient_checkpointing_gives_the_same_gradients():
    model, inputs = aligned()
    model.train()

    def gradients():
        model.zero_grad()
        model(**inputs).square().mean().backward()
        return [p.grad.clone() for p in model.temporal_parameters() if p.grad is not None]

    plain = gradients()
    model.unet.enable_gradient_checkpointing()
    torch.testing.assert_close(gradients(), plain)
    assert all(p.grad is None for n, p in model.unet.named_parameters() if ".temporal." not in n)
    assert len(plain) > 20


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_half_precision_and_channels_last(dtype):
    model, inputs = aligned()
    full = model(**inputs)
    model.to(dtype).to(memory_format=torch.channels_last)
    halves = {k: v.to(dtype) if v is not None and v.is_floating_point() else v for k, v in inputs.items()}
    context = Context.leading(inputs["z_BTCHW"], 2)
    assert model(**halves, context=context).dtype == dtype
    torch.testing.assert_close(model(**halves).float(), full, rtol=0.1, atol=0.1)


@torch.no_grad()
def test_torch_compile():
    model, inputs = aligned()
    expected = model(**inputs)
    for kind in (ResnetBlock2D, Transformer2DModel):
        next(m for m in model.unet.modules() if isinstance(m, kind)).compile(backend="aot_eager")
    torch.testing.assert_close(model(**inputs), expected, rtol=1e-4, atol=1e-5)
    with model.temporal_off():
        torch.testing.assert_close(model(**inputs), frame_by_frame(model.unet, inputs), rtol=1e-4, atol=1e-5)


def test_align_refuses_other_models():
    with pytest.raises(TypeError, match="Linear"):
        align(torch.nn.Linear(1, 1))
