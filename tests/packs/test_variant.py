import pytest
import torch

from tests.tiny import tiny_pack
from vldm_cli.align.temporal import read_temporal
from vldm_cli.errors import RequestError
from vldm_cli.packs.load import load_interpolation, load_keyframes, load_upscaler
from vldm_cli.packs.pack import PARTS, Pack
from vldm_cli.packs.save import save_part
from vldm_cli.packs.variant import new_variant


@pytest.fixture
def pack(tmp_path):
    return tiny_pack(tmp_path)


def test_only_its_temporal_layers_are_new(pack, tmp_path):
    before = {name: pack.path(name).read_bytes() for name in pack.manifest.files}
    made = new_variant(pack, tmp_path / "v", "keyframes", layers="attention")
    assert {n for n in before if made.path(n).read_bytes() != before[n]} == {PARTS["keyframes"]}
    assert Pack.open(tmp_path / "v").manifest.hash != pack.manifest.hash
    # the pack itself is as it was
    assert all(pack.path(name).read_bytes() == data for name, data in before.items())
    assert Pack.open(pack.folder)
    model = load_keyframes(made)
    assert model.sizes["layers"] == "attention"
    # new layers are the identity
    z, text = torch.randn(1, 3, 4, 8, 12), torch.randn(1, 5, 32)
    made = model(z, 500, text)
    with model.temporal_off():
        assert torch.allclose(made, model(z, 500, text), atol=1e-5)
    with pytest.raises(RequestError, match="already holds a pack"):
        new_variant(pack, tmp_path / "v", "keyframes")


def test_a_second_set_of_the_layers_that_are_new_stays_behind(pack, tmp_path):
    save_part(pack.folder, "upscaler_pixel_own", load_upscaler(pack))
    pack = Pack.open(pack.folder)
    assert not new_variant(pack, tmp_path / "v", "upscaler_pixel_temporal").has("upscaler_pixel_own")
    assert new_variant(pack, tmp_path / "w", "decoder").has("upscaler_pixel_own")
    assert all(Pack.open(tmp_path / name) for name in "vw")


def test_sizes_are_the_packs_own_but_for_those_given(pack, tmp_path):
    own = read_temporal(pack.path(PARTS["interpolation"]))[1]
    made = new_variant(pack, tmp_path / "v", "interpolation", factor=16)
    assert read_temporal(made.path(PARTS["interpolation"]))[1] == {**own, "factor": 16}
    assert load_interpolation(made).sizes["factor"] == 16
    for part in ("decoder", "upscaler_pixel_temporal"):
        kept = read_temporal(pack.path(PARTS[part]))[1]
        assert read_temporal(new_variant(pack, tmp_path / part, part).path(PARTS[part]))[1] == kept
