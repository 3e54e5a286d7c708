import shutil

import pytest
import torch

from tests.tiny import tiny_pack
from vldm_cli.packs.pack import Pack
from vldm_cli.train.objectives import image, temporal, upscaler


@pytest.fixture(scope="session")
def new(tmp_path_factory):
    """A tiny pack as training finds it: temporal layers are the identity."""
    return tiny_pack(tmp_path_factory.mktemp("new"), zero_init=True)


@pytest.fixture
def pack(new, tmp_path):
    """A copy of it that is this test's own."""
    return Pack.open(shutil.copytree(new.folder, tmp_path / new.folder.name))


@pytest.fixture(autouse=True)
def quick_and_reproducible(monkeypatch):
    """Two denoising steps and three clips for a sample sheet will do."""
    monkeypatch.setattr(temporal, "SHEET_STEPS", 2)
    monkeypatch.setattr(image, "SHEET_STEPS", 2)
    monkeypatch.setattr(upscaler, "SHEET_CLIPS", 3)
    torch.manual_seed(0)
