"""Temporal layers of vldm's own, trained on an image model that others have trained: the paper's own use (§3.1)."""

import shutil

import pytest
import torch

import vldm_cli as vldm
from tests import public
from vldm_cli.align.pooled import with_pooled
from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.combine import write_choice
from vldm_cli.packs.layers import with_layers
from vldm_cli.packs.load import load_keyframes, load_unet, load_upscaler
from vldm_cli.packs.pack import Pack
from vldm_cli.train.objectives import upscaler_frame
from vldm_cli.train.start import start


@pytest.fixture(scope="module", params=[public.sd_folder, public.sdxl_folder], ids=["sd", "sdxl"])
def repository(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("sd") / "sd", None)


def test_training_begins_at_the_image_model_and_the_pack_makes_videos(repository, tmp_path):
    pack = write_choice(str(tmp_path / "mine"), Choice(pack=str(repository)))
    before = pack.located("unet").read_bytes()
    start("keyframes", str(pack.folder), "toyland", steps=1, batch=1, bank_frames=8)
    trained = Pack.open(pack.folder)
    assert trained.located("unet").read_bytes() == before
    assert list(trained.manifest.files) == ["temporal/keyframes.safetensors"]
    model = load_keyframes(trained)
    assert model.reads_context
    torch.testing.assert_close(model.unet.conv_in.weight, load_unet(trained).conv_in.weight)
    call = dict(pack=trained.folder, upscale=False, seed=1, steps=1, device="cpu", dtype="float32")
    assert vldm.generate("a dog", tmp_path / "a.mp4", frames=5, **call).frames == 5


def test_a_run_over_a_model_that_lies_elsewhere_goes_on_only_with_that(repository, tmp_path):
    copy = shutil.copytree(repository, tmp_path / "sd")
    pack = write_choice(str(tmp_path / "mine"), Choice(pack=str(copy)))
    known = {part: pack.weights_sha256(part) for part in ("unet", "vae", "keyframes")}
    assert known["unet"] and known["vae"] and known["keyframes"] is None
    file = pack.located("unet")
    file.write_bytes(file.read_bytes() + b"\0")
    manifest = pack.folder / "pack.toml"  # unpinned, it says what lies there
    manifest.write_text("\n".join(x for x in manifest.read_text().splitlines() if "sha256" not in x))
    changed = Pack.open(pack.folder, check=False)
    assert changed.weights_sha256("unet") != known["unet"]
    assert changed.weights_sha256("vae") == known["vae"]


def test_new_layers_change_nothing(repository, tmp_path):
    pack = write_choice(str(tmp_path / "mine"), Choice(pack=str(repository)))
    pack = with_layers(pack, "keyframes")
    model, unet = load_keyframes(pack), load_unet(pack)
    z_BTCHW, wide = torch.randn(1, 3, 4, 8, 8), unet.config.cross_attention_dim
    text_BLD, pooled_BP = torch.randn(1, 5, wide), torch.randn(1, public.XL_POOLED)
    told = {"text_embeds": pooled_BP.expand(3, -1), "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 3)}
    with torch.no_grad():
        video = model(z_BTCHW, 500, with_pooled(text_BLD, pooled_BP))
        frames = unet(z_BTCHW[0], 500, text_BLD.expand(3, -1, -1), added_cond_kwargs=told).sample
    torch.testing.assert_close(video[0], frames, rtol=1e-4, atol=1e-5)
    assert with_layers(pack, "keyframes") is pack


def test_a_repository_is_no_place_for_what_is_trained(repository):
    with pytest.raises(RequestError, match="packs new FOLDER --from"):
        start("keyframes", str(repository), "toyland", steps=1)
    assert not (repository / "temporal").exists()


def test_an_upscaler_of_whole_frames_gets_temporal_layers(tmp_path, monkeypatch, capsys):
    moved = []

    def motion_of(video_BTCHW):
        moved.append(len(video_BTCHW))
        return found(video_BTCHW)

    found = upscaler_frame.motion_of
    monkeypatch.setattr(upscaler_frame, "motion_of", motion_of)
    monkeypatch.setattr(upscaler_frame, "WAYS", {"1": (1, 0.052)})
    monkeypatch.setattr(upscaler_frame, "SHEET_CLIPS", 1)
    repository = public.x4_folder(tmp_path / "x4")
    pack = write_choice(str(tmp_path / "mine"), Choice(pack=str(repository)))
    manifest = pack.folder / "pack.toml"  # smaller clips are rendered sooner
    manifest.write_text(
        manifest.read_text().replace("width = 512", "width = 64").replace("height = 320", "height = 64")
    )
    before = load_upscaler(pack, "frame")
    start("upscaler-frame", str(pack.folder), "toyland", steps=1, batch=1, bank_frames=8)
    # it looks at pictures for its sheet alone, and so for motion
    assert moved == [1] and "flicker_1" in capsys.readouterr().out
    for part in ("upscaler-frame", "upscaler-latent"):
        with pytest.raises(RequestError, match=r"--perceptual is for .*, not for upscaler-frame; leave it"):
            start(part, str(pack.folder), "toyland", steps=1, perceptual=tmp_path / "lpips.safetensors")
    trained = Pack.open(pack.folder)
    assert list(trained.manifest.files) == ["upscaler_frame/temporal.safetensors"]
    model = load_upscaler(trained, "frame")
    assert torch.equal(model.unet.conv_in.weight, before.unet.conv_in.weight)
    assert sum(p.numel() for p in model.temporal_parameters()) > 0 and trained.upscalers == ("frame",)
    # the other name that such an upscaler has; the same run has ended, so nothing more is trained
    assert start("upscaler-latent", str(pack.folder), "toyland", steps=1, batch=1, bank_frames=8).name == (
        "mine-upscaler-frame"
    )


def test_without_such_an_upscaler_the_way_to_one_is_named(tiny_pack):
    with pytest.raises(RequestError, match="packs new FOLDER --from sd-x4"):
        start("upscaler-frame", str(tiny_pack.folder), "toyland", steps=1)
