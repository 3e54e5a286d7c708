"""What a model that animates a picture is shown of it is what diffusers' pipeline shows Stable Video Diffusion."""

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLTemporalDecoder, StableVideoDiffusionPipeline
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from vldm_cli.align.families import FAMILIES
from vldm_cli.align.foreign import ForeignDecoder
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.stages.first_frame import STAGE, FirstFrames


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    theirs = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32), down_block_types=("DownEncoderBlock2D",) * 2, layers_per_block=2
    ).eval()
    family = FAMILIES["svd-decoder"]
    vae = AutoencoderKL(**family.image_config(theirs.config))
    model = ForeignDecoder(vae, family, theirs.config).eval()
    vae.load_state_dict({family.key(k, vae): v for k, v in theirs.state_dict().items()})
    sizes = dict(hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
    eyes = CLIPVisionModelWithProjection(
        CLIPVisionConfig(**sizes, image_size=224, patch_size=56, projection_dim=16)
    ).eval()
    return theirs, model, eyes


def picture():
    g = torch.Generator().manual_seed(9)
    return torch.randint(0, 256, (48, 64, 3), generator=g, dtype=torch.uint8)


@torch.no_grad()
def test_a_given_picture_is_seen_as_the_pipeline_sees_it(parts):
    theirs, model, eyes = parts
    pipe = StableVideoDiffusionPipeline(theirs, eyes, None, None, CLIPImageProcessor())
    image = Image.fromarray(picture().numpy())
    x_NCHW = pipe.video_processor.preprocess(image, height=48, width=64)
    noise = frame_noise(7, STAGE, [0], (3, 48, 64))
    seen = FirstFrames(lambda: model, lambda: eyes, 7, 0.02)
    seen.picture = picture().permute(2, 0, 1) / 127.5 - 1
    seen.latent = model.encode(seen.picture[None, None])[0, 0]
    latents, embeddings = seen(seen.latent[None])
    wanted = theirs.encode(x_NCHW + 0.02 * noise).latent_dist.mode()
    torch.testing.assert_close(latents, wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(embeddings, pipe._encode_image(image, "cpu", 1, False), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_frame_of_which_only_the_latent_is_known_is_decoded(parts):
    _, model, eyes = parts
    z = torch.randn(2, 4, 24, 32)
    latents, embeddings = FirstFrames(lambda: model, lambda: eyes, 7, 0.0)(z)
    assert latents.shape == z.shape and embeddings.shape == (2, 1, 16)
    x = model.decode(z[:1, None]).clamp(-1, 1)
    wanted = model.encode(x)[0] / model.vae.config.scaling_factor
    torch.testing.assert_close(latents[:1], wanted, rtol=1e-4, atol=1e-4)
