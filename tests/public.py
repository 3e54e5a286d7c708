"""Public checkpoints as their authors lay them out, small and with random weights, for any test."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    DDIMScheduler,
    EulerDiscreteScheduler,
    MotionAdapter,
    PNDMScheduler,
    UNet2DConditionModel,
    UNet3DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

WIDTH = 32  # of the text
CHANNELS = (32, 64)
# Stable Diffusion XL's: a level more than these have, and a level less than theirs
XL_CHANNELS, XL_WIDTH, XL_POOLED = (32, 32, 64), 16, 24


def write_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> None:
    """A CLIP tokenizer with a letter as each token: vocab.json, merges.txt and their configurations."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789!.,'"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    (folder / "special_tokens_map.json").write_text(json.dumps({**special, "pad_token": pad}))
    config = {**special, "pad_token": pad, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def unet(channels: int = 4, width: int = WIDTH, **more) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=4,
        norm_num_groups=8,
        **more,
    )


def vae(levels: int = 4, scale: float = 0.18215) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(16,) * levels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=4,
        norm_num_groups=8,
        scaling_factor=scale,
    )


def text(width: int = WIDTH) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=82,
            hidden_size=width,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            bos_token_id=80,
            eos_token_id=81,
            pad_token_id=81,
        )
    )


def adapter(channels: tuple[int, ...] = CHANNELS) -> MotionAdapter:
    return MotionAdapter(
        block_out_channels=channels,
        motion_layers_per_block=1,
        motion_num_attention_heads=4,
        motion_norm_num_groups=8,
        use_motion_mid_block=False,
    )


def save(model, folder: Path, variant: str | None = "fp16") -> None:
    """As its authors did: safetensors in float16, under the variant's name."""
    model.half().save_pretrained(folder, variant=variant)


def index(folder: Path, kind: str, **parts: str) -> None:
    """A pipeline's model_index.json."""
    folder.mkdir(parents=True, exist_ok=True)
    table = {name: ["transformers" if name in _WORDS else "diffusers", of] for name, of in parts.items()}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": kind, **table}))


def sd_folder(folder: Path, variant: str | None = "fp16", seed: int = 0) -> Path:
    """stable-diffusion-v1-5, in small."""
    torch.manual_seed(seed)
    save(unet(), folder / "unet", variant)
    save(vae(), folder / "vae", variant)
    save(text(), folder / "text_encoder", variant)
    write_tokenizer(folder / "tokenizer")
    PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    ).save_pretrained(folder / "scheduler")
    index(
        folder,
        "StableDiffusionPipeline",
        unet="UNet2DConditionModel",
        vae="AutoencoderKL",
        text_encoder="CLIPTextModel",
        tokenizer="CLIPTokenizer",
        scheduler="PNDMScheduler",
    )
    return folder


def split(folder: Path, variant: str | None = None) -> Path:
    """The folder of `sd_folder` with image model and text encoder in several files each, as their libraries do it."""
    for below, model, size in (("unet", unet(), "100KB"), ("text_encoder", text(), "20KB")):
        shutil.rmtree(folder / below)
        model.half().save_pretrained(folder / below, variant=variant, max_shard_size=size)
    return folder


def adapter_folder(folder: Path, variant: str | None = None, channels: tuple[int, ...] = CHANNELS) -> Path:
    """guoyww/animatediff-motion-adapter-v1-5-3, in small; with XL_CHANNELS animatediff-motion-adapter-sdxl-beta."""
    torch.manual_seed(1)
    save(adapter(channels), folder, variant)
    return folder


def xl_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=XL_CHANNELS,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH + XL_WIDTH,
        attention_head_dim=(2, 4, 4),
        transformer_layers_per_block=(1, 1, 2),
        use_linear_projection=True,
        norm_num_groups=8,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + XL_POOLED,
    )


def xl_text() -> CLIPTextModelWithProjection:
    """Its second text encoder, whose configuration has another number for the last token than its tokenizer."""
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=82,
            hidden_size=XL_WIDTH,
            intermediate_size=64,
            projection_dim=XL_POOLED,
            num_hidden_layers=3,
            num_attention_heads=4,
            hidden_act="gelu",
            bos_token_id=0,
            eos_token_id=2,
            pad_token_id=1,
        )
    )


def sdxl_folder(folder: Path, variant: str | None = "fp16", seed: int = 5) -> Path:
    """stabilityai/stable-diffusion-xl-base-1.0, in small."""
    torch.manual_seed(seed)
    save(xl_unet(), folder / "unet", variant)
    save(vae(scale=0.13025), folder / "vae", variant)
    save(text(), folder / "text_encoder", variant)
    save(xl_text(), folder / "text_encoder_2", variant)
    write_tokenizer(folder / "tokenizer")
    write_tokenizer(folder / "tokenizer_2", pad="!")
    EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="leading",
        steps_offset=1,
    ).save_pretrained(folder / "scheduler")
    index(
        folder,
        "StableDiffusionXLPipeline",
        unet="UNet2DConditionModel",
        vae="AutoencoderKL",
        text_encoder="CLIPTextModel",
        text_encoder_2="CLIPTextModelWithProjection",
        tokenizer="CLIPTokenizer",
        tokenizer_2="CLIPTokenizer",
        scheduler="EulerDiscreteScheduler",
    )
    return folder


def svd_folder(folder: Path) -> Path:
    """stabilityai/stable-video-diffusion-img2vid-xt, in small."""
    torch.manual_seed(2)
    unet = UNetSpatioTemporalConditionModel(
        sample_size=8,
        num_frames=25,
        block_out_channels=CHANNELS,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        num_attention_heads=(4, 4),
        projection_class_embeddings_input_dim=768,
    )
    save(unet, folder / "unet")
    decoder = AutoencoderKLTemporalDecoder(
        block_out_channels=(32,) * 4, down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=2
    )
    save(decoder, folder / "vae")
    eyes = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=64,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=224,
        patch_size=32,
    )
    save(CLIPVisionModelWithProjection(eyes), folder / "image_encoder")
    EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_type="continuous",
        use_karras_sigmas=True,
        sigma_min=0.002,
        sigma_max=700.0,
        steps_offset=1,
    ).save_pretrained(folder / "scheduler")
    index(
        folder,
        "StableVideoDiffusionPipeline",
        unet="UNetSpatioTemporalConditionModel",
        vae="AutoencoderKLTemporalDecoder",
        image_encoder="CLIPVisionModelWithProjection",
        scheduler="EulerDiscreteScheduler",
    )
    return folder


def modelscope_folder(folder: Path) -> Path:
    """ali-vilab/text-to-video-ms-1.7b, in small."""
    torch.manual_seed(3)
    unet = UNet3DConditionModel(
        sample_size=32,
        block_out_channels=CHANNELS,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    save(unet, folder / "unet")
    save(vae(), folder / "vae")
    save(text(), folder / "text_encoder")
    write_tokenizer(folder / "tokenizer", pad="!")
    DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").save_pretrained(
        folder / "scheduler"
    )
    index(
        folder,
        "TextToVideoSDPipeline",
        unet="UNet3DConditionModel",
        vae="AutoencoderKL",
        text_encoder="CLIPTextModel",
        tokenizer="CLIPTokenizer",
        scheduler="DDIMScheduler",
    )
    return folder


def x4_folder(folder: Path) -> Path:
    """stabilityai/stable-diffusion-x4-upscaler, in small."""
    torch.manual_seed(4)
    save(unet(7, out_channels=4, num_class_embeds=1000), folder / "unet", None)
    save(vae(levels=3, scale=0.08333), folder / "vae", None)
    save(text(), folder / "text_encoder", None)
    write_tokenizer(folder / "tokenizer", pad="!")
    schedule = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "scaled_linear"}
    DDIMScheduler(**schedule, prediction_type="v_prediction").save_pretrained(folder / "scheduler")
    DDIMScheduler(**schedule).save_pretrained(folder / "low_res_scheduler")
    index(
        folder,
        "StableDiffusionUpscalePipeline",
        unet="UNet2DConditionModel",
        vae="AutoencoderKL",
        text_encoder="CLIPTextModel",
        tokenizer="CLIPTokenizer",
        scheduler="DDIMScheduler",
        low_res_scheduler="DDIMScheduler",
    )
    return folder


_WORDS = ("text_encoder", "tokenizer", "image_encoder", "text_encoder_2", "tokenizer_2")
