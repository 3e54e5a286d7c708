"""One engine that runs any model of the chain fast on a GPU: the same weights and, up to rounding, the same results.

`hasten` puts it under a model: blocks and temporal layers compute with Triton kernels over frames as they lie in
channels_last, and whole denoiser calls are recorded as CUDA graphs. Names and values of parameters stay what they are.
"""

from vldm_cli.align.fast.engine import hasten, hasten_autoencoder, pays
from vldm_cli.align.fast.ops import has_triton

__all__ = ["has_triton", "hasten", "hasten_autoencoder", "pays"]
