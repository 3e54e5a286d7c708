"""How far points are from the nearest of others."""

import torch
from torch import Tensor

# Numbers in flight, of some ten tensors: few enough for the cache on a CPU, 128 MB each on a GPU.
FLIGHT_CPU, FLIGHT_GPU = 1 << 17, 1 << 25


def nearest(a_NAD: Tensor, b_NBD: Tensor) -> Tensor:
    """(N, A) float32: the distance of each point a from the nearest of the points b of its row."""
    if a_NAD.device.type == "mps":  # which has no double precision
        return nearest(a_NAD.cpu(), b_NBD.cpu()).to(a_NAD.device)
    # in double precision, in which |a|² + |b|² - 2ab is exact enough for what lies close: one product and a minimum
    a_NAD, b_NBD = a_NAD.double(), b_NBD.double()
    square_N1B = b_NBD.square().sum(-1)[:, None]
    points = max(1, min(a_NAD.shape[1], flight(a_NAD.device) // b_NBD.shape[1]))
    rows = max(1, flight(a_NAD.device) // (points * b_NBD.shape[1]))
    least_NA = torch.cat(
        [
            torch.cat(
                [torch.baddbmm(square, some, b.mT, alpha=-2).amin(-1) for some in a.split(points, 1)], 1
            )
            for a, b, square in zip(a_NAD.split(rows), b_NBD.split(rows), square_N1B.split(rows), strict=True)
        ]
    )
    return (least_NA + a_NAD.square().sum(-1)).clamp_min(0).sqrt().float()


def flight(device: torch.device) -> int:
    """How many numbers of a tensor to have in flight on a device."""
    return FLIGHT_CPU if device.type == "cpu" else FLIGHT_GPU
