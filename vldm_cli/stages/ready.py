"""How a model is made ready for the device that it is to run on: what makes it fast there, or spares its memory."""

import torch

from vldm_cli.align.decoder import TemporalDecoder
from vldm_cli.align.fast import has_triton, hasten, pays
from vldm_cli.align.fast.deepcache import reuse
from vldm_cli.align.fast.fp8 import multiply_in_fp8
from vldm_cli.align.fine import finish_in_float32
from vldm_cli.align.foreign import ForeignUNet
from vldm_cli.align.small import decode_in_parts, offload, store_in_fp8
from vldm_cli.align.temporal import TemporalModel
from vldm_cli.align.unet import VideoUNet
from vldm_cli.stages.running import DEEPCACHE, FP8, LOWEST, Running
from vldm_cli.stages.upsampling import Model, fold_upsampling


def made_ready(
    model: Model, running: Running, device: torch.device, dtype: torch.dtype, *, low: bool, engine: bool
) -> Model:
    """The same model. low: whether weights of denoisers wait beside the GPU; engine: as `has_engine` has it."""
    lossy = DEEPCACHE in running.fast and isinstance(model, VideoUNet | ForeignUNet)
    if low and isinstance(model, VideoUNet | ForeignUNet):
        if running.memory == LOWEST:
            store_in_fp8(model, dtype)
        offload(model, device, dtype)
    elif device.type == "cpu":
        if dtype == torch.bfloat16 and isinstance(model, TemporalDecoder):
            finish_in_float32(model)
        fold_upsampling(model)  # on a GPU it has not been timed
    elif engine and isinstance(model, TemporalModel):
        # what is reused from step to step is not for recordings
        hasten(model, record=not lossy)
    if low and isinstance(model, TemporalDecoder):
        decode_in_parts(model)
    if FP8 in running.fast and isinstance(model, VideoUNet | ForeignUNet):
        multiply_in_fp8(model)
    if lossy and isinstance(model, VideoUNet | ForeignUNet):
        reuse(model.unet, model.state)
    return model


def has_engine(running: Running, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether models run by vldm's own kernels there."""
    if device.type != "cuda" or running.plain or not has_triton():
        return False
    return running.plain is False or (FP8 not in running.fast and pays(device, dtype))
