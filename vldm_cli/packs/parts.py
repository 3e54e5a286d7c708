"""Where each part of a pack lies, and what belongs to what. No torch."""

from pathlib import PurePosixPath

# Which pictures and clips of others a pack was trained on, with their licences; no such file: none.
SOURCES = "SOURCES.csv"

# The folder of what measures videos; nothing in it makes any.
PROBE = "probe/"

# Where each part of a pack lies.
PARTS = {
    "unet": "unet/diffusion_pytorch_model.safetensors",
    "vae": "vae/diffusion_pytorch_model.safetensors",
    "text": "text_encoder/model.safetensors",
    "keyframes": "temporal/keyframes.safetensors",
    "interpolation": "temporal/interpolation.safetensors",
    "decoder": "temporal/decoder.safetensors",
    "upscaler_pixel": "upscaler_pixel/unet/diffusion_pytorch_model.safetensors",
    "upscaler_pixel_temporal": "upscaler_pixel/temporal.safetensors",
    "upscaler_pixel_own": "upscaler_pixel/own.safetensors",  # for frames that the pack makes itself
    "upscaler_latent_vae": "upscaler_latent/vae/diffusion_pytorch_model.safetensors",
    "upscaler_latent": "upscaler_latent/unet/diffusion_pytorch_model.safetensors",
    "upscaler_latent_temporal": "upscaler_latent/temporal.safetensors",
    "upscaler_frame_temporal": "upscaler_frame/temporal.safetensors",
    "probe": f"{PROBE}diffusion_pytorch_model.safetensors",  # no model of videos: what measures them
}

# The parts that are temporal layers alone; the others are whole image models.
TEMPORAL_PARTS = (
    "keyframes",
    "interpolation",
    "decoder",
    "upscaler_pixel_temporal",
    "upscaler_pixel_own",
    "upscaler_latent_temporal",
    "upscaler_frame_temporal",
)
# Of these, second sets of some of a part's layers, which a pack may have: its own frames are of one world, clips of
# people's own of many, and what makes the former steady makes the latter soft.
OWN = {"upscaler_pixel_temporal": "upscaler_pixel_own"}

# What an upscaler of each space (`manifest.SPACES`) is made of, and what `vldm train` calls that, in its order.
UPSCALERS = {
    "pixel": {"upscaler_pixel": "upscaler-image", "upscaler_pixel_temporal": "upscaler"},
    "latent": {
        "upscaler_latent_vae": "upscaler-latent-autoencoder",
        "upscaler_latent": "upscaler-latent-image",
        "upscaler_latent_temporal": "upscaler-latent",
    },
}
# What an upscaler of whole frames is made of, which a pack names and `vldm train` does not train.
FRAME_UPSCALER = ("upscaler_frame", "upscaler_frame_vae", "upscaler_frame_text", "upscaler_frame_tokenizer")

# The text encoders of an image model, each with a tokenizer ("tokenizer", "tokenizer_2"): Stable Diffusion XL has two.
TEXTS = ("text", "text_2")

# The tokenizer's two files, and the noise schedules of the image LDM and of each upscaler.
TOKENIZER, TOKENIZER_CONFIG = "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"
SCHEDULERS = {
    "unet": "scheduler/scheduler_config.json",
    **{f"upscaler_{space}": f"upscaler_{space}/scheduler/scheduler_config.json" for space in UPSCALERS},
}


def config_of(part: str) -> str:
    """The configuration of a part that is a whole model."""
    return str(PurePosixPath(PARTS[part]).with_name("config.json"))


def companions(part: str) -> tuple[str, ...]:
    """The files besides its weights without which a part cannot be used."""
    if part in TEMPORAL_PARTS:
        return ()
    words = (TOKENIZER, TOKENIZER_CONFIG) if part == "text" else ()
    schedule = (SCHEDULERS[part],) if part in SCHEDULERS else ()
    return (config_of(part), *words, *schedule)
