"""Image models in the shapes of the public ones, made small."""

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel


def stable_diffusion_15() -> UNet2DConditionModel:
    """Four levels, convolutional projections, eight heads everywhere."""
    return _unet(block_out_channels=(8, 16, 16, 16), cross_attention_dim=12, attention_head_dim=4)


def stable_diffusion_21() -> UNet2DConditionModel:
    """Heads of equal width, linear projections, upcast attention."""
    return _unet(
        block_out_channels=(8, 16, 16, 16),
        cross_attention_dim=20,
        attention_head_dim=(1, 2, 2, 2),
        use_linear_projection=True,
        upcast_attention=True,
    )


def times_four_upscaler() -> UNet2DConditionModel:
    """Latents and low-resolution frame in, a noise level as class, cross attention on the coarse levels alone."""
    return _unet(
        in_channels=7,
        block_out_channels=(8, 16, 16),
        cross_attention_dim=20,
        attention_head_dim=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        only_cross_attention=(True, True, False),
        num_class_embeds=1000,
        use_linear_projection=True,
    )


def _unet(**config) -> UNet2DConditionModel:
    torch.manual_seed(0)
    levels = len(config["block_out_channels"])
    if "down_block_types" not in config:
        config["down_block_types"] = ("CrossAttnDownBlock2D",) * (levels - 1) + ("DownBlock2D",)
        config["up_block_types"] = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (levels - 1)
    config = {"in_channels": 4, "out_channels": 4, "layers_per_block": 1, "norm_num_groups": 4, **config}
    return UNet2DConditionModel(**config).eval()


def autoencoder() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 16, 16),
        latent_channels=4,
        norm_num_groups=4,
    ).eval()


UNETS = {"sd15": stable_diffusion_15, "sd21": stable_diffusion_21, "x4": times_four_upscaler}


def unet_inputs(unet: UNet2DConditionModel, B: int = 2, T: int = 5, size: tuple[int, int] = (8, 12)) -> dict:
    """Random arguments of a `VideoUNet` over this UNet."""
    torch.manual_seed(1)
    extra = unet.config.in_channels - unet.config.out_channels
    return {
        "z_BTCHW": torch.randn(B, T, unet.config.out_channels, *size),
        "timestep": torch.tensor([300, 700])[:B],
        "text_BLD": torch.randn(B, 3, unet.config.cross_attention_dim),
        "frame_step": torch.tensor([16, 4])[:B],
        "extra_BTCHW": torch.randn(B, T, extra, *size) if extra else None,
        "class_labels": torch.tensor([20, 40])[:B] if unet.config.num_class_embeds else None,
    }


def randomise(model) -> None:
    """Gives every temporal parameter a random value, so that no layer is the identity any more."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in model.temporal_parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))


def first_video(inputs: dict) -> dict:
    """The inputs of the first video of a batch alone."""
    return {k: None if v is None else v[:1] for k, v in inputs.items()}
