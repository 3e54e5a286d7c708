"""`align`: image models become video models by temporal layers on frozen spatial ones (Video LDM, §3)."""

from vldm_cli.align.align import align
from vldm_cli.align.context import Context
from vldm_cli.align.decoder import VideoDecoder
from vldm_cli.align.unet import VideoUNet

__all__ = ["Context", "VideoDecoder", "VideoUNet", "align"]
