import pytest
import torch

from tests.tiny import tiny_pack
from vldm_cli.train.objectives import image, temporal, upscaler


@pytest.fixture
def pack(tmp_path):
    """A tiny pack of this test's own, temporal layers being the identity, as training finds them."""
    return tiny_pack(tmp_path, zero_init=True)


@pytest.fixture(autouse=True)
def quick_and_reproducible(monkeypatch):
    """Two denoising steps and three clips for a sample sheet will do."""
    monkeypatch.setattr(temporal, "SHEET_STEPS", 2)
    monkeypatch.setattr(image, "SHEET_STEPS", 2)
    monkeypatch.setattr(upscaler, "SHEET_CLIPS", 3)
    torch.manual_seed(0)
