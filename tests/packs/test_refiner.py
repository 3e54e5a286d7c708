"""The refiner that comes with vldm, and its manifest."""

import hashlib

import pytest

from vldm_cli.errors import RequestError
from vldm_cli.motion.refiner import Refiner
from vldm_cli.motion.saved import save_refiner
from vldm_cli.packs import refiner


@pytest.fixture
def folder(tmp_path, monkeypatch):
    save_refiner(tmp_path / "refiner.safetensors", Refiner((8, 8, 8)))
    sha256 = hashlib.sha256((tmp_path / "refiner.safetensors").read_bytes()).hexdigest()
    (tmp_path / "refiner.toml").write_text(
        f'name = "small"\nfile = "refiner.safetensors"\nsha256 = "{sha256}"\n'
    )
    monkeypatch.setattr(refiner, "shipped_refiner", lambda: tmp_path)
    return tmp_path


def test_the_one_that_comes_with_vldm_is_found_by_its_manifest(folder):
    found = refiner.open_refiner(None)
    assert found.name == "small" and not found.given and found.network.widths == (8, 8, 8)
    own = refiner.open_refiner(folder)
    assert own.given and own.sha256 == found.sha256 and own.name == "refiner.safetensors"


def test_damage_is_told(folder):
    path = folder / "refiner.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(RequestError, match=r"is not the file that refiner.toml lists; install vldm again"):
        refiner.open_refiner(None)
    with pytest.raises(RequestError, match=r"^--refiner .* is truncated; name a file"):
        refiner.open_refiner(path)
    (folder / "refiner.toml").write_text("name = 1")
    with pytest.raises(RequestError, match=r"refiner.toml cannot be used"):
        refiner.open_refiner(None)
