import pytest

import vldm_cli as vldm
from tests.commands.conftest import vldm as command

__all__ = ["command"]


@pytest.fixture(scope="session")
def pack(tiny_pack):
    """The tiny pack, its models kept."""
    return vldm.load_pack(tiny_pack.folder, device="cpu", dtype="float32")
