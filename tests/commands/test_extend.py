"""`vldm extend` as a person types it."""

import json
import shlex

import pytest

from tests.video import clips
from vldm_cli.errors import RunError
from vldm_cli.video.clip import open_clip
from vldm_cli.video.probe import inspect
from vldm_cli.video.read import video_info

PROMPT = "a red ball bounces"


@pytest.fixture
def clip(tmp_path):
    return clips.make(tmp_path, "a.mp4", clips.tone(), "-c:a", "aac", frames=6, size="36x20")


@pytest.fixture
def options(tiny_pack):
    return ("--pack", tiny_pack.folder, "--device", "cpu", "--dtype", "float32")


def warnings(err):
    return [line for line in err.splitlines() if line.startswith("warning: ")]


def test_extend(vldm, here, clip, options):
    code, out, _ = vldm("extend", "a.mp4", *options, "--frames", 5, "--seed", 3, "--json", "--prompt", PROMPT)
    table = json.loads(out)
    assert code == 0 and table["out"] == "a-extended.mp4" and here() == ["a-extended.mp4", "a.mp4"]
    assert (table["frames"], table["width"], table["height"], table["fps"]) == (11, 36, 20, "24")
    assert (table["seed"], table["prompt"], table["settings"]["frames"]) == (3, PROMPT, 5)
    keys = "out frames fps width height seconds seed prompt pack settings device peak_memory_bytes warnings"
    assert sorted(table) == sorted(keys.split()) and {"keyframes", "decode"} <= set(
        table["seconds"]["stages"]
    )
    assert [s.codec for s in inspect(clip.with_name("a-extended.mp4")).of("audio")] == ["aac"]
    code, out, _ = vldm("extend", "a.mp4", *options, "--frames", 2, "--only-new", "-q")
    assert (code, out) == (0, "") and open_clip(clip.with_name("a-extended-2.mp4")).frames == 2


def test_from_what_vldm_made_it_takes_prompt_seed_and_settings(vldm, options, tmp_path):
    made = ("--frames", 18, "--seed", 9, "--guidance", 2.5, "--crf", 20, "--no-upscale", "--negative", "snow")
    assert vldm("generate", PROMPT, *options, *made, "-o", "a.mp4")[0] == 0
    code, out, err = vldm("extend", "a.mp4", *options, "--frames", 4, "--json")
    table = json.loads(out)
    assert code == 0 and table["warnings"] == [] and "warning" not in err
    assert (table["prompt"], table["seed"], table["settings"]["crf"]) == (PROMPT, 9, 20)
    assert table["settings"]["guidance"] == 2.5 and table["settings"]["negative"] == "snow"
    old = clips.packets(tmp_path / "a.mp4")
    assert clips.packets(tmp_path / "a-extended.mp4")[: len(old)] == old
    assert table["settings"]["context_from"] == "latents"
    code, said, _ = vldm("info", "a.mp4")
    assert code == 0 and "keeps the latents of frames 1, 15, 16, 17" in said and len(said) < 2000
    told = json.loads(vldm("info", "a.mp4", "--json")[1])
    assert told["latents_of"] == [1, 15, 16, 17] and "latents" not in told["metadata"]
    # what was asked for comes first
    asked = ("--prompt", "a blue cube", "--seed", 4, "--guidance", 1, "--negative", "", "--crf", 16)
    table = json.loads(vldm("extend", "a.mp4", *options, "--frames", 1, *asked, "--json")[1])
    assert (table["prompt"], table["seed"], table["settings"]["crf"]) == ("a blue cube", 4, 16)
    assert table["settings"]["guidance"] == 1 and table["settings"]["negative"] == ""


def test_no_negative_in_place_of_one_is_not_warned_of(vldm, options, tmp_path):
    made = (*options, "--frames", 2, "--no-upscale", "--negative", "zorp")
    assert vldm("generate", PROMPT, *made, "-o", "a.mp4")[0] == 0
    for asked, words in (((), ["zorp"]), (("--negative", ""), [])):
        said = json.loads(vldm("extend", "a.mp4", *options, "--frames", 1, *asked, "--dry-run", "--json")[1])
        assert [word for word in ("zorp",) if word in str(said["warnings"])] == words


def test_unknown_material_draws_one_warning(vldm, clip, options):
    code, _, err = vldm("extend", "a.mp4", *options, "--frames", 1, "--only-new")
    (words,) = warnings(err)
    assert code == 0 and "never trained on material such as a.mp4" in words and "vldm train" in words
    code, _, err = vldm("extend", "a.mp4", *options, "--frames", 1, "--only-new", "--prompt", "a red zebra")
    (words,) = warnings(err)
    assert code == 0 and "never trained" in words and "has never seen: zebra" in words


def test_info_prints_the_command_that_makes_the_same_file(vldm, clip, options, tiny_pack, tmp_path):
    more = ("--frames", 4, "--prompt", "it's a ball", "--steps", 1, "--only-new", "--crf", 12)
    assert vldm("extend", "a.mp4", *options, *more, "-o", "b.mp4")[0] == 0
    code, out, _ = vldm("info", "b.mp4", "--json")
    table = json.loads(out)
    assert code == 0 and table["metadata"]["command"] == "extend" and table["metadata"]["clip"] == "a.mp4"
    command = table["command"].replace("--pack tiny", f"--pack {shlex.quote(str(tiny_pack.folder))}")
    words = shlex.split(command)
    assert words[:3] == ["vldm", "extend", "a.mp4"] and words[-2:] == ["-o", "b.mp4"]
    assert vldm(*words[1:-1], "c.mp4", "--device", "cpu")[0] == 0
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "c.mp4").read_bytes()
    code, out, _ = vldm("info", "b.mp4")
    assert code == 0 and "prompt: it's a ball" in out


def test_dry_run_makes_nothing(vldm, here, clip, options):
    code, out, _ = vldm("extend", "a.mp4", *options, "--frames", 240, "--dry-run", "--json")
    table = json.loads(out)
    assert code == 0 and here() == ["a.mp4"]
    assert table["frames"] == 246 and table["context"] == 2 and table["context_from"] == "frames"
    assert table["keyframe_step"] == 4
    assert table["calls"]["keyframes"] > 0 and table["estimated_peak_bytes"] > 0
    out = vldm("extend", "a.mp4", *options, "--frames", 240, "--dry-run")[1]
    assert "246 frames of 36x20" in out and "60 new keyframes" in out and "denoiser calls" in out


def test_preview_shows_the_new_frames(vldm, clip, options, tmp_path):
    from PIL import Image

    assert vldm("extend", "a.mp4", *options, "--frames", 5, "--preview", "p.png")[0] == 0
    with Image.open(tmp_path / "p.png") as sheet:
        assert sheet.size == (4 * 256, 2 * 142)


def test_interrupted_says_what_is_saved_and_goes_on_to_the_same_file(
    vldm, here, clip, options, tmp_path, monkeypatch
):
    from vldm_cli.commands.console import SilentProgress

    arguments = ("extend", "a.mp4", *options, "--frames", 30, "--seed", 3)
    assert vldm(*arguments, "-o", "whole.mp4")[0] == 0

    def interrupt(self, frames):
        self.frames += frames
        if self.frames > 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SilentProgress, "finished", interrupt)
        code, _, err = vldm(*arguments, "-o", "b.mp4", "-q")
    assert code == 130 and err.count("\n") == 1
    assert "30 of 36 frames of b.mp4 are saved" in err and "go on with: vldm extend" in err
    assert "b.mp4" not in here()
    assert vldm(*shlex.split(err.partition("go on with: vldm ")[2]))[0] == 0
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert here() == ["a.mp4", "b.mp4", "whole.mp4"]


def test_what_breaks_while_running_is_one_sentence_and_exit_1(vldm, here, clip, options, monkeypatch):
    def full(*_):
        raise RunError("writing segment failed: ffmpeg says: No space left on device")

    monkeypatch.setattr("vldm_cli.pipelines.extend.making.encode", full)
    code, out, err = vldm("extend", "a.mp4", *options, "--frames", 3, "-o", "b.mp4", "-q")
    assert (code, out) == (1, "") and err.count("\n") == 1 and "Traceback" not in err
    assert "No space left" in err and "is kept in" in err and "go on with: vldm extend a.mp4" in err
    assert "b.mp4" not in here()


BAD = {
    "no clip": (["gone.mp4"], "no file gone.mp4"),
    "text": (["text.mp4"], "holds no video"),
    "empty": (["empty.mp4"], "is empty"),
    "a list beside its clips": (["."], "would lie among the clips"),
    "no frames": (["a.mp4", "--frames", "0"], "--frames 0"),
    "too many frames": (["a.mp4", "--frames", "10001"], "--frames 10001"),
    "steps": (["a.mp4", "--steps", "0"], "--steps 0"),
    "seed": (["a.mp4", "--seed", "-1"], "--seed -1"),
    "guidance": (["a.mp4", "--guidance", "nan"], "--guidance nan"),
    "context guidance": (["a.mp4", "--context-guidance", "inf"], "--context-guidance inf"),
    "crf": (["a.mp4", "--crf", "52"], "--crf 52"),
    "long prompt": (["a.mp4", "--prompt", "ball " * 100], "100 words"),
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
    given = {"pack": (), "device": options[:2]}.get(case, options)
    code, out, err = vldm("extend", *given, *arguments)
    assert (code, out) == (2, "") and err.count("\n") == 1 and words in err and len(err) < 400
    assert here() == before


def test_force_replaces_and_hdr_needs_it(vldm, tmp_path, options):
    tags = (
        "format=yuv420p10le,setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"
    )
    clips.make(tmp_path, "hdr.mp4", filters=tags, frames=2, size="36x20")
    (tmp_path / "b.mp4").write_text("old")
    code, _, err = vldm("extend", "hdr.mp4", *options, "--frames", 2, "-o", "b.mp4")
    assert code == 2 and "HDR" in err and err.count("\n") == 1
    assert vldm("extend", "hdr.mp4", *options, "--frames", 2, "-o", "b.mp4", "--force")[0] == 0
    report = inspect(tmp_path / "b.mp4")
    assert (
        report.transfer == "smpte2084" and report.bits == 10 and video_info(tmp_path / "b.mp4")["frames"] == 4
    )
