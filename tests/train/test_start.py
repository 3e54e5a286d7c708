import pytest
import torch

from vldm_cli.train.objectives import OBJECTIVES
from vldm_cli.train.start import COMPILE_MINUTES, renders_compiled


@pytest.mark.parametrize(
    ("part", "device", "minutes", "compiled"),
    [
        ("keyframes", "cuda", COMPILE_MINUTES, True),
        ("image", "cuda", None, True),
        ("image", "cuda", COMPILE_MINUTES / 2, False),
        ("autoencoder", "cuda", 60.0, False),
        ("keyframes", "cpu", 60.0, False),
    ],
)
def test_the_renderer_is_compiled_where_that_pays(part, device, minutes, compiled):
    assert renders_compiled(OBJECTIVES[part], torch.device(device), minutes) == compiled
