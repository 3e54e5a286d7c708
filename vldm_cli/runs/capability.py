"""What a GPU of this machine can do. No torch until it is asked."""


def fast_in_float16(device: str = "cuda") -> bool:
    """Whether a CUDA GPU of this machine has matrix units: all that have some take float16, from Volta on (compute
    capability 7)."""
    import torch

    return torch.cuda.get_device_capability(device)[0] >= 7
