"""`vldm upscale` as a person types it."""

import json
import shutil

import pytest

from tests.video import clips
from vldm_cli.packs.save import seal
from vldm_cli.pipelines.upscale import job
from vldm_cli.video.clip import open_clip
from vldm_cli.video.probe import inspect


@pytest.fixture
def clip(tmp_path):
    return clips.make(tmp_path, "a.mp4", clips.tone(), "-c:a", "aac", frames=6, size="36x20")


@pytest.fixture
def options(tiny_pack):
    return ("--pack", tiny_pack.folder, "--device", "cpu", "--dtype", "float32")


def test_upscale(vldm, here, clip, options):
    code, out, err = vldm("upscale", "a.mp4", *options, "--seed", "3", "--json")
    table = json.loads(out)
    assert code == 0 and table["out"] == "a-x4.mp4" and "warning" not in err
    assert (table["frames"], table["width"], table["height"], table["fps"]) == (6, 144, 80, "24")
    assert (
        table["seed"] == 3
        and table["settings"]["scale"] == 4
        and set(table["seconds"]["stages"]) >= {"upscale"}
    )
    assert {"prompt", "pack", "device", "peak_memory_bytes", "warnings"} <= set(table)
    assert here() == ["a-x4.mp4", "a.mp4"]
    assert [s.codec for s in inspect(clip.with_name("a-x4.mp4")).of("audio")] == ["aac"]
    code, out, _ = vldm("upscale", "a.mp4", *options, "--scale", "2", "-q")
    assert (code, out) == (0, "") and open_clip(clip.with_name("a-x2.mp4")).width == 72
    assert vldm("upscale", "a.mp4", *options)[0] == 0 and "a-x4-2.mp4" in here()


def test_dry_run_makes_nothing(vldm, here, clip, options):
    code, out, _ = vldm("upscale", "a.mp4", *options, "--dry-run", "--json")
    table = json.loads(out)
    assert code == 0 and here() == ["a.mp4"]
    assert table["frames"] == 6 and table["calls"] >= 1 and table["estimated_peak_bytes"] > 0
    assert "144x80" in vldm("upscale", "a.mp4", *options, "--dry-run")[1]


def test_a_plan_of_one_frame_counts_one(vldm, tmp_path, options):
    clips.make(tmp_path, "one.mp4", frames=1, size="36x20")
    code, out, _ = vldm("upscale", "one.mp4", *options, "--steps", "1", "--dry-run")
    assert code == 0 and "one-x4.mp4: 1 frame of 144x80" in out
    assert "1 window of 1 tile, 1 denoiser call\n" in out
    assert "one.mp4: 1 frame of 36x20" in vldm("info", "one.mp4")[1]


def test_a_dry_run_says_what_a_gpu_has_free(vldm, clip, options, monkeypatch):
    monkeypatch.setattr(job, "free_bytes", lambda device: 3 << 30)
    code, out, _ = vldm("upscale", "a.mp4", *options, "--dry-run")
    assert code == 0 and "3.0 GiB of cpu are free: with all weights in it (--memory high)" in out


def test_info_of_an_upscaled_clip_has_the_command(vldm, clip, options):
    vldm("upscale", "a.mp4", *options, "--seed", "3", "--scale", "2")
    code, out, _ = vldm("info", "a-x2.mp4", "--json")
    table = json.loads(out)
    assert code == 0 and table["metadata"]["command"] == "upscale"
    assert table["command"].startswith("vldm upscale a.mp4 ") and "--scale 2" in table["command"]
    assert "--seed 3" in table["command"] and vldm("info", "a-x2.mp4")[0] == 0


def test_latent_space(vldm, clip, options):
    latent = (*options, "--space", "latent", "--seed", "3")
    code, out, _ = vldm("upscale", "a.mp4", *latent, "--dry-run", "--json")
    assert code == 0 and json.loads(out)["settings"]["space"] == "latent"
    code, out, err = vldm("upscale", "a.mp4", *latent, "--noise", "0.1", "--json")
    table = json.loads(out)
    assert code == 0 and "arning" not in err and table["settings"]["space"] == "latent"
    assert (table["frames"], table["width"], table["height"]) == (6, 144, 80)
    assert vldm("upscale", "a.mp4", *options, "--seed", "3", "--noise", "0.1", "-o", "pixel.mp4")[0] == 0
    assert (clip.parent / "pixel.mp4").read_bytes() != (clip.parent / "a-x4.mp4").read_bytes()
    code, out, _ = vldm("info", "a-x4.mp4", "--json")
    assert "--space latent" in json.loads(out)["command"]


def test_the_space_is_the_packs_own_unless_asked(vldm, clip, pack_copy):
    path = pack_copy / "pack.toml"
    path.write_text(path.read_text().replace('upscale_space = "pixel"', 'upscale_space = "latent"'))
    options = ("--pack", pack_copy, "--device", "cpu", "--dtype", "float32", "--json")
    for words, space in (((), "latent"), (("--space", "pixel"), "pixel")):
        code, out, _ = vldm("upscale", "a.mp4", *options, *words, "--dry-run")
        assert code == 0 and json.loads(out)["settings"]["space"] == space
    # and `generate` uses it: without the pixel upscaler it makes its video all the same
    shutil.rmtree(pack_copy / "upscaler_pixel")
    seal(pack_copy)
    code, out, err = vldm("generate", "a red ball", "--frames", 2, "--interpolation", 1, *options)
    assert code == 0, err
    assert (json.loads(out)["width"], json.loads(out)["height"]) == (192, 128)


def test_clips_may_have_noise_of_their_own(vldm, clip, pack_copy):
    path = pack_copy / "pack.toml"
    usual = next(line for line in path.read_text().splitlines() if line.startswith("upscale_noise"))
    path.write_text(path.read_text().replace(usual, f"{usual}\nupscale_clip_noise = 0.25"))
    options = ("--pack", pack_copy, "--device", "cpu", "--dtype", "float32", "--json", "--dry-run")
    noise = float(usual.split("=")[1])
    for words, told in (((), 0.25), (("--space", "latent"), noise), (("--noise", 0.5), 0.5)):
        code, out, _ = vldm("upscale", "a.mp4", *options, *words)
        assert code == 0 and json.loads(out)["settings"]["noise"] == told


def test_a_pack_without_that_upscaler_names_the_remedy(vldm, here, clip, pack_copy):
    shutil.rmtree(pack_copy / "upscaler_latent")
    seal(pack_copy)
    before = here()
    code, out, err = vldm("upscale", "a.mp4", "--pack", pack_copy, "--space", "latent", "--device", "cpu")
    assert (code, out) == (2, "") and err.count("\n") == 1 and here() == before
    assert "it has one in pixel space" in err and "vldm train PART" in err and "upscaler-latent-image" in err
    assert vldm("packs", "check", pack_copy)[0] == 0
    assert "latent space" not in vldm("packs", "show", pack_copy)[1]


BAD = {
    "no clip": (["gone.mp4"], "no file gone.mp4"),
    # which is seen before anything large is looked for
    "an empty clip": ([""], "a name given to `vldm upscale` is empty"),
    "an empty out": (["a.mp4", "-o", ""], "-o names nothing"),
    "only a suffix": (["a.mp4", "-o", ".mp4"], "is a suffix without a name"),
    "no clip and no pack": (["gone.mp4", "--pack", "nowhere"], "no file gone.mp4"),
    "text": (["text.mp4"], "holds no video"),
    "empty": (["empty.mp4"], "is empty"),
    "a list beside its clips": (["."], "would lie among the clips"),
    "scale": (["a.mp4", "--scale", "3"], "--scale 3"),
    "space": (["a.mp4", "--space", "fourier"], "--space fourier"),
    "noise": (["a.mp4", "--noise", "1"], "--noise 1"),
    "noise nan": (["a.mp4", "--noise", "nan"], "--noise nan"),
    "tile": (["a.mp4", "--tile", "33"], "--tile 33"),
    "steps": (["a.mp4", "--steps", "0"], "--steps 0"),
    "seed": (["a.mp4", "--seed", "-1"], "--seed -1"),
    "crf": (["a.mp4", "--crf", "52"], "--crf 52"),
    "fps of a video": (["a.mp4", "--fps", "25"], "--fps is for folders"),
    "suffix": (["a.mp4", "-o", "b.avi"], "use .mp4"),
    "itself": (["a.mp4", "-o", "a.mp4", "--force"], "is the clip itself"),
    "taken": (["a.mp4", "-o", "text.mp4"], "text.mp4 exists"),
    "folder gone": (["a.mp4", "-o", "gone/b.mp4"], "no folder gone"),
    "preview": (["a.mp4", "--preview", "p.jpg"], "--preview p.jpg"),
    "pack": (["a.mp4", "--pack", "nonesuch"], "no pack nonesuch"),
    "device": (["a.mp4", "--device", "tpu"], "--device tpu"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(vldm, here, clip, options, tmp_path, case):
    (tmp_path / "text.mp4").write_text("words")
    (tmp_path / "empty.mp4").write_text("")
    before = here()
    arguments, words = BAD[case]
    code, out, err = vldm("upscale", *(options if case not in ("pack", "device") else ()), *arguments)
    assert (code, out) == (2, "") and err.count("\n") == 1 and words in err and len(err) < 400
    assert here() == before


def test_hdr_needs_force(vldm, tmp_path, options):
    tags = (
        "format=yuv420p10le,setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"
    )
    clips.make(tmp_path, "hdr.mp4", filters=tags, frames=2, size="36x20")
    code, _, err = vldm("upscale", "hdr.mp4", *options)
    assert code == 2 and "HDR" in err and err.count("\n") == 1
    code, _, err = vldm("upscale", "hdr.mp4", *options, "--force")
    assert code == 0 and "warning: hdr.mp4 is HDR" in err
    assert inspect(tmp_path / "hdr-x4.mp4").transfer == "smpte2084"


def test_a_broken_run_names_the_command_that_goes_on(vldm, clip, options, monkeypatch):
    def starve(*_, **__):
        raise MemoryError

    monkeypatch.setattr("vldm_cli.pipelines.upscale.clip.sample", starve)
    code, _, err = vldm("upscale", "a.mp4", *options, "-o", "b.mp4")
    assert code == 1 and "go on with: vldm upscale a.mp4" in err and "Traceback" not in err
