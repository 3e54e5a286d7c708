"""The models of the image LDM with random weights (METHOD §1): where training starts, and what tests run on."""

from collections.abc import Iterable

from diffusers import AutoencoderKL, UNet2DConditionModel
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from vldm_cli.packs.sizes import Sizes

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
    """The autoencoder of frames; random weights."""
    return plain_autoencoder(
        sizes.vae_channels,
        sizes.vae_layers,
        sizes.vae_groups,
        sizes.latent_channels,
        max(sizes.width, sizes.height),
    )


def plain_autoencoder(
    channels: tuple[int, ...], layers: int, groups: int, latent_channels: int, largest: int
) -> AutoencoderKL:
    """An autoencoder of pictures up to `largest` pixels along a side, halved once less than there are `channels`; no
    attention, so that it costs the same per pixel at any size.

    Latents are of unit variance once the normalisation is folded into quant_conv, hence `scaling_factor=1`.
    """
    return AutoencoderKL(
        block_out_channels=channels,
        layers_per_block=layers,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        latent_channels=latent_channels,
        norm_num_groups=groups,
        mid_block_add_attention=False,
        sample_size=largest,
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
