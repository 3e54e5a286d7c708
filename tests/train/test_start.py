import shutil

import pytest
import torch

from vldm_cli.errors import RequestError
from vldm_cli.packs.load import load_decoder, load_unet, load_vae
from vldm_cli.packs.pack import PARTS
from vldm_cli.packs.save import save_part
from vldm_cli.train import checkpoint
from vldm_cli.train.objectives import OBJECTIVES
from vldm_cli.train.start import COMPILE_MINUTES, renders_compiled, start

FEW = {"steps": 1, "batch": 1, "bank_frames": 4}


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


def weights(folder, part):
    return (folder / PARTS[part]).read_bytes()


def changed(pack, part, load):
    """As training that part anew would leave the pack."""
    model = load(pack)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.01)
    save_part(pack.folder, part, model)


def test_a_run_does_not_go_on_with_another_pack(pack, tmp_path):
    other = shutil.copytree(pack.folder, tmp_path / "other")
    start("autoencoder", str(pack.folder), "toyland", run=tmp_path / "run", **FEW)
    before = weights(other, "vae")
    with pytest.raises(RequestError, match=r"holds a run with pack .*, not .*other; choose another --run"):
        start("autoencoder", str(other), "toyland", run=tmp_path / "run", **FEW)
    assert weights(other, "vae") == before


def test_a_run_goes_on_only_over_the_weights_that_it_stands_on(pack):
    start("image", str(pack.folder), "toyland", **FEW)
    changed(pack, "unet", load_unet)
    changed(pack, "decoder", load_decoder)
    start("image", str(pack.folder), "toyland", **FEW)  # it trains the one, and has no use for the other
    before = weights(pack.folder, "unet")
    changed(pack, "vae", load_vae)
    with pytest.raises(RequestError, match=r"holds a run with sha256 of vae \w+, not \w+; choose another"):
        start("image", str(pack.folder), "toyland", **FEW)
    assert weights(pack.folder, "unet") == before


def test_a_run_that_did_not_tell_of_its_pack_goes_on(pack):
    run = start("image", str(pack.folder), "toyland", **FEW)
    tensors, state = checkpoint.load(run)
    told = state["identity"]
    state["identity"] = {k: v for k, v in told.items() if k != "pack" and not k.startswith("sha256 of")}
    assert len(state["identity"]) == len(told) - 2
    checkpoint.save(run, tensors, state)
    start("image", str(pack.folder), "toyland", **FEW)


def test_what_a_part_stands_on_is_not_what_it_trains(pack):
    for part, kind in OBJECTIVES.items():
        trained = {"image": {"unet", "text"}, "autoencoder": {"vae"}}.get(
            part, {getattr(kind, "exported", part)}
        )
        assert not trained & set(kind.stands_on)
        named = part == "upscaler-frame"  # which no pack holds itself
        assert named or all(pack.weights_sha256(p) or p == "text_2" for p in kind.stands_on), part
