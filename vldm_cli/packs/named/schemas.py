"""What the configurations of public checkpoints may say besides those that packs have themselves: as
`packs.schemas`, one table a class. No torch."""

from vldm_cli.packs.contents import Kind
from vldm_cli.packs.schemas import SCHEDULER, TEXT, UNET, UNET_NEEDS, VAE, VAE_NEEDS
from vldm_cli.packs.values import Each, Flag, OneOf, Schema, Whole, some

_CHANNELS = Whole(1, 8192)
_LEVELS = 8
_DEEP = some(Whole(1, 16))


def _blocks(kind: str):
    """Block types of a UNet, its blocks' names ending so."""
    names = [f"{cross}{side}Block{kind}" for cross in ("", "CrossAttn") for side in ("Down", "Up")]
    return Each(OneOf(tuple(names)), 1, _LEVELS)


def _some_of(schema: Schema, *names: str) -> dict:
    return {name: schema[name] for name in names}


_BLOCKS = ("down_block_types", "up_block_types")
SVD: Schema = {
    **_some_of(UNET, "sample_size", "in_channels", "out_channels", "block_out_channels", "layers_per_block"),
    **_some_of(UNET, "cross_attention_dim", "transformer_layers_per_block"),
    **dict.fromkeys(_BLOCKS, _blocks("SpatioTemporal")),
    "addition_time_embed_dim": Whole(2, 4096),
    "projection_class_embeddings_input_dim": Whole(2, 65536),
    "num_attention_heads": some(Whole(1, 1024)),
    "num_frames": Whole(1, 1024),
}
MODELSCOPE: Schema = {
    **_some_of(UNET, "sample_size", "in_channels", "out_channels", "block_out_channels", "layers_per_block"),
    **_some_of(UNET, "downsample_padding", "mid_block_scale_factor", "act_fn", "norm_num_groups", "norm_eps"),
    **dict.fromkeys(_BLOCKS, _blocks("3D")),
    "cross_attention_dim": _CHANNELS,
    "attention_head_dim": Whole(1, 1024),
}
# The image model's sizes say the others.
MOTION: Schema = {
    "block_out_channels": Each(_CHANNELS, 1, _LEVELS),
    "motion_layers_per_block": _DEEP,
    "motion_mid_block_layers_per_block": Whole(1, 16),
    "motion_num_attention_heads": some(Whole(1, 256)),
    "motion_norm_num_groups": Whole(1, 1024),
    "motion_max_seq_length": Whole(1, 1024),
    "use_motion_mid_block": Flag(),
}
SPARSECTRL: Schema = {
    **_some_of(UNET, "in_channels", "block_out_channels", "layers_per_block", "downsample_padding"),
    **_some_of(UNET, "mid_block_scale_factor", "act_fn", "norm_num_groups", "norm_eps", "attention_head_dim"),
    **_some_of(
        UNET, "only_cross_attention", "use_linear_projection", "num_attention_heads", "upcast_attention"
    ),
    **_some_of(UNET, "transformer_layers_per_block", "flip_sin_to_cos", "freq_shift"),
    "conditioning_channels": Whole(1, 64),
    "down_block_types": _blocks("Motion"),
    "cross_attention_dim": _CHANNELS,
    "conditioning_embedding_out_channels": Each(_CHANNELS, 1, _LEVELS),
    "motion_max_seq_length": Whole(1, 1024),
    "motion_num_attention_heads": Whole(1, 256),
    "concat_conditioning_mask": Flag(),
    "use_simplified_condition_embedding": Flag(),
}
SVD_DECODER: Schema = {
    **_some_of(
        VAE, "in_channels", "out_channels", "down_block_types", "block_out_channels", "latent_channels"
    ),
    **_some_of(VAE, "layers_per_block", "sample_size", "scaling_factor", "force_upcast"),
}
EYES: Schema = {
    **_some_of(TEXT, "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers"),
    **_some_of(TEXT, "num_attention_heads", "hidden_act", "layer_norm_eps", "attention_dropout"),
    **_some_of(TEXT, "initializer_range", "initializer_factor", "torch_dtype", "dtype"),
    "num_channels": OneOf((3,)),
    "image_size": Whole(8, 4096),
    "patch_size": Whole(1, 1024),
    "model_type": OneOf(("clip_vision_model",)),
}

_TEMPORAL_UNET = (*UNET_NEEDS, "down_block_types", "up_block_types")
FAMILY_KINDS = {
    "animatediff": Kind(MOTION, (), "MotionAdapter"),
    "animatediff-window": Kind(MOTION, (), "MotionAdapter"),
    "svd": Kind(
        SVD,
        (*_TEMPORAL_UNET, "num_attention_heads", "projection_class_embeddings_input_dim"),
        "UNetSpatioTemporalConditionModel",
    ),
    "modelscope": Kind(MODELSCOPE, (*_TEMPORAL_UNET, "attention_head_dim"), "UNet3DConditionModel"),
    "svd-decoder": Kind(SVD_DECODER, VAE_NEEDS, "AutoencoderKLTemporalDecoder"),
}
# Of these, those whose files hold an image model, too.
WHOLE = ("svd", "modelscope")
SPARSECTRL_KIND = Kind(SPARSECTRL, ("block_out_channels", "cross_attention_dim"), "SparseControlNetModel")
EYES_KIND = Kind(EYES, ("hidden_size", "num_hidden_layers", "image_size", "patch_size", "model_type"))
# Stable Diffusion 1's own does not say what it predicts: the noise, as diffusers takes it then.
SCHEDULE_KIND = Kind(SCHEDULER, ("num_train_timesteps",))
# The bundled schedules that layers were trained with, of families whose files bring none.
FAMILY_SCHEDULES = {
    "animatediff": "animatediff",
    "animatediff-window": "animatediff",
    "svd": "svd",
    "modelscope": "modelscope",
}
