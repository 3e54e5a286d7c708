import pytest

from vldm_cli.errors import RequestError
from vldm_cli.packs import listed
from vldm_cli.packs.origins.digests import digest

TABLE = 'name = "mine"\nfile = "{}"\nsha256 = "{}"\n'


def test_a_file_is_what_its_manifest_says(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    manifest, sha256 = tmp_path / "m.toml", digest(tmp_path / "w.safetensors")
    manifest.write_text(TABLE.format("w.safetensors", sha256))
    assert listed.listed(tmp_path, "m.toml") == (tmp_path / "w.safetensors", "mine", sha256)
    (tmp_path / "w.safetensors").write_bytes(b"others")
    with pytest.raises(RequestError, match="not the file that"):
        listed.listed(tmp_path, "m.toml")


@pytest.mark.parametrize("text", ["name = 1", "[", TABLE.format("../w", "0"), TABLE.format("none", "0")])
def test_manifests_that_name_nothing_of_use(tmp_path, text):
    (tmp_path.parent / "w").touch()
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(RequestError, match="install vldm again"):
        listed.listed(tmp_path, "m.toml")


def test_those_that_ship_are_found():
    assert [folder.name for folder in listed.folders_with("refiner.toml")] == ["refiner"]
