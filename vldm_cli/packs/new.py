"""New models and whole packs with random weights: where training starts, and what tests run on."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import diffusers
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from vldm_cli.align import align
from vldm_cli.errors import RequestError
from vldm_cli.packs.manifest import MANIFEST
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.save import save_part, seal, write_manifest
from vldm_cli.packs.sizes import TINY, Sizes

# v-prediction at zero terminal SNR: the last step really is pure noise, so that sampling starts where
# training did (dark and bright scenes come out as asked). Both upscaler and image LDM start from these.
SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "steps_offset": 1,
    "clip_sample": False,
}


def new_unet(sizes: Sizes) -> UNet2DConditionModel:
    """The image LDM's denoiser (METHOD §1), with cross attention to the text on all levels but the
    finest, where it would cost more time than everything else there; random weights."""
    coarse = len(sizes.unet_channels) - 1
    return UNet2DConditionModel(
        sample_size=(sizes.height // sizes.latent_factor, sizes.width // sizes.latent_factor),
        in_channels=sizes.latent_channels,
        out_channels=sizes.latent_channels,
        block_out_channels=sizes.unet_channels,
        layers_per_block=sizes.unet_layers,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * coarse,
        up_block_types=("CrossAttnUpBlock2D",) * coarse + ("UpBlock2D",),
        cross_attention_dim=sizes.text_width,
        # diffusers calls the number of heads "attention_head_dim" here
        attention_head_dim=tuple(channels // sizes.head_width for channels in sizes.unet_channels),
        norm_num_groups=sizes.unet_groups,
    )


def new_vae(sizes: Sizes) -> AutoencoderKL:
    """The autoencoder of frames; no attention, so that it costs the same per pixel at any size; random
    weights.

    Latents are of unit variance once the normalisation is folded into quant_conv, hence `scaling_factor=1`.
    """
    levels = len(sizes.vae_channels)
    return AutoencoderKL(
        block_out_channels=sizes.vae_channels,
        layers_per_block=sizes.vae_layers,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=sizes.latent_channels,
        norm_num_groups=sizes.vae_groups,
        mid_block_add_attention=False,
        sample_size=max(sizes.width, sizes.height),
        scaling_factor=1.0,
        force_upcast=False,
    )


def new_text(sizes: Sizes, words: Iterable[str]) -> tuple[PreTrainedTokenizerFast, CLIPTextModel]:
    """A word-level tokenizer that knows `words`, and a text encoder with random weights for it."""
    normalizer = normalizers.Sequence(
        # what is neither a word nor a full stop or comma says nothing in a caption
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"[^\w\s.,]|_"), " ")]
    )
    splitter = pre_tokenizers.Whitespace()
    tokens = {"<pad>": 0, "<bos>": 1, "<eos>": 2, "<unk>": 3, ".": 4, ",": 5}
    for word in sorted(words):
        for piece, _ in splitter.pre_tokenize_str(normalizer.normalize_str(word)):
            tokens.setdefault(piece, len(tokens))
    backend = Tokenizer(models.WordLevel(tokens, unk_token="<unk>"))
    backend.normalizer = normalizer
    backend.pre_tokenizer = splitter
    backend.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", tokens["<bos>"]), ("<eos>", tokens["<eos>"])]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=sizes.text_tokens,
    )
    config = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=sizes.text_width,
        intermediate_size=sizes.text_intermediate,
        projection_dim=sizes.text_width,
        num_hidden_layers=sizes.text_layers,
        num_attention_heads=sizes.text_heads,
        max_position_embeddings=sizes.text_tokens,
        pad_token_id=tokens["<pad>"],
        bos_token_id=tokens["<bos>"],
        eos_token_id=tokens["<eos>"],
    )
    return tokenizer, CLIPTextModel(config)


# What the upscaler can learn from is the fine differences in three channels of the frame; 48 channels of noise drown
# them. With the usual weights a run of 7 300 steps on a GPU stayed at bicubic (29.09 against 29.07 dB); with these, 160
# steps of 12 patches, all from pure noise, end 1.0 dB above it.
NOISE_GAIN, FRAME_GAIN = 0.1, 4.0


def new_upscaler(sizes: Sizes) -> UNet2DConditionModel:
    """The pixel upscaler's denoiser (METHOD §6): convolutions only, so that it runs on frames of any size.

    In: the noisy residual folded 4×4 (3·16 channels) and the low-resolution frame (3); out: the prediction
    for the residual. The noise level of the low-resolution frame, 0..999, comes in as class label. Random
    weights, the first layer's scaled by NOISE_GAIN and FRAME_GAIN.
    """
    levels = len(sizes.upscaler_channels)
    folded = 3 * sizes.upscale**2
    unet = UNet2DConditionModel(
        sample_size=(sizes.height, sizes.width),
        in_channels=folded + 3,
        out_channels=folded,
        block_out_channels=sizes.upscaler_channels,
        layers_per_block=sizes.upscaler_layers,
        down_block_types=("DownBlock2D",) * levels,
        up_block_types=("UpBlock2D",) * levels,
        mid_block_type="UNetMidBlock2D",
        class_embed_type="timestep",
        cross_attention_dim=8,  # nothing attends to text; the smallest width that the class accepts
        attention_head_dim=8,
        norm_num_groups=sizes.upscaler_groups,
    )
    with torch.no_grad():
        unet.conv_in.weight[:, :folded] *= NOISE_GAIN
        unet.conv_in.weight[:, folded:] *= FRAME_GAIN
    return unet


def new_pack(
    folder: str | Path,
    sizes: Sizes = TINY,
    words: Iterable[str] | None = None,
    name: str | None = None,
    zero_init: bool = True,
    seed: int = 0,
) -> Pack:
    """A complete pack with random weights in `folder`, and opened. The same seed gives the same weights.

    `words` the text encoder shall know: Toyland's vocabulary by default. With `zero_init=False` the last
    layers of the temporal branches and of the upscaler are random too, so that what they do can be seen (trained
    ones start as the identity, and as a bicubic filter). Raises RequestError when the folder already holds a pack.
    """
    folder = Path(folder)
    if (folder / MANIFEST).exists():
        raise RequestError(f"{folder} already holds a pack; name another folder")
    if words is None:
        from vldm_cli.toyland.captions import vocabulary

        words = vocabulary()
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder, _manifest(sizes, name or folder.name))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer, text = new_text(sizes, words)
        tokenizer.save_pretrained(folder / "tokenizer")
        save_part(folder, "text", text)
        save_part(folder, "vae", new_vae(sizes))
        save_part(folder, "unet", new_unet(sizes))
        upscaler = new_upscaler(sizes)
        if zero_init:
            # a prediction of nothing is a residual of nothing: training starts at the bicubic enlargement
            torch.nn.init.zeros_(upscaler.conv_out.weight)
            torch.nn.init.zeros_(upscaler.conv_out.bias)
        save_part(folder, "upscaler_pixel", upscaler)
        for part, model, own in (
            ("keyframes", new_unet(sizes), {}),
            ("interpolation", new_unet(sizes), {}),
            ("upscaler_pixel_temporal", new_upscaler(sizes), {"context_channels": 0}),
            ("decoder", new_vae(sizes), None),
        ):
            video = align(model) if own is None else align(model, embed_dim=sizes.temporal_embed, **own)
            if not zero_init:
                _randomise_zeros(video)
            save_part(folder, part, video)
    scheduler = DDIMScheduler(**SCHEDULE)
    scheduler.save_pretrained(folder / "scheduler")
    scheduler.save_pretrained(folder / "upscaler_pixel" / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(_model_index(), indent=2) + "\n")
    seal(folder)
    return Pack.open(os.path.abspath(folder))


def _randomise_zeros(video) -> None:
    for parameter in video.temporal_parameters():
        if parameter.ndim > 1 and not parameter.detach().any():
            torch.nn.init.normal_(parameter, std=0.05)


def _manifest(sizes: Sizes, name: str) -> dict:
    return {
        "name": name,
        "version": 1,
        "licence": "Apache-2.0",
        "description": f"{name}: a Video LDM for {sizes.width}×{sizes.height} video",
        "video": {
            "width": sizes.width,
            "height": sizes.height,
            "fps": "24",
            "keyframe_step": 16,
            "window": 8,
            "context": 2,
            "latent_factor": sizes.latent_factor,
            "size_multiple": sizes.size_multiple,
        },
        "defaults": sizes.defaults,
        "files": {},
    }


def _model_index() -> dict:
    """What stock diffusers needs to open the image part as a Stable Diffusion pipeline."""
    return {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
