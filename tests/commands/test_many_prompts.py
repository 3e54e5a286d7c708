"""`vldm generate --prompts`, `--repeat` and `--seeds` as a person types them."""

import json
import shlex

import pytest
from PIL import Image

from vldm_cli.commands.board import Share
from vldm_cli.errors import RunError
from vldm_cli.packs import load
from vldm_cli.video.read import video_info

FRAMES = ("--frames", 2)


@pytest.fixture
def listed(tmp_path):
    """listed(*lines): the file list.txt, strings as they are and dictionaries as JSON."""

    def write(*lines):
        texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        (tmp_path / "list.txt").write_text("\n".join(texts))
        return ("--prompts", "list.txt")

    return write


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("**/*.mp4")}


def rows(out):
    return [json.loads(line) for line in out.splitlines()]


def test_a_video_for_each_line_by_models_that_are_loaded_once(vldm, here, base, listed, monkeypatch):
    parts = []
    real = load.loaded
    monkeypatch.setattr(load, "loaded", lambda *words: (parts.append(words[0]), real(*words))[1])
    words = listed("a red ball", "", "# none", {"prompt": "Blue Cubes!", "seed": 7, "frames": 3})
    code, out, err = vldm(
        "generate", *words, *base, *FRAMES, "-o", "out/{index:04}-{prompt}-{seed}.mp4", "--json"
    )
    first, second = rows(out)
    assert code == 0, err
    assert (first["index"], first["prompt"], first["frames"], second["frames"]) == (1, "a red ball", 2, 3)
    assert (second["out"], second["seed"]) == ("out/0002-blue-cubes-7.mp4", 7)
    assert here() == [
        "list.txt",
        "out",
        f"out/0001-a-red-ball-{first['seed']}.mp4",
        "out/0002-blue-cubes-7.mp4",
    ]
    assert len(parts) == len({id(part) for part in parts}) and "2 of 2: out/0002-blue-cubes-7.mp4" in err
    assert video_info(first["out"])["metadata"]["seed"] == first["seed"]


@pytest.mark.parametrize("made", ["x", 3, None, ["tiny"]])
def test_what_stands_there_and_names_no_pack_is_not_ours(vldm, base, listed, tmp_path, made):
    words = ("generate", *listed("a red ball"), *base, *FRAMES, "-o", "{index}")
    assert vldm(*words)[0] == 0
    stored = tmp_path / "1" / "settings.json"
    stored.write_text(json.dumps({**json.loads(stored.read_text()), "pack": made}))
    code, _, err = vldm(*words)
    assert code == 2 and err.count("\n") == 1 and "1 exists; name another --out" in err


def test_the_same_bytes_as_one_by_one(vldm, base, listed, tmp_path):
    assert (
        vldm("generate", *listed("a red ball", "a cube"), *base, *FRAMES, "-o", "many", "--seed", 5)[0] == 0
    )
    for name, prompt in (("0001-a-red-ball-5", "a red ball"), ("0002-a-cube-5", "a cube")):
        assert vldm("generate", prompt, *base, *FRAMES, "--seed", 5, "-o", "one.mp4", "--force")[0] == 0
        assert (tmp_path / "many" / f"{name}.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()


def test_seeds_and_repeats(vldm, base, listed, tmp_path):
    def seeds(*words):
        code, out, err = vldm("generate", *words, *base, *FRAMES, "--dry-run", "--json")
        assert code == 0, err
        return [row["seed"] for row in rows(out)]

    drawn = seeds("a red ball", "--repeat", 3)
    assert len(set(drawn)) == 3 and seeds("a red ball", "--repeat", 3) == drawn
    assert seeds(*listed("a cube", "a red ball", "a red ball"))[1:] == drawn[:2]
    assert seeds("a red ball", "--repeat", 3, "--seed", 5) == [5, 6, 7]
    assert seeds(*listed("a", {"prompt": "b", "seed": 9}), "--seeds", "4,2") == [4, 2, 9]
    assert seeds(*listed("a", {"prompt": "b", "seed": 9}), "--repeat", 2, "--seed", 3) == [3, 4, 9]


def test_the_same_command_does_only_what_is_missing(vldm, here, base, listed, tmp_path, monkeypatch):
    words = ("generate", *listed("a red ball", "a cube", "a cone"), *base, *FRAMES, "-o", "out")
    assert vldm(*words)[0] == 0
    before, files = contents(tmp_path), here()
    (tmp_path / files[2]).unlink()
    code, out, err = vldm(*words, "--json")
    assert code == 0 and contents(tmp_path) == before and "2 of 3 videos made already" in err
    assert [row.get("made_before", False) for row in rows(out)] == [True, True, False]
    monkeypatch.setattr("vldm_cli.pipelines.generate.run.generate", None)  # nothing is left to be made
    assert vldm(*words)[0] == 0
    code, _, err = vldm(*words, "--crf", 30)
    assert code == 2 and "line 1 of list.txt: out/0001" in err and "exists" in err and here() == files
    assert vldm(*words, "--fresh")[0] == 2 and contents(tmp_path) == before


def test_force_replaces_what_others_made_and_keeps_what_is_its_own(vldm, base, listed, tmp_path):
    words = ("generate", *listed("a red ball", "a cube"), *base, *FRAMES, "-o", "{index}.mp4", "--json")
    (tmp_path / "2.mp4").write_text("old")
    code, _, err = vldm(*words)
    assert code == 2 and "line 2 of list.txt: 2.mp4 exists" in err and not (tmp_path / "1.mp4").exists()
    assert vldm(*words, "--force")[0] == 0 and video_info("2.mp4")["frames"] == 2
    assert [row.get("made_before") for row in rows(vldm(*words, "--force")[1])] == [True, True]
    assert [row.get("made_before") for row in rows(vldm(*words, "--force", "--fresh")[1])] == [None, None]


def test_interrupted_it_goes_on_to_the_same_files(vldm, here, base, listed, tmp_path, monkeypatch):
    words = ("generate", *listed("a red ball", "a cube", "a cone"), *base, "--frames", 30)
    assert vldm(*words, "-o", "whole/{index}.mp4")[0] == 0
    begun = []

    def interrupt(self, frames):
        begun.append(frames)
        if len(begun) == 3:  # the first segment of the second video
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Share, "finished", interrupt)
        code, _, err = vldm(*words, "-o", "out/{index}.mp4", "-q")
    assert code == 130 and err.count("\n") == 1 and "1 of 3 videos made" in err
    assert {"out/.2.mp4.vldm", "out/1.mp4"} <= set(here()) and "out/2.mp4" not in here()
    again = shlex.split(err.partition("go on with: vldm ")[2])
    assert vldm(*again)[0] == 0 and not any(".vldm" in name for name in here())
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_video_that_fails_is_told_and_the_others_are_made(vldm, here, base, listed, tmp_path, monkeypatch):
    words = ("generate", *listed("a red ball", {"prompt": "a cube", "crf": 20}, "a cone"), *base, *FRAMES)
    words = (*words, "-o", "out/{index}.mp4")
    from vldm_cli.pipelines.generate import making

    real = making.encode_segment

    def breaks(path, frames, fps, kind, crf, encoder):
        if crf == 20:
            raise RunError("writing failed: \x1b[2Jno space")
        real(path, frames, fps, kind, crf, encoder)

    with monkeypatch.context() as patched:
        patched.setattr(making, "encode_segment", breaks)
        code, out, err = vldm(*words, "--json", "-q")
    made = rows(out)
    assert code == 1 and [row["index"] for row in made] == [1, 2, 3]
    assert made[1]["prompt"] == "a cube" and "no space" in made[1]["error"] and "\x1b" not in err
    lines = err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("vldm: out/2.mp4: writing failed") and "1 of 3" in lines[1]
    assert "out/failed.txt" in lines[1] and "go on with: vldm generate --prompts list.txt" in lines[1]
    assert [name for name in here() if name.startswith("out/")] == [
        "out/1.mp4",
        "out/3.mp4",
        "out/failed.txt",
    ]
    told = (tmp_path / "out" / "failed.txt").read_text()
    assert "\x1b" not in told and told.splitlines()[1].startswith("# writing failed")
    again = json.loads(told.splitlines()[2])
    assert again == {
        "prompt": "a cube",
        "crf": 20,
        "out": "out/2.mp4",
        "seed": made[1].get("seed", again["seed"]),
    }
    # the list of what failed, with the same options
    code, out, _ = vldm("generate", "--prompts", "out/failed.txt", *words[3:], "--json")
    assert code == 0 and [row["out"] for row in rows(out)] == ["out/2.mp4"]
    assert (tmp_path / "out" / "failed.txt").read_text() == told
    # and the first command, which finds everything there, and takes its own list away
    assert vldm(*words)[0] == 0 and "out/failed.txt" not in here()


def test_a_fault_in_one_video_is_none_of_the_others(vldm, base, listed, monkeypatch):
    from vldm_cli.pipelines.generate import making

    real = making.encode_segment

    def breaks(path, frames, fps, kind, crf, encoder):
        if crf == 20:
            raise ZeroDivisionError("two\nlines")
        real(path, frames, fps, kind, crf, encoder)

    monkeypatch.setattr(making, "encode_segment", breaks)
    words = ("generate", *listed({"prompt": "a", "crf": 20}, "b"), *base, *FRAMES, "-o", "{index}.mp4")
    code, out, err = vldm(*words, "-q")
    assert (
        (code, out) == (1, "") and "ZeroDivisionError: two); -v shows where" in err and "Traceback" not in err
    )
    assert video_info("2.mp4")["frames"] == 2
    assert "encode_segment" in vldm(*words, "-v")[2]


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        (["a", "b"], ["-o", "a.mp4"], "line 1 of list.txt and line 2 of list.txt are both to become a.mp4"),
        (["a", "b"], ["-o", "{idx}.mp4"], "{idx}"),
        (["a", "b"], ["-o", "{index}.avi"], "which vldm does not write"),
        (["a", {"prompt": "b", "out": "c.doc"}], [], "line 2 of list.txt: c.doc ends in .doc"),
        (["a", {"prompt": "b", "out": "{index"}], [], "line 2 of list.txt: out {index has a { alone"),
        (["a", {"prompt": "b", "frames": 0}], [], "line 2 of list.txt: --frames 0"),
        (["a", {"prompt": "b", "seed": 2**63}], [], "line 2 of list.txt: --seed"),
        (["a", {"prompt": "b", "size": "47x32"}], [], "line 2 of list.txt: --size 47x32"),
        (["a", {"prompt": "b", "image": "none.png"}], [], "line 2 of list.txt: there is no image none.png"),
        (["a", {"prompt": "b", "fps": "1e9"}], [], "line 2 of list.txt: --fps"),
        (["a", {"prompt": "\ud800"}], [], "line 2 of list.txt: the prompt"),
        (["a", "b " * 400], [], "line 2 of list.txt: the prompt has 400 words"),
        (["a", {"prompt": "b", "out": "list.txt/b.mp4"}], [], "list.txt is no folder"),
        (["a", {"prompt": "b", "out": "x" * 300 + "/b.mp4"}], [], "File name too long"),
        (["a", {"prompt": "b", "out": "x" * 230 + ".mp4"}], [], "line 2 of list.txt: the name"),
        (["a", {"prompt": "b", "preview": "b.jpg"}], [], "line 2 of list.txt: --preview b.jpg"),
        (["a", "b"], ["--preview", "sheet.png"], "are both to become sheet.png; put {index} into --preview"),
        (["a", "b"], ["--size", "99968x99968"], "GiB of memory"),
        (["a"], ["--variations", 2], "use --repeat"),
        (["a"], ["--repeat", 0], "--repeat 0"),
        (["a"], ["--memory", "low"], "--memory low is for the memory of a GPU"),
        (["a", {"prompt": "b", "fast": "cfg-skip"}], [], "give it as --fast"),
        (["a"], ["--repeat", 2, "--seed", 2**63 - 1], "beyond the last seed"),
        (["a"], ["--seeds", "1,2", "--repeat", 2], "--seeds does not go with --repeat"),
        (["a"], ["--seeds", "1,2", "--seed", 2], "--seeds does not go with --seed"),
        (["a"], ["--seeds", "1,1"], "twice"),
        (["a"], ["--seeds", "1;2"], "are no seeds"),
        (["a"], ["--seeds", str(2**63)], "--seeds 9223372036854775808"),
        (["a", "b"], ["--seeds", ",".join(map(str, range(60_000)))], "no seeds"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_is_made(
    vldm, here, base, listed, lines, options, words
):
    code, out, err = vldm("generate", *listed(*lines), *base, *FRAMES, *options)
    assert (code, out) == (2, "") and err.count("\n") == 1 and words in err, err
    assert here() == ["list.txt"]


def test_a_prompt_and_a_list_or_neither(vldm, here, listed):
    code, _, err = vldm("generate", "a", *listed("b"))
    assert code == 2 and "leave one out" in err
    for words in ((), ("--seeds", "1,2"), ("--repeat", 2), ("--variations", 2)):
        code, out, err = vldm("generate", *words)
        assert (code, out, err.count("\n")) == (2, "", 1) and "--prompts" in err and "--help" in err


def test_saved_work_of_another_request_is_refused_before_the_first_is_begun(
    vldm, here, base, listed, tmp_path, monkeypatch
):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("vldm_cli.commands.console.SilentProgress.finished", stop)
        assert vldm("generate", "a cone", *base, "--frames", 30, "--seed", 4, "-o", "2.mp4", "-q")[0] == 130
    before = here()
    words = (*base, "--frames", 30, "--seed", 4, "-o", "{index}.mp4")
    code, _, err = vldm("generate", *listed("a", "b"), *words)
    assert code == 2 and "line 2 of list.txt" in err and "--fresh" in err
    assert shlex.split(err.partition("go on with: ")[2])[:3] == ["vldm", "generate", "a cone"]
    assert here() == ["list.txt", *before] or set(here()) == {"list.txt", *before}
    # of the same request it goes on
    code, out, _ = vldm("generate", *listed("a", "a cone"), *words, "--json")
    assert code == 0 and rows(out)[1]["seconds"]["first_segment"] is not None


def test_pictures_previews_and_plans(vldm, here, base, listed):
    Image.new("RGB", (96, 64), (200, 30, 30)).save("first.png")
    lines = ({"prompt": "a", "image": "first.png"}, {"prompt": "b", "preview": "own.png"})
    words = (
        "generate",
        *listed(*lines),
        *base,
        *FRAMES,
        "-o",
        "{index}.mp4",
        "--preview",
        "sheets/{index}.png",
    )
    code, out, err = vldm(*words, "--dry-run")
    assert code == 0 and here() == ["first.png", "list.txt"] and "2 videos, about" in err
    assert out.splitlines()[0].startswith("1.mp4: 2 frames of 48x32, seed")
    code, out, _ = vldm(*words, "--json")
    assert [bool(row["settings"]["image_sha256"]) for row in rows(out)] == [True, False]
    assert here() == ["1.mp4", "2.mp4", "first.png", "list.txt", "own.png", "sheets", "sheets/1.png"]
    assert [row["made_before"] for row in rows(vldm(*words, "--json")[1])] == [True, True]


def test_failed_lists_of_others_are_left_alone(vldm, here, base, listed, tmp_path, monkeypatch):
    (tmp_path / "failed.txt").write_text("precious")

    def breaks(*_):
        raise RunError("no")

    monkeypatch.setattr("vldm_cli.pipelines.generate.making.encode_segment", breaks)
    words = ("generate", *listed("a"), *base, *FRAMES, "-o", "{index}.mp4", "-q")
    for _ in range(2):
        code, _, err = vldm(*words)
        assert code == 1 and "failed-2.txt" in err and here() == ["failed-2.txt", "failed.txt", "list.txt"]
    assert (tmp_path / "failed.txt").read_text() == "precious"
    assert vldm("generate", "--prompts", "failed-2.txt", *words[3:])[0] == 1
    assert here() == ["failed-2.txt", "failed-3.txt", "failed.txt", "list.txt"]
