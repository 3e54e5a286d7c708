"""AnimateDiff's layers on unmodified image models are diffusers' UNetMotionModel and guoyww's files."""

import pytest
import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    MotionAdapter,
    UNet2DConditionModel,
    UNetMotionModel,
)

from tests.align.families.common import LINEAR, SHAPES, close, filled, randomised
from tests.cases import some
from vldm_cli.align.context import Context
from vldm_cli.align.families import FAMILIES
from vldm_cli.align.families.animatediff import AnimateDiff, motion_lora_key
from vldm_cli.align.foreign import ForeignUNet
from vldm_cli.align.pooled import with_pooled
from vldm_cli.denoise.guidance import Guidance
from vldm_cli.denoise.sampler import sample
from vldm_cli.denoise.schedulers import make_scheduler

WINDOW = FAMILIES["animatediff-window"]


def image(kind, dtype=torch.float32):
    torch.manual_seed(0)
    unet = UNet2DConditionModel(sample_size=16, layers_per_block=2, norm_num_groups=8, **SHAPES[kind])
    return randomised(unet).to(dtype)


def adapter_for(kind, mid=True, length=32, dtype=torch.float32):
    torch.manual_seed(1)
    adapter = MotionAdapter(
        block_out_channels=SHAPES[kind]["block_out_channels"],
        motion_num_attention_heads=4,
        motion_norm_num_groups=8,
        motion_max_seq_length=length,
        use_motion_mid_block=mid,
    )
    return randomised(adapter, 1).to(dtype)


def hooked(kind, adapter, family=WINDOW, dtype=torch.float32):
    unet = image(kind, dtype)
    model = ForeignUNet(unet, family, adapter.config)
    return filled(model.to(dtype).eval(), unet, adapter.state_dict())


def inputs(kind, T, dtype, size=(16, 24), B=2):
    g = torch.Generator().manual_seed(2)
    D = SHAPES[kind]["cross_attention_dim"]
    z = torch.randn(B, T, 4, *size, generator=g, dtype=dtype)
    text = torch.randn(B, 7, D, generator=g, dtype=dtype)
    added = {}
    if kind == "sdxl":
        height, width = (8 * side for side in size)
        added = {
            "text_embeds": torch.randn(B, 16, generator=g, dtype=dtype),
            "time_ids": torch.tensor([[height, width, 0, 0, height, width]] * B, dtype=dtype),
        }
    return z, torch.tensor([17, 803])[:B], text, added


def told(text, added):
    """The text as our models take it, with what is more to tell."""
    return with_pooled(text, added["text_embeds"]) if added else text


def motion_model(kind, adapter, dtype=torch.float32):
    unet = image(kind, dtype)
    theirs = UNetMotionModel.from_unet2d(unet, adapter).eval().to(dtype)
    if kind == "sdxl":
        # diffusers forgets these: its own model would run on random ones
        theirs.add_embedding.load_state_dict(unet.add_embedding.state_dict())
    return theirs


@pytest.mark.parametrize(
    ("kind", "mid", "length", "dtype"),
    [
        ("sd15", True, 32, torch.float32),
        ("sd15", False, 24, torch.float64),
        ("sd21", True, 32, torch.float64),
        pytest.param("sdxl", False, 32, torch.float32, marks=pytest.mark.long),
        ("sdxl", False, 32, torch.float64),
    ],
)
@torch.no_grad()
def test_it_is_diffusers_motion_model(kind, mid, length, dtype):
    adapter = adapter_for(kind, mid, length, dtype)
    z, t, text, added = inputs(kind, 5, dtype)
    model = hooked(kind, adapter, dtype=dtype)
    theirs = motion_model(kind, adapter, dtype)(
        z.transpose(1, 2),
        t,
        text.repeat_interleave(5, 0),
        # theirs repeats them over frames by itself
        added_cond_kwargs=added or None,
    ).sample
    close(model(z, t, told(text, added)), theirs.transpose(1, 2))


@pytest.mark.parametrize("kind", list(SHAPES))
@torch.no_grad()
def test_off_it_is_the_image_model_bit_for_bit(kind):
    model, (z, t, text, added) = hooked(kind, adapter_for(kind, False)), inputs(kind, 3, torch.float32)
    with model.temporal_off():
        frames = model(z, t, told(text, added))
    plain = image(kind)(
        z.flatten(0, 1).contiguous(memory_format=torch.channels_last),
        t.repeat_interleave(3),
        text.repeat_interleave(3, 0),
        added_cond_kwargs={k: v.repeat_interleave(3, 0) for k, v in added.items()} or None,
    ).sample
    assert torch.equal(frames, plain.unflatten(0, (2, 3)))
    assert not torch.equal(frames, model(z, t, told(text, added)))


@pytest.mark.parametrize(("T", "size"), [(1, (16, 16)), (32, (8, 8)), (4, (9, 13))])
@torch.no_grad()
def test_any_window_up_to_its_length_and_any_size(T, size):
    adapter = adapter_for("sd15")
    z, t, text, _ = inputs("sd15", T, torch.float32, size, B=1)
    theirs = motion_model("sd15", adapter)(z.transpose(1, 2), t, text.repeat_interleave(T, 0)).sample
    close(hooked("sd15", adapter)(z, t, text), theirs.transpose(1, 2))


@torch.no_grad()
def test_places_in_parts_are_the_same_bits(monkeypatch):
    model, (z, t, text, _) = hooked("sd15", adapter_for("sd15")), inputs("sd15", 3, torch.float32)
    whole = model(z, t, text)
    monkeypatch.setattr("vldm_cli.align.families.animatediff.PLACES", 100)
    close(model(z, t, text), whole)


def original(adapter):
    """The adapter's weights as guoyww's files name them, with a buffer that is none and a wrapper's word."""
    names = {".attn1.": ".attention_blocks.0.", ".attn2.": ".attention_blocks.1.", ".norm3.": ".ff_norm."}
    names |= {".norm1.": ".norms.0.", ".norm2.": ".norms.1."}
    state = {}
    for key, tensor in adapter.state_dict().items():
        head, _, rest = key.partition(".motion_modules.")
        j, _, rest = rest.partition(".")
        for ours, theirs in names.items():
            rest = f".{rest}".replace(ours, theirs)[1:]
        state[f"{head}.motion_modules.{j}.temporal_transformer.{rest}"] = tensor
    return state


@torch.no_grad()
def test_guoywws_names_are_the_adapters():
    adapter = adapter_for("sd15")
    z, t, text, _ = inputs("sd15", 4, torch.float32)
    unet = image("sd15")
    model = ForeignUNet(unet, AnimateDiff(), adapter.config)
    state = original(adapter)
    assert (
        model.family.key(
            "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.pos_encoder.pe",
            unet,
        )
        is None
    )
    filled(model.eval(), unet, state)
    same = hooked("sd15", adapter, AnimateDiff())
    assert torch.equal(model(z, t, text), same(z, t, text))


@torch.no_grad()
def test_the_norm_by_frame_is_the_frames_own():
    """A module's output of one frame: nothing of the other frames goes through its norm."""
    adapter = adapter_for("sd15")
    frame, window = hooked("sd15", adapter, AnimateDiff()), hooked("sd15", adapter)
    z, t, text, _ = inputs("sd15", 3, torch.float32)
    assert not torch.allclose(frame(z, t, text), window(z, t, text), atol=1e-4)
    close(frame(z[:, :1], t, text), window(z[:, :1], t, text))
    layer = frame.unet.down_blocks[0].attentions[0].temporal
    x = torch.randn(3, 32, 4, 4)
    frame.state.frames = 3
    given = layer.module.norm(x)
    h = given.permute(2, 3, 0, 1).reshape(16, 3, 32)
    h = layer.module.proj_out(layer.module.transformer_blocks[0](layer.module.proj_in(h)))
    torch.testing.assert_close(layer(x), x + h.reshape(4, 4, 3, 32).permute(2, 3, 0, 1))


def test_names_of_motion_loras():
    guoyww = "down_blocks.0.motion_modules.1.temporal_transformer.transformer_blocks.0.attention_blocks.1"
    assert motion_lora_key(f"{guoyww}.processor.to_out_lora.up.weight") == (
        f"{guoyww}.to_out.0.weight",
        "up",
    )
    diffusers = "unet.up_blocks.2.motion_modules.0.transformer_blocks.0.attn1"
    assert motion_lora_key(f"{diffusers}.processor.to_q_lora.down.weight") == (
        "up_blocks.2.motion_modules.0.transformer_blocks.0.attn1.to_q.weight",
        "down",
    )
    assert motion_lora_key(f"{guoyww}.to_q.weight") is None


@pytest.mark.parametrize(
    ("kind", "mid", "modules", "millions"),
    [("sd15", False, 20, 417.1), ("sd15", True, 21, 453.2), ("sdxl", False, 15, 236.8)],
)
def test_real_sizes_are_one_to_one(kind, mid, modules, millions):
    """27 names a module in the published files (567 with a mid block), of which one is its positions."""
    real = {
        "sd15": dict(cross_attention_dim=768, attention_head_dim=8),
        "sdxl": dict(
            SHAPES["sdxl"],
            cross_attention_dim=2048,
            attention_head_dim=(5, 10, 20),
            block_out_channels=(320, 640, 1280),
            transformer_layers_per_block=(1, 2, 10),
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        ),
    }[kind]
    channels = real.get("block_out_channels", (320, 640, 1280, 1280))
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, **real)
        adapter = MotionAdapter(block_out_channels=channels, use_motion_mid_block=mid)
        model = ForeignUNet(unet, AnimateDiff(), adapter.config)
    assert len(adapter.state_dict()) == 27 * modules
    theirs = {model.family.key(k, unet): v.shape for k, v in adapter.state_dict().items()}
    theirs.pop(None)
    assert theirs == {k.removeprefix("unet."): v.shape for k, v in model.temporal_state_dict().items()}
    assert len({k.split(".temporal.")[0] for k in theirs}) == modules
    assert round(sum(s.numel() for s in theirs.values()) / 1e6, 1) == millions
    layer = next(m for m in unet.modules() if hasattr(m, "pos_embed") and m.pos_embed)
    assert layer.pos_embed.pe.device.type == "cpu"  # the only tensors that no file brings


def tiny_vae():
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
    )


def pipeline(scheduler, **call):
    adapter = adapter_for("sd15", False)
    pipe = AnimateDiffPipeline(tiny_vae(), None, None, motion_model("sd15", adapter), None, scheduler)
    pipe.set_progress_bar_config(disable=True)
    g = torch.Generator().manual_seed(5)
    noise = torch.randn(1, 4, 4, 16, 16, generator=g)
    text, negative = torch.randn(1, 7, 16, generator=g), torch.randn(1, 7, 16, generator=g)
    frames = pipe(
        prompt_embeds=text,
        negative_prompt_embeds=negative,
        num_frames=4,
        height=128,
        width=128,
        latents=noise.clone(),
        output_type="latent",
        **call,
    ).frames
    return hooked("sd15", adapter), noise.transpose(1, 2), text, negative, frames.transpose(1, 2)


@torch.no_grad()
def test_the_whole_pipeline():
    call = dict(num_inference_steps=3, guidance_scale=7.5)
    model, noise, text, negative, theirs = pipeline(DDIMScheduler(**LINEAR), **call)
    ours = sample(
        model,
        make_scheduler(LINEAR, "ddim"),
        noise,
        steps=3,
        text_BLD=text,
        negative_BLD=negative,
        guidance=Guidance(7.5),
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steps", some([4, 8], {4}))
@torch.no_grad()
def test_lightning_is_euler_with_trailing_times(steps):
    config = {k: v for k, v in LINEAR.items() if k != "clip_sample"} | {"timestep_spacing": "trailing"}
    call = dict(num_inference_steps=steps, guidance_scale=1.0)
    model, noise, text, _, theirs = pipeline(EulerDiscreteScheduler(**config), **call)
    ours = sample(model, make_scheduler(config, "euler"), noise, steps=steps, text_BLD=text)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_lcm_is_diffusers_with_noise_of_the_frames():
    config = {k: v for k, v in LINEAR.items() if k != "timestep_spacing"}
    model, (z, _, text, _) = hooked("sd15", adapter_for("sd15", False)), inputs("sd15", 3, torch.float32, B=1)

    def fresh(step):
        return torch.randn(z.shape, generator=torch.Generator().manual_seed(100 + step))

    ours = sample(model, make_scheduler(config, "lcm"), z, steps=4, text_BLD=text, fresh=fresh)
    theirs, scheduler = z, LCMScheduler(**config)
    scheduler.set_timesteps(4)
    for i, t in enumerate(scheduler.timesteps):
        generator = torch.Generator().manual_seed(100 + i + 1)
        theirs = scheduler.step(model(theirs, t, text), t, theirs, generator=generator, return_dict=False)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", some(["ddim", "dpm++", "euler"], {"ddim", "euler"}))
@torch.no_grad()
def test_known_frames_are_replaced_where_the_model_reads_none(name):
    model, (z, _, text, _) = hooked("sd15", adapter_for("sd15", False)), inputs("sd15", 4, torch.float32, B=1)
    config = {k: v for k, v in LINEAR.items() if k != "clip_sample" or name != "euler"}
    known = torch.tensor([[1, 0, 0, 1]])
    clean = torch.randn_like(z)
    seen = []
    ours = sample(
        model,
        make_scheduler(config, name),
        z,
        steps=5,
        text_BLD=text,
        context=Context.at(clean, known),
        callback=lambda i, n, x0: seen.append(x0),
    )
    assert torch.equal(ours[:, [0, 3]], clean[:, [0, 3]])
    for x0 in seen:  # what is predicted of known frames is what they are, all the way
        torch.testing.assert_close(x0[:, [0, 3]], clean[:, [0, 3]], rtol=1e-3, atol=1e-3)
    free = sample(model, make_scheduler(config, name), z, steps=5, text_BLD=text)
    assert not torch.allclose(free[:, 1:3], ours[:, 1:3], atol=1e-2)
