"""A GPU's beginning, beside Python's imports. No torch until it is asked."""

from contextlib import suppress
from threading import Thread

from vldm_cli.runs.here import Elsewhere


def awaken(device: str) -> None:
    """Has that GPU begin in a thread of its own: its context, its libraries for products and convolutions. To be called
    before what else is imported, once what was asked for has been checked; it does nothing on other devices."""
    if device.startswith("cuda") and not isinstance(device, Elsewhere):
        Thread(target=_awaken, args=(device,), name="awaken", daemon=True).start()


def _awaken(device: str) -> None:
    import torch

    with suppress(Exception), torch.inference_mode():  # whoever needs the GPU will meet the same, and tell it
        image = torch.ones(1, 16, 8, 8, dtype=torch.float16, device=device)
        torch.nn.functional.conv2d(image, torch.ones(16, 16, 3, 3, dtype=torch.float16, device=device))
        torch.mm(image[0, 0], image[0, 0])
        torch.cuda.synchronize(device)
