import json
import shlex

import numpy as np
import pytest
from PIL import Image

from vldm_cli.commands.console import counted
from vldm_cli.errors import RunError
from vldm_cli.video.read import video_info

PROMPT = "a red ball bounces"


@pytest.mark.parametrize("frames", [1, 2, 7, 49])
def test_exactly_so_many_frames(vldm, here, base, frames):
    code, out, err = vldm("generate", PROMPT, *base, "--frames", frames, "-o", "a.mp4", "--seed", 5)
    assert code == 0 and out.startswith(f"a.mp4: {counted(frames, 'frame')} of 48x32 at 24 fps, seed 5")
    assert "Traceback" not in err and "\x1b" not in err
    info = video_info("a.mp4")
    assert (info["frames"], info["fps"], info["width"], info["height"]) == (frames, 24, 48, 32)
    assert here() == ["a.mp4"]


def test_upscaled_four_times_by_default(vldm, tiny_pack):
    code, _, _ = vldm("generate", PROMPT, "--pack", tiny_pack.folder, "--device", "cpu", "--frames", 3)
    info = video_info("a-red-ball-bounces.mp4")
    assert code == 0 and (info["frames"], info["width"], info["height"]) == (3, 192, 128)


def test_json_holds_what_the_contract_says(vldm, base, tiny_pack):
    code, out, err = vldm(
        "generate", PROMPT, *base, "--frames", 3, "--json", "--fps", "24000/1001", "-o", "a.mp4"
    )
    made = json.loads(out)
    keys = "out frames fps width height seconds seed prompt pack settings device peak_memory_bytes warnings"
    assert code == 0 and sorted(made) == sorted(keys.split())
    assert made["out"] == "a.mp4" and made["fps"] == "24000/1001" and made["prompt"] == PROMPT
    assert made["pack"] == {"name": "tiny", "hash": tiny_pack.manifest.hash}
    assert {"keyframes", "interpolate4", "interpolate1", "decode", "write"} <= set(made["seconds"]["stages"])
    assert sum(made["seconds"]["stages"].values()) <= made["seconds"]["wall"] + 0.01
    assert video_info("a.mp4")["metadata"]["seed"] == made["seed"]
    assert "3 of 3 frames" in err


def test_quiet_says_nothing(vldm, base):
    assert vldm("generate", "a red zebra", *base, "--frames", 2, "-q") == (0, "", "")


def test_names_are_made_of_the_prompt_and_never_overwrite(vldm, here, base):
    for _ in range(3):
        assert vldm("generate", "A red BALL, bounces!", *base, "--frames", 1)[0] == 0
    assert here() == ["a-red-ball-bounces-2.mp4", "a-red-ball-bounces-3.mp4", "a-red-ball-bounces.mp4"]


@pytest.mark.parametrize("out", ["a.webm", "a.gif", "a.webp", "frames"])
def test_other_containers(vldm, base, out):
    assert vldm("generate", PROMPT, *base, "--frames", 5, "-o", out, "--seed", 1)[0] == 0
    info = video_info(out)
    assert (info["frames"], info["fps"], info["metadata"]["seed"]) == (5, 24, 1)


def test_force_replaces(vldm, base, tmp_path):
    (tmp_path / "a.mp4").write_text("old")
    assert vldm("generate", PROMPT, *base, "--frames", 2, "-o", "a.mp4", "--force")[0] == 0
    assert video_info("a.mp4")["frames"] == 2


@pytest.mark.parametrize(
    "extra", [[], ["--guidance", "2", "--crf", "20", "--interpolation", "4", "--fps", "12"]]
)
def test_info_prints_the_command_that_makes_the_same_file(vldm, tiny_pack, base, tmp_path, extra):
    vldm("generate", PROMPT, *base, "--frames", 9, "-o", "a.mp4", "--negative", "snow; it's", *extra)
    code, out, _ = vldm("info", "a.mp4", "--json")
    command = json.loads(out)["command"]
    assert code == 0
    words = shlex.split(command.replace("--pack tiny", f"--pack {shlex.quote(str(tiny_pack.folder))}"))
    assert words.pop(0) == "vldm" and words[-2:] == ["-o", "a.mp4"]
    assert vldm(*words[:-1], "b.mp4", "--device", "cpu")[0] == 0
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_dry_run_plans_and_writes_nothing(vldm, here, base):
    code, out, _ = vldm("generate", PROMPT, *base, "--frames", 241, "--dry-run", "--json")
    plan = json.loads(out)
    assert code == 0 and here() == []
    assert plan["frames"] == 241 and plan["keyframes"] == 16 and plan["calls"]["keyframes"] > 0
    assert plan["estimated_total_seconds"] > 0 and plan["estimated_peak_bytes"] > 0
    code, out, _ = vldm("generate", PROMPT, *base, "--frames", 241, "--dry-run")
    assert code == 0 and "16 keyframes" in out and "denoiser calls" in out and here() == []


def test_a_dry_run_says_that_the_run_would_be_refused(vldm, base):
    more = ("--size", "16384x16384", "--frames", 2)
    code, out, err = vldm("generate", PROMPT, *base, *more, "--dry-run")
    assert code == 0 and "keyframes" in out and "the run would be refused: this needs about" in err
    code, _, err = vldm("generate", PROMPT, *base, *more, "-o", "a.mp4")
    assert code == 2 and "this needs about" in err


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_dry_run_refuses_the_places_that_the_run_refuses(vldm, base, tmp_path, more):
    words = ("generate", PROMPT, *base, "--frames", 2, *more)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "note.txt").write_text("hi")
    code, _, err = vldm(*words, "-o", "d", "--force")
    assert code == 2 and "d holds more than PNG frames" in err
    (tmp_path / "a-2.mp4").write_text("old")
    code, _, err = vldm(*words, "--variations", 2, "-o", "a.mp4")
    assert code == 2 and "a-2.mp4 exists" in err
    (tmp_path / ".b.mp4.vldm").mkdir()
    (tmp_path / ".b.mp4.vldm" / "mine.txt").write_text("hi")
    code, _, err = vldm(*words, "-o", "b.mp4")
    assert (
        code == 2
        and ".b.mp4.vldm, where the run would keep its work, holds files that are none of vldm's" in err
    )
    (tmp_path / ".c.mp4.vldm").write_text("hi")
    code, _, err = vldm(*words, "-o", "c.mp4", "--fresh")
    assert code == 2 and "is something else; take it away" in err
    assert (tmp_path / ".b.mp4.vldm" / "mine.txt").exists()


def test_a_dry_run_names_the_variations_and_tells_all_that_decides_them(vldm, base):
    words = ("generate", "a red Zebra", *base, "--frames", 2, "--variations", 2, "-o", "a.mp4", "--seed", 4)
    code, out, _ = vldm(*words, "--dry-run", "--json")
    plan = json.loads(out)
    assert code == 0 and plan["outs"] == ["a-1.mp4", "a-2.mp4"] and plan["out"] == "a-1.mp4"
    assert plan["seed"] == 4 and plan["prompt"] == "a red Zebra" and plan["settings"]["frames"] == 2
    assert "zebra" in plan["warnings"][0]
    assert vldm(*words, "--dry-run")[1].startswith("a-1.mp4 to a-2.mp4: 2 frames of ")


def test_a_name_with_places_is_filled_for_one_prompt_too(vldm, base, here):
    """One video was called {index}-{seed}.mp4, and two were 1-4.mp4 and so on."""
    words = ("--frames", 2, "--seed", 4, "-q", "-o", "{index}-{prompt}-{seed}.mp4")
    assert vldm("generate", "a red ball", *base, *words)[0] == 0
    assert here() == ["1-a-red-ball-4.mp4"]
    code, _, err = vldm("generate", "a red ball", *base, *words, "--variations", 2)
    assert code == 2 and "use --repeat" in err


def test_each_variation_has_a_contact_sheet_of_its_own(vldm, base, here):
    words = ("--frames", 2, "--seed", 4, "-q", "-o", "a.mp4", "--variations", 2, "--preview", "p.png")
    assert vldm("generate", PROMPT, *base, *words)[0] == 0
    assert here() == ["a-1.mp4", "a-2.mp4", "p-1.png", "p-2.png"]


def test_where_motion_fills_in_the_last_frame_is_a_keyframe(vldm, base):
    """One more frame than usual; it looked at what the pack does, and not at what was asked for."""
    for between, frames in ((("--between", "motion"), 241), ((), 240)):
        plan = json.loads(vldm("generate", PROMPT, *base, *between, "--dry-run", "--json")[1])
        assert plan["frames"] == frames


def test_unknown_words_draw_one_warning_that_names_them(vldm, base):
    code, _, err = vldm("generate", "a red Zebra and a quagga", *base, "--frames", 1)
    warnings = [line for line in err.splitlines() if "warning" in line]
    assert code == 0 and len(warnings) == 1 and "zebra, quagga" in warnings[0]


def test_image_is_the_first_frame_and_preview_shows_the_video(vldm, base):
    Image.fromarray(np.full((64, 96, 3), (200, 30, 30), np.uint8)).save("first.png")
    options = ("--image", "first.png", "--preview", "sheet.png")
    code, out, _ = vldm("generate", PROMPT, *base, "--frames", 3, *options, "--json")
    assert code == 0 and json.loads(out)["settings"]["image_sha256"]
    assert Image.open("sheet.png").size[0] > 48


def test_several_futures_of_one_picture(vldm, base, here):
    x, y = np.arange(96)[None] * 2, np.arange(64)[:, None] * 2
    picture = np.stack([x + 0 * y, y + 0 * x, 100 + 0 * (x + y)], -1).astype(np.uint8)
    Image.fromarray(picture).save("first.png")
    options = ("--image", "first.png", "--variations", 2, "--seed", 4, "--crf", 8)
    assert vldm("generate", PROMPT, *base, "--frames", 20, *options, "-o", "a.mp4")[0] == 0
    one, two = (_frames(f"a-{number}.mp4") for number in (1, 2))
    small = np.asarray(Image.fromarray(picture).resize((48, 32), Image.Resampling.LANCZOS)).astype(float)
    for frames in (one, two):
        assert ((frames[0] - small) ** 2).mean() < 65025 / 10**3.4  # 34 dB: H.264 and 4:2:0, no autoencoder
        means = frames.mean((1, 2))
        assert np.abs(means[1] - means[0]).max() < 2 and np.abs(np.diff(means, axis=0)).max() < 12
    assert np.abs(one[0] - two[0]).mean() < 2 < np.abs(one[1:] - two[1:]).mean()


def _frames(path):
    from vldm_cli.video.clip import open_clip

    clip = open_clip(path)
    raw = clip.raw(rgb=True)
    return np.stack([raw.planes(frame)[0] for frame in clip.read(0, raw)]).astype(float)


def test_variations_are_of_neighbouring_seeds_and_go_on(vldm, here, base, tmp_path):
    arguments = ("generate", PROMPT, *base, "--frames", 2, "--variations", 3, "-o", "a.mp4", "--json")
    code, out, _ = vldm(*arguments)
    made = json.loads(out)["variations"]
    first = made[0]["seed"]
    assert code == 0 and here() == ["a-1.mp4", "a-2.mp4", "a-3.mp4"]
    assert [video["seed"] for video in made] == [first, first + 1, first + 2]
    before = {name: (tmp_path / name).read_bytes() for name in here()}
    assert len(set(before.values())) == 3
    (tmp_path / "a-2.mp4").unlink()
    code, out, _ = vldm(*arguments)
    assert code == 0 and {name: (tmp_path / name).read_bytes() for name in here()} == before
    assert [video.get("made_before", False) for video in json.loads(out)["variations"]] == [True, False, True]


def test_variations_never_overwrite_other_files(vldm, here, base, tmp_path):
    (tmp_path / "a-2.mp4").write_text("precious")
    code, _, err = vldm("generate", PROMPT, *base, "--frames", 2, "--variations", 2, "-o", "a.mp4")
    assert code == 2 and "a-2.mp4 exists" in err and err.splitlines()[-1].startswith("vldm: ")
    assert here() == ["a-2.mp4"] and (tmp_path / "a-2.mp4").read_text() == "precious"


def test_interrupted_says_what_is_saved_and_goes_on_to_the_same_file(vldm, here, base, tmp_path, monkeypatch):
    from vldm_cli.commands.console import SilentProgress

    arguments = ("generate", PROMPT, *base, "--frames", 50, "--seed", 3)
    assert vldm(*arguments, "-o", "whole.mp4")[0] == 0

    def interrupt(self, frames):
        self.frames += frames
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SilentProgress, "finished", interrupt)
        code, _, err = vldm(*arguments, "-o", "a.mp4", "-q")
    assert code == 130 and err.count("\n") == 1
    assert "6 of 50 frames of a.mp4 are saved" in err and "go on with: vldm generate" in err
    assert "a.mp4" not in here() and ".a.mp4.vldm" in here()
    code, _, _ = vldm(*shlex.split(err.partition("go on with: vldm ")[2]))
    assert code == 0 and here() == ["a.mp4", "whole.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_what_breaks_while_running_is_one_sentence_and_exit_1(vldm, here, base, monkeypatch):
    def full(*_):
        raise RunError("writing segment failed: ffmpeg says: No space left on device")

    monkeypatch.setattr("vldm_cli.pipelines.generate.making.encode_segment", full)
    code, out, err = vldm("generate", PROMPT, *base, "--frames", 3, "-o", "a.mp4", "-q")
    assert (code, out) == (1, "") and err.count("\n") == 1
    assert "No space left" in err and "go on with: vldm generate" in err and "Traceback" not in err
    assert "a.mp4" not in here()


def test_a_bug_is_one_sentence_too(vldm, base, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("vldm_cli.pipelines.generate.making.encode_segment", broken)
    code, _, err = vldm("generate", PROMPT, *base, "--frames", 3, "-o", "a.mp4", "-q")
    assert code == 1 and err.count("\n") == 1 and "ZeroDivisionError: two" in err
