"""`vldm packs pull` from a hub on this machine, and what becomes of it."""

import json
import os
import subprocess
import sys
from collections import namedtuple

import pytest
import torch
from safetensors.torch import save_file

from tests import public
from tests.hub import serving, use
from vldm_cli.packs.origins import hub as hubs
from vldm_cli.packs.pack import Pack

SD = "stable-diffusion-v1-5/stable-diffusion-v1-5"
LIGHTNING = "ByteDance/AnimateDiff-Lightning"
SVD = "stabilityai/stable-video-diffusion-img2vid-xt"
UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
SPLIT = "someone/large"
MOTION = "animatediff_lightning_4step_diffusers.safetensors"


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    """What sd15-lightning is made of, the decoder of Stable Video Diffusion, and a whole AnimateDiff pipeline."""
    root = tmp_path_factory.mktemp("repositories")
    public.sd_folder(root / SD)
    (root / LIGHTNING).mkdir(parents=True)
    state = {name: tensor.contiguous() for name, tensor in public.adapter().state_dict().items()}
    save_file(state, root / LIGHTNING / MOTION)
    public.svd_folder(root / SVD)
    public.split(public.sd_folder(root / SPLIT), "fp16")
    return root


@pytest.fixture
def hub(repositories, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(hubs, "LARGE", 1000)
    with serving(repositories) as hub:
        hub.licences |= {SD: "creativeml-openrail-m", SVD: "other"}
        use(monkeypatch, hub, tmp_path_factory.mktemp("home"))
        yield hub


def test_pull_says_what_it_fetches_and_pins_it(vldm, hub, here):
    code, out, err = vldm("packs", "pull", "sd15-lightning")
    assert code == 0, err
    assert "pack sd15-lightning is here" in out and here() == []
    assert "CreativeML OpenRAIL-M" in err and f"{SD}/{UNET} (unet; CreativeML OpenRAIL-M): " in err
    pack = Pack.open("sd15-lightning")
    assert pack.named["unet"].revision == hub.commit(SD)
    assert len(pack.named["keyframes"].sha256) == 64 and not pack.has("decoder")
    assert pack.located("unet").is_file()
    assert "stable-video-diffusion-community" not in pack.manifest.licence
    code, out, _ = vldm("packs", "show", "sd15-lightning", "--json")
    assert code == 0 and json.loads(out)["here"] is True
    assert vldm("packs", "list")[1].count("sd15-lightning ") == 1


def test_the_second_time_nothing_is_fetched_and_the_network_not_needed(vldm, hub, tmp_path_factory):
    vldm("packs", "pull", "sd15-lightning")
    before, hash_ = sum(hub.got.values()), Pack.open("sd15-lightning").manifest.hash
    hub.down = True
    code, out, err = vldm("packs", "pull", "sd15-lightning", "--json")
    assert code == 0, err
    assert json.loads(out)["fetched"] == [] and json.loads(out)["hash"] != ""
    assert sum(hub.got.values()) == before and Pack.open("sd15-lightning").manifest.hash == hash_


def test_a_licence_that_is_not_free_for_every_use_is_to_be_accepted(vldm, hub):
    code, _, err = vldm("packs", "pull", "svd-xt")
    assert code == 2 and err.count("\n") == 1 and "--accept-licence" in err and hub.asked == []
    code, _, err = vldm("packs", "pull", SVD)
    assert code == 2 and "--accept-licence" in err and not hub.got
    assert vldm("packs", "pull", "svd-xt", "--accept-licence")[0] == 0
    assert Pack.open("svd-xt").named["keyframes"].sha256


def test_an_accepted_licence_brings_the_better_decoder_and_keeps_the_rest(vldm, hub):
    vldm("packs", "pull", "sd15-lightning")
    before = Pack.open("sd15-lightning")
    code, out, _ = vldm("packs", "pull", "sd15-lightning", "--accept-licence", "--json")
    after = Pack.open("sd15-lightning")
    assert code == 0 and json.loads(out)["fetched"] == [f"{SVD}/vae/diffusion_pytorch_model.fp16.safetensors"]
    assert after.named["decoder"].family == "svd-decoder" and not after.named["decoder"].optional
    assert after.named["unet"] == before.named["unet"]


def test_a_cut_connection_goes_on_with_the_same_command(vldm, hub, monkeypatch):
    # what is kept are whole pieces, of ten megabytes otherwise
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # before it tries again
    hub.cut[UNET] = 5000
    code, _, err = vldm("packs", "pull", "sd15-lightning")
    assert code == 1 and "what has been fetched is kept" in err.splitlines()[-1]
    assert err.splitlines()[-1].endswith("go on with: vldm packs pull sd15-lightning")
    assert "Traceback" not in err
    hub.down = False
    code, _, err = vldm("packs", "pull", "sd15-lightning")
    assert code == 0, err
    # every byte once
    assert hub.got[UNET] == (hub.root / SD / UNET).stat().st_size
    assert Pack.open("sd15-lightning").problems() == []


def test_a_file_with_the_wrong_checksum_is_thrown_away(vldm, hub):
    hub.spoilt.add(UNET)
    code, _, err = vldm("packs", "pull", "sd15-lightning")
    assert code == 2 and "wrong checksum and was thrown away" in err.splitlines()[-1]
    hub.spoilt.clear()
    assert vldm("packs", "pull", "sd15-lightning")[0] == 0


def test_a_file_that_is_another_one_later_is_noticed(vldm, hub):
    vldm("packs", "pull", "sd15-lightning")
    pack = Pack.open("sd15-lightning")
    path = pack.located("unet").resolve()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    code, _, err = vldm("generate", "a fox", "--pack", "sd15-lightning", "--dry-run")
    assert code == 2 and "is another file than it was" in err and "packs pull sd15-lightning" in err
    code, _, err = vldm("packs", "pull", "sd15-lightning")
    assert code == 2 and "had the wrong checksum and was thrown away" in err
    assert vldm("packs", "pull", "sd15-lightning")[0] == 0
    assert Pack.open("sd15-lightning").problems() == []


@pytest.mark.parametrize(
    ("name", "spoil", "code", "words"),
    [
        ("nobody/nothing", None, 2, "there is no repository nobody/nothing"),
        (SD, lambda hub: hub.gated.add(SD), 2, "accept its terms|accept"),
        (SD, lambda hub: hub.private.add(SD), 2, "log in with `hf auth login`"),
        (f"{SD}@v9", None, 2, "has no revision v9"),
        (LIGHTNING, None, 2, "model_index.json"),
        ("no such pack", None, 2, "there is nothing called no such pack"),
        ("../evil", None, 2, "there is nothing called ../evil"),
        ("a/b/c", None, 2, "there is nothing called a/b/c"),
        (SD, lambda hub: setattr(hub, "down", True), 1, "answers with error 503"),
        ("sd-x4", None, 2, "there is no repository stabilityai/stable-diffusion-x4-upscaler"),
    ],
)
def test_what_the_hub_will_not_give_is_a_sentence(vldm, hub, here, name, spoil, code, words):
    if spoil:
        spoil(hub)
    got, _, err = vldm("packs", "pull", name)
    last = err.splitlines()[-1]
    assert got == code and any(word in last for word in words.split("|")), err
    assert here() == [] and not hub.got


def test_a_file_that_is_gone_is_named_before_anything_is_fetched(vldm, hub):
    path = hub.root / LIGHTNING / MOTION
    data = path.read_bytes()
    path.unlink()
    try:
        code, _, err = vldm("packs", "pull", "sd15-lightning")
    finally:
        path.write_bytes(data)
    assert code == 2 and f"{LIGHTNING} has no {MOTION}" in err and not hub.got


def test_no_network_and_offline_mode(vldm, hub, monkeypatch, tmp_path_factory):
    from huggingface_hub import constants

    use(monkeypatch, None, tmp_path_factory.mktemp("home"))
    code, _, err = vldm("packs", "pull", "sd15-lightning")
    assert code == 1 and "the connection to 127.0.0.1:9 failed" in err
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    code, _, err = vldm("packs", "pull", "sd15-lightning")
    assert code == 2 and "HF_HUB_OFFLINE forbids" in err and err.count("\n") == 1


def test_offline_mode_takes_what_is_in_the_cache(vldm, hub, monkeypatch, tmp_path):
    from huggingface_hub import constants

    vldm("packs", "pull", "sd15-lightning")
    monkeypatch.setenv("VLDM_HOME", str(tmp_path / "other"))  # nothing is pinned there
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked = len(hub.asked)
    code, _, err = vldm("packs", "pull", "sd15-lightning")
    assert code == 2 and "is not all here" in err  # only commits are known, and no branch
    assert len(hub.asked) == asked


def test_a_disk_too_small_is_told_before_anything_is_fetched(vldm, hub, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 5, 5))
    code, _, err = vldm("packs", "pull", "sd15-lightning")
    assert code == 2 and "too small" in err and "HF_HOME" in err and not hub.got


def test_a_repository_of_a_whole_model(vldm, hub):
    code, _, err = vldm("packs", "pull", SD, "-q")
    assert (code, err) == (0, "")
    pack = Pack.open(SD)
    assert pack.name == SD and pack.named["unet"].config_file == "unet/config.json"
    assert pack.located("tokenizer").name == "vocab.json"
    # configurations and weights, and nothing else of the repository
    assert not any("model_index" in name for name in (o.file for o in pack.manifest.elsewhere.files))
    code, _, err = vldm("generate", "a fox", "--pack", SD)
    assert code == 2 and err.count("\n") == 1 and "--motion" in err


def test_a_repository_that_others_put_into_the_cache_is_opened_from_there(vldm, hub, repositories):
    from huggingface_hub import hf_hub_download

    code, _, err = vldm("generate", "a fox", "--pack", SD)
    assert code == 2 and f"fetch it with `vldm packs pull {SD}`" in err
    for path in (repositories / SD).rglob("*.*"):
        hf_hub_download(SD, path.relative_to(repositories / SD).as_posix())
    pack = Pack.open(SD)
    assert pack.named["unet"].revision == hub.commit(SD)
    assert pack.manifest.hash == Pack.open(repositories / SD).manifest.hash
    assert pack.manifest.choice.pack == f"{SD}@{hub.commit(SD)}"


def test_by_its_environment_as_a_person_has_it(hub, tmp_path):
    """A process of its own: HF_ENDPOINT, HF_HOME, VLDM_HOME."""
    env = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path),
        "VLDM_HOME": str(tmp_path / "vldm"),
    }
    command = [sys.executable, "-m", "vldm_cli", "packs", "pull", "sd15-lightning", "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "vldm/packs/sd15-lightning/pack.toml").is_file() and (tmp_path / "hub").is_dir()
    assert len(json.loads(done.stdout)["fetched"]) == 4


def test_the_python_door(hub):
    import vldm_cli

    events = []
    assert vldm_cli.pull_pack("sd15-lightning", on_progress=events.append) == "sd15-lightning"
    assert {event.stage for event in events} >= {UNET, MOTION}
    assert torch.is_inference_mode_enabled() is False


def test_motion_modules_and_an_autoencoder_alone(vldm, hub, repositories):
    adapter, autoencoder = "guoyww/animatediff-motion-adapter-v1-5-3", "stabilityai/sd-vae-ft-mse"
    public.adapter_folder(repositories / adapter)
    public.save(public.vae(), repositories / autoencoder, None)
    for name, option in ((adapter, "--motion"), (autoencoder, "--vae")):
        code, _, err = vldm("generate", "a fox", "--pack", repositories / SD, option, name)
        assert code == 2 and f"fetch it with `vldm packs pull {name}`" in err
        assert vldm("packs", "pull", name)[0] == 0
        assert option in json.loads(vldm("packs", "show", name, "--json")[1])["can"][0]
    code, _, err = vldm(
        "packs",
        "new",
        "mine",
        "--from",
        repositories / SD,
        "--motion",
        adapter,
        "--vae",
        autoencoder,
        "--json",
    )
    assert code == 0, err
    pack = Pack.open("mine")
    assert pack.named["keyframes"].hub == adapter and pack.named["vae"].hub == autoencoder
    assert len(pack.named["vae"].sha256) == 64 and pack.named["schedule"].config == "animatediff"
    code, _, err = vldm("generate", "a fox", "--pack", adapter)
    assert code == 2 and "motion without an image model" in err


def test_a_manifest_in_a_folder_is_fetched_for_and_pinned(vldm, hub, repositories, tmp_path):
    """Of a person who wrote one by hand, or got one from a friend."""
    assert vldm("packs", "pull", SD, "-q")[0] == 0
    vldm("packs", "new", tmp_path / "mine", "--from", SD)
    path = tmp_path / "mine/pack.toml"
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join(line for line in lines if not line.startswith(("revision =", "sha256 =", "size =")))
    )
    code, _, err = vldm("generate", "a fox", "--pack", "mine")
    assert code == 2 and f"fetch it with `vldm packs pull {tmp_path / 'mine'}`" in err
    assert vldm("packs", "pull", "mine", "-q") == (0, "", "")
    assert Pack.open(tmp_path / "mine").named["unet"].revision == hub.commit(SD)


def test_weights_in_several_files_are_all_fetched_and_pinned(vldm, hub, monkeypatch, tmp_path):
    code, _, err = vldm("packs", "pull", SPLIT)
    assert code == 0, err
    pack = Pack.open(SPLIT)
    shards = pack.named["unet"].shards
    assert len(shards) > 2 and all(len(one.sha256) == 64 and one.size for one in shards)
    assert all(hub.got[one.file] == (hub.root / SPLIT / one.file).stat().st_size for one in shards)
    assert pack.problems() == [] and err.count("diffusion_pytorch_model") > len(shards)
    code, _, err = vldm("packs", "check", SPLIT)
    assert code == 0, err
    path = pack.found(shards[1]).resolve()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    code, out, _ = vldm("packs", "check", SPLIT)
    assert code == 2 and shards[1].file in out and "another file than it was" in out
    code, _, err = vldm("packs", "pull", SPLIT)
    assert code == 2 and "had the wrong checksum and was thrown away" in err
    assert vldm("packs", "pull", SPLIT)[0] == 0 and Pack.open(SPLIT).problems() == []


def test_a_file_of_several_that_is_gone_is_named_before_any_is_fetched(vldm, hub):
    one = sorted((hub.root / SPLIT / "unet").glob("*00002-of*"))[0]
    data = one.read_bytes()
    one.unlink()
    try:
        code, _, err = vldm("packs", "pull", SPLIT)
    finally:
        one.write_bytes(data)
    assert code == 2 and f"{SPLIT} has no unet/{one.name}" in err.splitlines()[-1]
    assert not any(name.endswith(".safetensors") for name in hub.got)
