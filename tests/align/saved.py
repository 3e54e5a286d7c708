"""Temporal layers out of a file of their own, over an image model: what loading a pack comes to."""

from vldm_cli.align.temporal import read_temporal


def read(kind, image_model, path):
    """`kind` (VideoUNet or VideoDecoder) of the image model with the layers of a file, in the file's sizes."""
    tensors, sizes = read_temporal(path)
    model = kind(image_model, **sizes)
    model.load_temporal_state_dict(tensors)
    return model
