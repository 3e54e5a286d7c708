import pytest

from tests.tiny import tiny_pack as make_tiny_pack


@pytest.fixture(scope="session")
def tiny_pack(tmp_path_factory):
    """One tiny pack for the whole run: read it, never write to it (copy its folder for that)."""
    return make_tiny_pack(tmp_path_factory.mktemp("packs"))
