import pytest
import torch

from tests.tiny import tiny_pack


@pytest.fixture
def pack(tmp_path):
    """A tiny pack of this test's own, temporal layers being the identity, as training finds them."""
    return tiny_pack(tmp_path, zero_init=True)


@pytest.fixture(autouse=True)
def reproducible():
    torch.manual_seed(0)
