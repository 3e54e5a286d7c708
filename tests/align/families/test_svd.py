"""Stable Video Diffusion's layers on a UNet2DConditionModel are diffusers' model, and its pipeline is our loop."""

import pytest
import torch
from diffusers import (
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    StableVideoDiffusionPipeline,
    UNet2DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.align.families.common import close, filled, randomised
from vldm_cli.align.context import Context
from vldm_cli.align.families import FAMILIES
from vldm_cli.align.families.svd import diffusers_eps
from vldm_cli.align.foreign import ForeignUNet
from vldm_cli.align.readers import FirstFrame
from vldm_cli.denoise.guidance import Guidance
from vldm_cli.denoise.sampler import sample
from vldm_cli.denoise.schedulers import make_scheduler

FAMILY = FAMILIES["svd"]
TINY = dict(
    sample_size=16,
    block_out_channels=(32, 32, 64, 64),
    num_attention_heads=(2, 2, 4, 4),
    cross_attention_dim=16,
    addition_time_embed_dim=8,
    projection_class_embeddings_input_dim=24,
    num_frames=5,
)
EDM = dict(
    num_train_timesteps=1000,
    beta_start=0.00085,
    beta_end=0.012,
    beta_schedule="scaled_linear",
    prediction_type="v_prediction",
    interpolation_type="linear",
    timestep_spacing="leading",
    timestep_type="continuous",
    use_karras_sigmas=True,
    sigma_min=0.002,
    sigma_max=700.0,
    steps_offset=1,
)


def pair(dtype=torch.float32, reader=None, **more):
    torch.manual_seed(0)
    theirs = randomised(UNetSpatioTemporalConditionModel(**{**TINY, **more})).to(dtype)
    unet = UNet2DConditionModel(**FAMILY.image_config(theirs.config))
    diffusers_eps(unet)
    model = ForeignUNet(unet.to(dtype), FAMILY, theirs.config, reader).to(dtype).eval()
    return theirs, filled(model, unet, theirs.state_dict())


def told(first, embedding, fps, bucket, noise):
    return FirstFrame(lambda z: (first, embedding), fps, bucket, noise)


@pytest.mark.parametrize(
    ("dtype", "more"),
    [(torch.float32, {}), (torch.float64, {}), (torch.float64, {"layers_per_block": 1})],
)
@torch.no_grad()
def test_it_is_diffusers_model(dtype, more):
    B, T = 2, 5
    first, embedding = torch.randn(B, 4, 16, 24, dtype=dtype), torch.randn(B, 1, 16, dtype=dtype)
    theirs, model = pair(dtype, told(first, embedding, 13, 40, 0.1), **more)
    z, t = torch.randn(B, T, 4, 16, 24, dtype=dtype), torch.tensor(0.25 * 3.7, dtype=dtype)
    ids = torch.tensor([[12, 40, 0.1]], dtype=dtype).expand(B, 3)
    x = torch.cat([z, first[:, None].expand(B, T, -1, -1, -1)], 2)
    context = Context.leading(torch.zeros_like(z), 1)
    close(model(z, t, context=context), theirs(x, t, embedding, ids).sample)
    nothing = theirs(torch.cat([z, torch.zeros_like(z)], 2), t, 0 * embedding, ids).sample
    close(model(z, t, context=context.dropped()), nothing)


@torch.no_grad()
def test_the_whole_pipeline():
    T, H, W, noise = 5, 128, 192, 0.02
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        layers_per_block=2,
    )
    vae = randomised(vae, 3)
    sizes = dict(hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
    clip = CLIPVisionModelWithProjection(
        CLIPVisionConfig(**sizes, image_size=224, patch_size=56, projection_dim=16)
    ).eval()
    g = torch.Generator().manual_seed(9)
    picture = Image.fromarray(torch.randint(0, 256, (H, W, 3), generator=g, dtype=torch.uint8).numpy())
    noise_BTCHW = torch.randn(1, T, 4, H // 8, W // 8, generator=g)
    theirs, _ = pair()
    pipe = StableVideoDiffusionPipeline(
        vae, clip, theirs, EulerDiscreteScheduler(**EDM), CLIPImageProcessor()
    )
    pipe.set_progress_bar_config(disable=True)
    made = pipe(
        picture,
        height=H,
        width=W,
        num_frames=T,
        num_inference_steps=4,
        latents=noise_BTCHW.clone(),
        noise_aug_strength=noise,
        generator=torch.Generator().manual_seed(21),
        output_type="latent",
    ).frames
    # the condition: the picture with noise in its pixels, encoded, and its embedding
    image = pipe.video_processor.preprocess(picture, height=H, width=W)
    image = image + noise * torch.randn(image.shape, generator=torch.Generator().manual_seed(21))
    first = vae.encode(image).latent_dist.mode()
    embedding = pipe._encode_image(picture, "cpu", 1, False)
    _, model = pair(reader=told(first, embedding, 7, 127, noise))
    z = torch.zeros_like(noise_BTCHW)
    z[:, 0] = first * vae.config.scaling_factor
    ours = sample(
        model,
        make_scheduler(EDM, "euler"),
        noise_BTCHW,
        steps=4,
        context=Context.leading(z, 1),
        guidance=Guidance(context=(1.0, 3.0)),
    )
    torch.testing.assert_close(ours[:, 1:], made[:, 1:], rtol=1e-4, atol=1e-4)
    assert torch.equal(ours[:, 0], z[:, 0])


def test_a_window_needs_its_first_frame():
    _, model = pair(reader=told(torch.zeros(1, 4, 8, 8), torch.zeros(1, 1, 16), 7, 127, 0.02))
    with pytest.raises(ValueError, match="first frame"):
        model(torch.randn(1, 3, 4, 8, 8), torch.tensor(0.5))


def test_real_sizes_are_one_to_one():
    with torch.device("meta"):
        theirs = UNetSpatioTemporalConditionModel(sample_size=96)
        unet = UNet2DConditionModel(**FAMILY.image_config(theirs.config))
        image = sum(p.numel() for p in unet.parameters())
        ForeignUNet(unet, FAMILY, theirs.config)
    mapped = {FAMILY.key(k, unet): v.shape for k, v in theirs.state_dict().items()}
    assert mapped == {k: v.shape for k, v in unet.state_dict().items()}
    assert len(mapped) == 1428 and round(image / 1e6, 1) == 868.5
    assert round(sum(s.numel() for s in mapped.values()) / 1e6, 1) == 1524.6
