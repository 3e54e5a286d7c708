"""vldm: long, high-resolution video from text with a Video LDM (Blattmann et al., CVPR 2023)."""

__version__ = "0.1.0"
