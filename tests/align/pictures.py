"""A picture, and videos in which it moves."""

import pytest
import torch
from torch.nn import functional as F


@pytest.fixture
def picture():
    """A smooth random picture, (1, 3, 80, 120) in [−1, 1]."""
    rough = torch.rand(1, 3, 12, 18, generator=torch.Generator().manual_seed(0))
    return F.interpolate(rough, size=(80, 120), mode="bicubic").clamp(0, 1) * 2 - 1


def moving(picture, dx, dy, frames):
    """The picture moving by whole pixels behind a window of 48×80."""
    return torch.cat(
        [picture[:, :, 16 - t * dy : 64 - t * dy, 20 - t * dx : 100 - t * dx] for t in range(frames)]
    )
