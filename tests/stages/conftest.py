import pytest
import torch

from vldm_cli.runs.journal import Journal
from vldm_cli.stages.models import Models


@pytest.fixture(scope="session")
def models(tiny_pack):
    return Models(tiny_pack)


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / ".run", {}) as journal:
        yield journal


@pytest.fixture(autouse=True)
def inference():
    with torch.inference_mode():
        yield
