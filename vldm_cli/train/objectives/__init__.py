"""The parts that can be trained, by the name that the command line uses."""

from vldm_cli.train.objectives.autoencoder import Autoencoder
from vldm_cli.train.objectives.base import Objective, Setup
from vldm_cli.train.objectives.decoder import Decoder
from vldm_cli.train.objectives.image import Image
from vldm_cli.train.objectives.probe import ProbeObjective
from vldm_cli.train.objectives.temporal import Interpolation, Keyframes
from vldm_cli.train.objectives.upscaler import (
    Upscaler,
    UpscalerImage,
    UpscalerLatent,
    UpscalerLatentImage,
    UpscalerOwn,
)
from vldm_cli.train.objectives.upscaler_autoencoder import UpscalerAutoencoder
from vldm_cli.train.objectives.upscaler_frame import UpscalerFrame

OBJECTIVES: dict[str, type[Objective]] = {
    o.part: o
    for o in (
        Autoencoder,
        Image,
        Keyframes,
        Interpolation,
        Decoder,
        UpscalerImage,
        Upscaler,
        UpscalerOwn,
        UpscalerAutoencoder,
        UpscalerLatentImage,
        UpscalerLatent,
        UpscalerFrame,
        ProbeObjective,
    )
}

__all__ = ["OBJECTIVES", "Objective", "Setup"]
