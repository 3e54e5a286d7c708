"""How large the models of a pack are: Toyland's sizes, and tiny ones for tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AutoencoderSizes:
    """Sizes of the autoencoder of an upscaler; it has a latent cell for each low-resolution pixel."""

    latent_channels: int
    channels: tuple[int, ...]
    layers: int
    groups: int


@dataclass(frozen=True)
class UpscalerSizes:
    """Sizes of the UNet of an upscaler, and of its autoencoder; None where pixels are folded instead."""

    channels: tuple[int, ...]
    layers: int
    groups: int
    autoencoder: AutoencoderSizes | None = None


@dataclass(frozen=True)
class Sizes:
    """Sizes of every model of a pack. Channels are listed from the finest level to the coarsest; the
    autoencoder halves the frame once less than it has levels, so `latent_factor` follows from
    `vae_channels`. window: keyframes that are made at once."""

    width: int
    height: int
    window: int
    latent_channels: int
    unet_channels: tuple[int, ...]
    unet_layers: int
    head_width: int
    unet_groups: int
    vae_channels: tuple[int, ...]
    vae_layers: int
    vae_groups: int
    text_width: int
    text_layers: int
    text_heads: int
    text_intermediate: int
    text_tokens: int
    reader_width: int
    temporal_waves: int
    temporal_embed: int
    upscale: int
    upscalers: dict[str, UpscalerSizes]
    defaults: dict

    @property
    def latent_factor(self) -> int:
        """Pixels along one side of a latent cell."""
        return 2 ** (len(self.vae_channels) - 1)

    @property
    def size_multiple(self) -> int:
        """What width and height of a frame must be divisible by, so that every level of the UNet is whole."""
        return self.latent_factor * 2 ** (len(self.unet_channels) - 1)

    def denoised(self, space: str) -> int:
        """Channels of what the upscaler of that space denoises for each low-resolution pixel."""
        autoencoder = self.upscalers[space].autoencoder
        return 3 * self.upscale**2 if autoencoder is None else autoencoder.latent_channels


TOYLAND = Sizes(
    width=256,
    height=160,
    window=8,
    latent_channels=8,
    unet_channels=(128, 128, 160),
    unet_layers=1,
    head_width=32,
    unet_groups=16,
    vae_channels=(32, 64, 96, 128),
    vae_layers=1,
    vae_groups=16,
    text_width=192,
    text_layers=3,
    text_heads=6,
    text_intermediate=512,
    text_tokens=48,
    reader_width=128,
    temporal_waves=32,
    temporal_embed=64,
    upscale=4,
    upscalers={
        "pixel": UpscalerSizes((48, 64, 80), 2, 8),
        # 1.3 million parameters, 2.4 MiB, in all. The bits of a photograph that a bicubic enlargement lacks are worth 8
        # channels: of 4×4 pixels' 48 numbers the first 4 principal components carry 59 %, the first 8 carry 83 %.
        "latent": UpscalerSizes((48, 56), 1, 8, AutoencoderSizes(8, (16, 32, 48), 1, 8)),
    },
    defaults={
        "keyframe_steps": 12,
        "interpolation_steps": [2, 1],
        "guidance": 3.0,
        "context_guidance": 1.5,
        "upscale_steps": 1,
        "upscale_noise": 0.0,
        "upscale_space": "pixel",
        "scheduler": "dpm++",
        "decode_window": 16,
        "decode_overlap": 2,
        "upscale_window": 8,
        "upscale_overlap": 1,
        "interpolation_window": 4,
        "shared_noise": 0.1,
        # with even steps the colours of the first window come out otherwise than those of the next ones
        "timestep_shift": 4.0,
        # what rests departs from its neighbours by .03 to .15, what moves by .3 and more
        "still": 0.18,
    },
)

# Not Toyland's numbers with less in them: another latent factor, another window and other overlaps, so that
# a test notices where one of them has been assumed.
TINY = Sizes(
    width=48,
    height=32,
    window=8,
    latent_channels=4,
    unet_channels=(16, 32),
    unet_layers=1,
    head_width=8,
    unet_groups=8,
    vae_channels=(8, 16, 16),
    vae_layers=1,
    vae_groups=8,
    text_width=16,
    text_layers=1,
    text_heads=2,
    text_intermediate=32,
    text_tokens=48,
    reader_width=16,
    temporal_waves=4,
    temporal_embed=16,
    upscale=4,
    upscalers={
        "pixel": UpscalerSizes((8, 16), 1, 8),
        "latent": UpscalerSizes((8, 16), 1, 4, AutoencoderSizes(4, (8, 8, 16), 1, 4)),
    },
    defaults={
        **TOYLAND.defaults,
        "keyframe_steps": 2,
        "interpolation_steps": [2, 1],
        "upscale_steps": 1,
        "decode_window": 8,
        "decode_overlap": 2,
        "upscale_window": 6,
        "upscale_overlap": 2,
        "shared_noise": 0.0,
    },
)
