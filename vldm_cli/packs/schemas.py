"""What the configurations in a pack may say: one table a file, with bounds that every known model of its kind is within
and that no memory is lost on. No torch.

Diffusers' classes take more than these; an entry that has no check here must be as the class has it by default
(`build.arguments`).
"""

from vldm_cli.packs.values import Check, Each, Either, Flag, OneOf, Real, Schema, Text, Whole, optional, some

_CHANNELS = Whole(1, 8192)
_LEVELS = 8
_ACTIVATION = OneOf(("silu", "swish", "mish", "gelu", "relu"))
_DEEP = some(Whole(1, 16))


def _blocks(*names: str) -> Check:
    return Each(OneOf(names), 1, _LEVELS)


UNET: Schema = {
    "sample_size": optional(Either((Whole(1, 4096), Each(Whole(1, 4096), 2, 2)))),
    "in_channels": Whole(1, 1024),
    "out_channels": Whole(1, 1024),
    "center_input_sample": Flag(),
    "flip_sin_to_cos": Flag(),
    "freq_shift": Real(-10, 10),
    "down_block_types": _blocks("DownBlock2D", "CrossAttnDownBlock2D"),
    "mid_block_type": OneOf(("UNetMidBlock2DCrossAttn", "UNetMidBlock2D")),
    "up_block_types": _blocks("UpBlock2D", "CrossAttnUpBlock2D"),
    "only_cross_attention": some(Flag()),
    "block_out_channels": Each(_CHANNELS, 1, _LEVELS),
    "layers_per_block": _DEEP,
    "downsample_padding": Whole(0, 8),
    "mid_block_scale_factor": Real(0, 1000, above=True),
    "dropout": Real(0, 1, below=True),
    "act_fn": _ACTIVATION,
    "norm_num_groups": Whole(1, 1024),
    "norm_eps": Real(0, 1, above=True),
    "cross_attention_dim": some(_CHANNELS),
    "transformer_layers_per_block": _DEEP,
    "attention_head_dim": some(Whole(1, 1024)),
    "num_attention_heads": optional(some(Whole(1, 1024))),
    "dual_cross_attention": Flag(),
    "use_linear_projection": Flag(),
    "class_embed_type": optional(OneOf(("timestep", "identity"))),
    "num_class_embeds": optional(Whole(1, 100_000)),
    "upcast_attention": optional(Flag()),
    "resnet_time_scale_shift": OneOf(("default", "scale_shift")),
    "conv_in_kernel": OneOf((1, 3, 5, 7)),
    "conv_out_kernel": OneOf((1, 3, 5, 7)),
    "class_embeddings_concat": Flag(),
    "mid_block_only_cross_attention": optional(Flag()),
    # Stable Diffusion XL's: the pooled text and the picture's size
    "addition_embed_type": optional(OneOf(("text_time",))),
    "addition_time_embed_dim": optional(Whole(2, 4096)),
    "projection_class_embeddings_input_dim": optional(Whole(2, 65536)),
}
UNET_NEEDS = ("in_channels", "out_channels", "block_out_channels", "cross_attention_dim")

VAE: Schema = {
    "in_channels": OneOf((3,)),
    "out_channels": OneOf((3,)),
    "down_block_types": _blocks("DownEncoderBlock2D"),
    "up_block_types": _blocks("UpDecoderBlock2D"),
    "block_out_channels": Each(_CHANNELS, 1, _LEVELS),
    "layers_per_block": Whole(1, 16),
    "act_fn": _ACTIVATION,
    "latent_channels": Whole(1, 128),
    "norm_num_groups": Whole(1, 1024),
    "sample_size": Whole(1, 65536),
    "scaling_factor": Real(1e-6, 1e6),
    "force_upcast": Flag(),
    "use_quant_conv": Flag(),
    "use_post_quant_conv": Flag(),
    "mid_block_add_attention": Flag(),
}
VAE_NEEDS = ("block_out_channels", "latent_channels")
# What diffusers takes where an autoencoder's configuration has no scaling_factor: Stable Diffusion's.
SD_SCALE = 0.18215
# Stable Diffusion XL's, whose autoencoders have the same shapes as the others'.
XL_SCALE = 0.13025

_TOKEN = Whole(0, 1_000_000)
_DTYPE = OneOf(("float32", "float16", "bfloat16"))
TEXT: Schema = {
    "vocab_size": Whole(1, 1_000_000),
    "hidden_size": _CHANNELS,
    "intermediate_size": Whole(1, 65536),
    "projection_dim": _CHANNELS,
    "num_hidden_layers": Whole(1, 64),
    "num_attention_heads": Whole(1, 256),
    "max_position_embeddings": Whole(3, 4096),
    "hidden_act": OneOf(("quick_gelu", "gelu")),
    "layer_norm_eps": Real(0, 1, above=True),
    "attention_dropout": Real(0, 1, below=True),
    "initializer_range": Real(0, 10),
    "initializer_factor": Real(0, 10),
    "pad_token_id": _TOKEN,
    "bos_token_id": _TOKEN,
    "eos_token_id": _TOKEN,
    "model_type": OneOf(("clip_text_model",)),
    "dtype": optional(_DTYPE),
    "torch_dtype": optional(_DTYPE),
}
TEXT_NEEDS = ("vocab_size", "hidden_size", "num_hidden_layers", "max_position_embeddings", "model_type")
# What transformers notes beside the architecture; none of it changes what is built.
TEXT_NOTES = ("architectures", "transformers_version", "torch_dtype", "dropout")

TOKENIZER: Schema = {
    "model_max_length": Whole(3, 4096),
    "bos_token": optional(Text(100)),
    "eos_token": Text(100),
    "pad_token": Text(100),
    "unk_token": Text(100),
}
TOKENIZER_NEEDS = ("model_max_length", "eos_token", "pad_token", "unk_token")

_SHARE = Real(0, 1)
SCHEDULER: Schema = {
    "num_train_timesteps": Whole(1, 10_000),
    "beta_start": Real(0, 1, above=True, below=True),
    "beta_end": Real(0, 1, above=True, below=True),
    "beta_schedule": OneOf(("scaled_linear", "linear", "squaredcos_cap_v2")),
    "trained_betas": optional(Each(_SHARE, 1, 10_000)),
    "prediction_type": OneOf(("v_prediction", "epsilon", "sample")),
    "rescale_betas_zero_snr": Flag(),
    "timestep_spacing": OneOf(("trailing", "leading", "linspace")),
    "steps_offset": Whole(0, 1000),
    "set_alpha_to_one": Flag(),
    "clip_sample": Flag(),
    "clip_sample_range": Real(0, 1000, above=True),
    "thresholding": Flag(),
    "dynamic_thresholding_ratio": _SHARE,
    "sample_max_value": Real(0, 1000, above=True),
    "skip_prk_steps": Flag(),  # of Stable Diffusion's own PNDM schedule, which others pass over
    # of Euler's, which counts in σ
    "use_karras_sigmas": optional(Flag()),
    "sigma_min": optional(Real(0, 1e6)),
    "sigma_max": optional(Real(0, 1e6)),
    "timestep_type": OneOf(("discrete", "continuous")),
    "interpolation_type": OneOf(("linear", "log_linear")),
    "final_sigmas_type": OneOf(("zero", "sigma_min")),
    # of latent consistency models
    "original_inference_steps": Whole(1, 10_000),
    "timestep_scaling": Real(0, 1000, above=True),
    # of DDPM's
    "variance_type": OneOf(("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log")),
}
SCHEDULER_NEEDS = ("num_train_timesteps", "prediction_type")

# The sizes in the metadata of temporal layers (`align.unet.VideoUNet`); those of a decoder have none.
TEMPORAL: Schema = {
    "context_channels": Whole(0, 1024),
    "context_dim": Whole(1, 4096),
    "embed_dim": Whole(2, 4096),
    "head_dim": Whole(1, 1024),
    "layers": OneOf(("both", "attention")),
    "factor": Whole(2, 64),
    "reach": OneOf(("time", "space-time")),
    "text_dim": Whole(0, 16384),
    "reader_dim": Whole(0, 8192),
    "waves": Whole(0, 4096),
    "repeated_ends": Flag(),
    "compensated": Flag(),
}
