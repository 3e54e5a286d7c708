"""Stable Diffusion's ×4 upscaler is our UNet, loop and space: its pipeline, frame by frame."""

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    StableDiffusionUpscalePipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from tests.align.families.common import randomised
from vldm_cli.align.pixels import from_residual
from vldm_cli.align.space import FrameSpace
from vldm_cli.align.unet import VideoUNet
from vldm_cli.denoise.guidance import Guidance
from vldm_cli.denoise.sampler import sample
from vldm_cli.denoise.schedulers import make_scheduler

X4 = dict(  # as its unet/config.json, with an eighth of the channels
    in_channels=7,
    out_channels=4,
    num_class_embeds=1000,
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    block_out_channels=(32, 64, 64, 128),
    cross_attention_dim=32,
    attention_head_dim=8,
    only_cross_attention=(True, True, True, False),
    use_linear_projection=True,
    sample_size=16,
)
SCHEDULE = dict(
    num_train_timesteps=1000,
    beta_start=0.0001,
    beta_end=0.02,
    beta_schedule="scaled_linear",
    prediction_type="v_prediction",
    clip_sample=False,
    set_alpha_to_one=False,
    steps_offset=1,
)
LOW = dict(num_train_timesteps=1000, beta_start=0.0001, beta_end=0.02, beta_schedule="scaled_linear")


class Tokens:
    """As much of a tokenizer as the pipeline asks for."""

    model_max_length = 7

    def __call__(self, text, **_):
        ids = torch.zeros(1 if isinstance(text, str) else len(text), 7, dtype=torch.int64)
        return type("Batch", (), {"input_ids": ids, "attention_mask": torch.ones_like(ids)})()


def autoencoder():
    torch.manual_seed(1)
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=2,
        scaling_factor=0.08333,
        sample_size=64,
    )
    return randomised(vae, 1)


@pytest.mark.parametrize(("level", "guidance"), [(20, 9.0), (150, 1.0)])
@torch.no_grad()
def test_the_whole_pipeline(level, guidance):
    torch.manual_seed(0)
    unet, vae = randomised(UNet2DConditionModel(**X4)), autoencoder()
    low, sizes = DDPMScheduler(**LOW, clip_sample=True), dict(hidden_size=32, intermediate_size=32)
    text = CLIPTextModel(CLIPTextConfig(vocab_size=50, num_hidden_layers=1, num_attention_heads=2, **sizes))
    pipe = StableDiffusionUpscalePipeline(
        vae, text, Tokens(), unet, low, DDIMScheduler(**SCHEDULE), None, None, None
    )
    pipe.set_progress_bar_config(disable=True)
    g = torch.Generator().manual_seed(5)
    frame = torch.rand(1, 3, 16, 24, generator=g) * 2 - 1
    noise = torch.randn(1, 4, 16, 24, generator=g)
    words, negative = torch.randn(1, 7, 32, generator=g), torch.randn(1, 7, 32, generator=g)
    made = pipe(
        image=frame,
        prompt_embeds=words,
        negative_prompt_embeds=negative,
        num_inference_steps=3,
        guidance_scale=guidance,
        noise_level=level,
        latents=noise.clone(),
        generator=torch.Generator().manual_seed(8),
        output_type="pt",
    ).images
    space = FrameSpace(vae, LOW)
    assert (space.channels, space.scale) == (4, 4)
    share = float((1 - low.alphas_cumprod[level]).sqrt())
    assert space.label(share) == level
    epsilon = torch.randn(frame.shape, generator=torch.Generator().manual_seed(8))
    x = sample(
        VideoUNet(unet, context_channels=0),  # new temporal layers are the identity
        make_scheduler(SCHEDULE, "ddim"),
        noise[:, None],
        steps=3,
        text_BLD=words,
        negative_BLD=negative,
        guidance=Guidance(guidance),
        extra_BTCHW=space.noised(frame, epsilon, share)[:, None],
        class_labels=torch.tensor([space.label(share)]),
    )
    ours = (space.frames(x[:, 0], frame) / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(ours, made, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_frames_are_coded_whole():
    vae, x = autoencoder(), torch.rand(2, 3, 32, 48) * 2 - 1
    space, low = FrameSpace(vae, LOW), torch.rand(2, 3, 8, 12) * 2 - 1
    z = space.coded(x, low)
    assert z.shape == (2, 4, 8, 12)
    torch.testing.assert_close(z, vae.encode(x).latent_dist.mode() * 0.08333)
    decoded = vae.decode(z / 0.08333).sample.clamp(-1, 1)
    torch.testing.assert_close(from_residual(space.residual(z, low), low, 4), decoded, rtol=1e-4, atol=1e-4)


def test_no_level_is_beyond_what_it_was_trained_on():
    space = FrameSpace(autoencoder(), LOW)
    assert space.label(0.99) == 350 and space.label(0.0) == 0
