import json
import shutil

import numpy as np
import pytest
import torch

from tests.tiny import WORDS, stock_pipeline
from vldm_cli.align.temporal import CLOSING
from vldm_cli.errors import RequestError
from vldm_cli.packs import load
from vldm_cli.packs.image_models import new_unet
from vldm_cli.packs.new import new_pack
from vldm_cli.packs.pack import PARTS, UPSCALERS, Pack
from vldm_cli.packs.save import save_part
from vldm_cli.packs.sizes import TINY, TOYLAND
from vldm_cli.packs.words import Words
from vldm_cli.stages.models import Models


@pytest.fixture(scope="module")
def pipeline(tiny_pack):
    return stock_pipeline(tiny_pack)


def test_stock_diffusers_opens_the_image_part(pipeline):
    image = pipeline("a red ball", num_inference_steps=2, output_type="np").images[0]
    assert image.shape == (TINY.height, TINY.width, 3)
    assert np.isfinite(image).all() and image.std() > 0


@pytest.mark.parametrize("prompt", ["a Red ball, bounces.", "", "a zebra's ball! on (sand)", "ball " * 60])
def test_text_is_encoded_as_stock_diffusers_does(tiny_pack, pipeline, prompt):
    ours = load.load_text(tiny_pack).encode([prompt])
    theirs, _ = pipeline.encode_prompt(prompt, "cpu", 1, False)
    assert ours.shape == (1, TINY.text_tokens, 2 * TINY.text_width)
    torch.testing.assert_close(ours[..., : TINY.text_width], theirs)


def test_the_words_themselves_stand_beside_it(tiny_pack):
    one, other = load.load_text(tiny_pack).encode(["a red ball rises", "a blue ball rises"])
    words = slice(TINY.text_width, None)
    told_apart = (one[:, words] != other[:, words]).any(-1)
    assert told_apart.nonzero().flatten().tolist() == [2]  # behind the beginning and "a"


def test_unknown_words_are_named_once_in_order(tiny_pack):
    words = Words.of(tiny_pack)
    assert words.unknown("A Zebra, a red quagga; the zebra's ball!") == ["zebra", "quagga", "s"]
    assert words.unknown("a red, BALL bounces.") == []
    assert words.max_words == TINY.text_tokens - 2
    assert words.count("ball " * 60) == 60


def test_loaded_unet_is_the_saved_one(tiny_pack, tmp_path):
    copy = Pack.open(shutil.copytree(tiny_pack.folder, tmp_path / "tiny"))
    unet = new_unet(TINY)
    save_part(copy.folder, "unet", unet)
    loaded = load.load_unet(Pack.open(copy.folder))
    for key, value in unet.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], value.half().float(), rtol=0, atol=0)
    assert not loaded.training and loaded.conv_in.weight.dtype == torch.float32


def test_a_saved_config_names_no_folder(tiny_pack, tmp_path):
    copy = Pack.open(shutil.copytree(tiny_pack.folder, tmp_path / "tiny"))
    for part, loaded in (("unet", load.load_unet(copy)), ("text", load.load_text(copy).model)):
        config = save_part(copy.folder, part, loaded).parent / "config.json"
        assert str(tmp_path) not in config.read_text()


@pytest.mark.parametrize(
    "part",
    ["keyframes", "interpolation", "upscaler_pixel_temporal", "upscaler_latent_temporal", "decoder"],
)
def test_temporal_parts_load_and_matter(tiny_pack, part):
    z = torch.randn(1, 3, 4, 8, 12)
    if part == "decoder":
        model = load.load_decoder(tiny_pack)

        def run():
            return model.decode(z)
    elif part.startswith("upscaler"):
        space = part.split("_")[1]
        model = load.load_upscaler(tiny_pack, space)
        noisy, lr = torch.randn(1, 3, TINY.denoised(space), 32, 48), torch.randn(1, 3, 3, 32, 48)

        def run():
            return model(noisy, 500, None, extra_BTCHW=lr, class_labels=torch.tensor([100]))
    else:
        model = getattr(load, f"load_{part}")(tiny_pack)
        text = torch.randn(1, TINY.text_tokens, 2 * TINY.text_width)

        def run():
            return model(z, 500, text, frame_step=4)

    with torch.no_grad():
        on = run()
        with model.temporal_off():
            off = run()
    assert on.shape == off.shape and not torch.allclose(on, off)


@torch.no_grad()
def test_frames_that_the_pack_makes_have_layers_of_their_own_if_it_holds_some(tiny_pack, tmp_path):
    pack = Pack.open(shutil.copytree(tiny_pack.folder, tmp_path / "tiny"))
    before = Models(pack)
    assert not pack.has("upscaler_pixel_own")
    ours = before.upscaler.model
    assert all(map(torch.equal, ours.parameters(), before.upscaler_in("pixel").model.parameters()))
    for name, tensor in ours.temporal_state_dict().items():
        tensor.add_(1.0 if name.endswith(CLOSING) else 2.0)
    others_compensated = ours.sizes["compensated"]
    ours.sizes["compensated"] = not others_compensated
    save_part(pack.folder, "upscaler_pixel_own", ours)
    after = Models(Pack.open(pack.folder))
    own, others = (
        after.upscaler.model.temporal_state_dict(),
        after.upscaler_in("pixel").model.temporal_state_dict(),
    )
    for name, tensor in load.load_upscaler(tiny_pack).temporal_state_dict().items():
        assert torch.equal(others[name], tensor)
        torch.testing.assert_close(own[name], tensor + name.endswith(CLOSING), rtol=0, atol=2e-3)
    assert after.upscaler.model.sizes["compensated"] != others_compensated
    assert after.upscaler_in("pixel").model.sizes["compensated"] == others_compensated
    assert "upscaler_pixel/own.safetensors" in Pack.open(pack.folder).manifest.files


def test_temporal_layers_attached_to_a_unet_stay_out_of_its_file(tiny_pack, tmp_path):
    copy = shutil.copytree(tiny_pack.folder, tmp_path / "tiny")
    before = (copy / PARTS["unet"]).read_bytes()
    video = load.load_keyframes(tiny_pack)
    save_part(copy, "unet", video.unet)
    assert (copy / PARTS["unet"]).read_bytes() == before


def test_a_file_that_does_not_load_is_named(tiny_pack, tmp_path):
    copy = shutil.copytree(tiny_pack.folder, tmp_path / "tiny")
    (copy / PARTS["vae"]).write_bytes(b"nonsense" * 10)
    with pytest.raises(RequestError, match=rf"{PARTS['vae']}.*vldm packs check"):
        load.load_vae(Pack.open(copy, check=False))


def test_another_size_of_pack_is_refused_in_words(tiny_pack, tmp_path):
    copy = shutil.copytree(tiny_pack.folder, tmp_path / "tiny")
    shutil.copy(copy / PARTS["upscaler_pixel_temporal"], copy / PARTS["keyframes"])
    with pytest.raises(RequestError, match="another shape"):
        load.load_keyframes(Pack.open(copy, check=False))


def test_schedule_ends_in_pure_noise(tiny_pack):
    config = load.scheduler_config(tiny_pack)
    assert config["prediction_type"] == "v_prediction" and config["rescale_betas_zero_snr"]
    assert all(load.upscaler_scheduler_config(tiny_pack, space) == config for space in UPSCALERS)


def test_same_seed_same_pack(tmp_path):
    one, two, other = (
        new_pack(tmp_path / n, words=WORDS, name="x", seed=s) for n, s in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one.manifest.files == two.manifest.files != other.manifest.files
    with pytest.raises(RequestError, match="already holds a pack"):
        new_pack(tmp_path / "a", words=WORDS)


def test_toyland_sizes_are_those_of_its_world():
    assert (TOYLAND.width, TOYLAND.height) == (256, 160)
    assert TOYLAND.latent_factor == 8 and TOYLAND.size_multiple == 32
    assert TOYLAND.width % TOYLAND.size_multiple == TOYLAND.height % TOYLAND.size_multiple == 0


def test_model_index_names_what_is_there(tiny_pack):
    index = json.loads(tiny_pack.path("model_index.json").read_text())
    parts = {k for k, v in index.items() if isinstance(v, list) and v[0]}
    assert parts == {"unet", "vae", "text_encoder", "tokenizer", "scheduler"}
    assert all(tiny_pack.path(part).is_dir() for part in parts)
