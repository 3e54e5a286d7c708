"""`vldm upscale`, `interpolate` and `extend` on folders, patterns and lists of clips, as a person types them."""

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests import public
from tests.video import clips
from vldm_cli.errors import RunError
from vldm_cli.packs import load, refiner
from vldm_cli.packs.pack import Pack
from vldm_cli.video.clip import open_clip
from vldm_cli.video.read import video_info

CPU = ("--device", "cpu")


@pytest.fixture
def pack(tiny_pack):
    return ("--pack", tiny_pack.folder, "--device", "cpu", "--dtype", "float32")


@pytest.fixture
def folder(tmp_path):
    """clips/: two videos, a folder of pictures, a text file and a hidden one."""
    (tmp_path / "clips" / "c").mkdir(parents=True)
    for name in ("clip10.mp4", "clip9.mkv"):
        clips.make(tmp_path / "clips", name, frames=3, size="24x16")
    for number in range(2):
        Image.new("RGB", (24, 16), (99 * number, 0, 0)).save(tmp_path / "clips" / "c" / f"{number}.png")
    (tmp_path / "clips" / "notes.txt").write_text("no clip")
    (tmp_path / "clips" / ".hidden.mp4").write_text("no clip")
    return tmp_path / "clips"


def rows(out):
    return [json.loads(line) for line in out.splitlines()]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.mp4")}


def test_each_clip_of_a_folder(vldm, folder, here):
    code, out, err = vldm("interpolate", "clips", *CPU, "-o", "more", "--json")
    assert code == 0, err
    assert [row["out"] for row in rows(out)] == ["more/c.mp4", "more/clip9.mp4", "more/clip10.mp4"]
    assert [row["frames"] for row in rows(out)] == [4, 6, 6] and "left alone" in err and "3 of 3" in err
    assert sorted(os.listdir("more")) == ["c.mp4", "clip10.mp4", "clip9.mp4"]
    assert vldm("interpolate", "clips/clip9.mkv", *CPU, "-o", "one.mp4")[0] == 0
    assert contents(folder.parent)["one.mp4"] == contents(folder.parent / "more")["clip9.mp4"]


def test_upscaled_by_models_that_are_loaded_once(vldm, folder, pack, monkeypatch):
    parts = []
    real = load.loaded
    monkeypatch.setattr(load, "loaded", lambda *words: (parts.append(words[0]), real(*words))[1])
    words = ("upscale", "clips", *pack, "-o", "big/{index}.mp4")
    code, out, err = vldm(*words, "--json")
    made = rows(out)
    assert code == 0 and [row["width"] for row in made] == [96] * 3 and len(parts) == 1, err
    assert len({row["seed"] for row in made}) == 3  # drawn, and stored
    before = contents(folder.parent / "big")
    (folder.parent / "big" / "2.mp4").unlink()
    code, out, _ = vldm(*words, "--seed", made[1]["seed"], "--force", "--json")
    again = rows(out)
    assert code == 0 and contents(folder.parent / "big")["2.mp4"] == before["2.mp4"]
    assert [row.get("made_before", False) for row in again] == [False, False, False]  # of other seeds
    assert [row.get("made_before") for row in rows(vldm(*words, "--json")[1])] == [True] * 3


def test_the_same_command_does_only_what_is_missing(vldm, folder, tmp_path):
    words = ("interpolate", "clips", *CPU, "-o", "more")
    assert vldm(*words)[0] == 0
    before = contents(tmp_path / "more")
    (tmp_path / "more" / "clip9.mp4").unlink()
    code, out, _ = vldm(*words, "--json")
    assert code == 0 and contents(tmp_path / "more") == before
    assert [row.get("made_before", False) for row in rows(out)] == [True, False, True]
    # of other options, or of a clip that was written since, nothing is taken for it
    code, _, err = vldm(*words, "--factor", 4)
    assert code == 2 and "clips/c: more/c.mp4 exists and was made with another --factor" in err
    # what says nothing of motion changes nothing
    code, out, _ = vldm(*words, "--fast", "cfg-skip", "--memory", "high", "--json")
    assert code == 0 and [row["made_before"] for row in rows(out)] == [True] * 3
    os.utime(folder / "clip9.mkv")
    code, _, err = vldm(*words)
    assert code == 2 and "more/clip9.mp4 is older than the clip; add --force" in err
    assert contents(tmp_path / "more") == before
    code, out, _ = vldm(*words, "--force", "--json")
    assert code == 0 and [row.get("made_before", False) for row in rows(out)] == [True, False, True]


def test_extended_with_what_made_each(vldm, base, tiny_pack, tmp_path):
    for number in (1, 2):
        (tmp_path / "in").mkdir(exist_ok=True)
        words = ("--frames", 9, "--seed", number, "-o", f"in/{number}.mp4")
        assert vldm("generate", "a red ball", *base, *words)[0] == 0
    words = ("extend", "in", "--frames", 3, "--pack", tiny_pack.folder, *base[2:-1])
    code, out, err = vldm(*words, "-o", "out", "--json")
    assert code == 0 and [(row["frames"], row["seed"]) for row in rows(out)] == [(12, 1), (12, 2)], err
    assert vldm("extend", "in/2.mp4", *words[2:], "-o", "one.mp4")[0] == 0
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "out" / "2.mp4").read_bytes()
    assert [row["made_before"] for row in rows(vldm(*words, "-o", "out", "--json")[1])] == [True, True]
    code, _, err = vldm(*words, "--fast", "cfg-skip", "-o", "out")
    assert code == 2 and "out/1.mp4 exists and was made with another --fast" in err


def test_a_folder_of_pictures_is_one_clip(vldm, folder, here):
    shutil.copy(folder / "clip10.mp4", folder / "c" / "beside.mp4")
    assert vldm("interpolate", "clips/c", *CPU, "-o", "c.mp4")[0] == 0
    assert video_info("c.mp4")["frames"] == 4


@pytest.mark.parametrize(
    ("names", "made"),
    [
        (["clips/*"], ["c", "clip9", "clip10"]),
        (["clips/*.mp4"], ["clip10"]),
        (["clips/**/*.mkv"], ["clip9"]),
        (["clips/clip10.mp4", "clips/clip9.mkv"], ["clip10", "clip9"]),
        (["clips/c/*.png"], ["0", "1"]),
    ],
)
def test_patterns_and_several_names(vldm, folder, pack, names, made):
    code, out, err = vldm("extend", *names, *pack, "-o", "out/{name}.mkv", "--dry-run", "--json")
    assert code == 0 and [row["out"] for row in rows(out)] == [f"out/{name}.mkv" for name in made], err


@pytest.mark.parametrize("clip", [".", "closed"])
def test_a_folder_that_may_not_be_looked_into_is_named(vldm, tmp_path, here, monkeypatch, clip):
    (tmp_path / "closed").mkdir()
    real = Path.iterdir

    def iterdir(folder):
        if folder.name == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    code, out, err = vldm("upscale", clip, *CPU, "-o", "zz")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "the folder closed cannot be read (Permission denied); change its permissions" in err
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["closed"]


def test_a_folder_that_is_not_there_yet_is_none_of_the_clips(vldm, folder):
    os.rename(folder / "clip10.mp4", "a.mp4")
    code, out, err = vldm("interpolate", "a.mp4", "clips/c", *CPU, "-o", "more", "--dry-run", "--json")
    assert code == 0 and rows(out)[0]["out"] == "more/a.mp4", err


def test_a_clip_whose_name_is_a_pattern(vldm, folder, here):
    os.rename(folder / "clip10.mp4", "a[1]*.mp4")
    assert vldm("interpolate", "a[1]*.mp4", *CPU, "-o", "b.mp4")[0] == 0 and "b.mp4" in here()


def test_a_name_of_several_lines_is_told_in_one(vldm, folder, here):
    os.rename(folder / "clip10.mp4", folder / "two\nlines.mp4")
    code, out, err = vldm("interpolate", "clips/two*", *CPU, "-o", "more")
    assert code == 0 and out.startswith("more/two\\nlines.mp4: 6 frames") and "more/two\nlines.mp4" in here()
    assert err.splitlines()[0].startswith("1 of 1: more/two\\nlines.mp4 made")


def test_a_list_of_clips(vldm, folder, tmp_path):
    line = {"clip": "clips/clip9.mkv", "factor": 4, "out": "nine.gif"}
    (tmp_path / "list.txt").write_text(f"# clips\nclips/clip10.mp4\n{json.dumps(line)}\n")
    code, out, err = vldm("interpolate", "--clips", "list.txt", *CPU, "-o", "more", "--slow", "--json")
    assert code == 0, err
    assert [(row["out"], row["frames"]) for row in rows(out)] == [("more/clip10.mp4", 6), ("nine.gif", 12)]
    for line, words in (
        ("none.mp4", "line 1 of list.txt: there is no file none.mp4"),
        ('{"clip": "clips/c", "prompt": "x"}', "which no video has"),
        ('{"clip": "clips/c", "factor": 3}', "line 1 of list.txt: --factor 3"),
    ):
        (tmp_path / "list.txt").write_text(line)
        code, _, err = vldm("interpolate", "--clips", "list.txt", *CPU, "-o", "else")
        assert code == 2 and words in err and not (tmp_path / "else").exists()
    assert "leave one out" in vldm("interpolate", "clips", "--clips", "list.txt")[2]


def test_options_of_diffusion_are_for_the_clips_that_it_makes(vldm, folder, tmp_path, tiny_pack):
    small = ("--pack", tiny_pack.folder, *CPU, "--dtype", "float32")
    made = ("--no-upscale", "--interpolation", 1, "--frames", 3, "--fps", 6, "-o", "a.mp4")
    assert vldm("generate", "a red ball", *small, *made)[0] == 0
    lines = [{"clip": "a.mp4", "factor": 4}, {"clip": "clips/clip10.mp4", "engine": "motion"}]
    (tmp_path / "list.txt").write_text("\n".join(map(json.dumps, lines)))
    words = (
        "interpolate",
        "--clips",
        "list.txt",
        *small,
        "--seed",
        3,
        "-o",
        "new-{name}.mp4",
        "--dry-run",
        "--json",
    )
    code, out, err = vldm(*words)
    assert code == 0 and [row["engine"] for row in rows(out)] == ["diffusion", "motion"], err
    lines[1]["seed"] = 4
    (tmp_path / "list.txt").write_text("\n".join(map(json.dumps, lines)))
    code, out, err = vldm(*words)
    assert (code, out) == (2, "") and "line 2 of list.txt: --seed is for --engine diffusion" in err
    (tmp_path / "list.txt").write_text(json.dumps({**lines[0], "engine": "motion"}))
    code, out, err = vldm(*words)
    assert (code, out) == (2, "") and "line 1 of list.txt: --pack is for --engine diffusion" in err


def test_a_clip_made_by_diffusion_is_made_anew_by_motion(vldm, folder, tmp_path, tiny_pack):
    """The seed of what is there already is none of motion."""
    small = ("--pack", tiny_pack.folder, *CPU, "--dtype", "float32")
    made = ("--no-upscale", "--interpolation", 1, "--frames", 3, "--fps", 6, "-o", "one/a.mp4")
    (tmp_path / "one").mkdir()
    assert vldm("generate", "a red ball", *small, *made)[0] == 0
    words = ("interpolate", "one", "--factor", 4, "-o", "more", "--json")
    code, out, err = vldm(*words, *small)
    assert code == 0 and rows(out)[0]["settings"]["engine"] == "diffusion", err
    code, out, err = vldm(*words, *CPU, "--engine", "motion", "--force")
    assert code == 0 and rows(out)[0]["settings"]["engine"] == "motion", err


def test_a_clip_that_fails_is_told_and_the_others_are_made(vldm, folder, here, monkeypatch):
    from vldm_cli.pipelines.clip import making

    real = making.encode_frames

    def breaks(path, frames, raw, look, times, *rest):
        if times.clock and len(times) == 6 and not broken:
            broken.append(path)
            raise RunError("no space")
        return real(path, frames, raw, look, times, *rest)

    broken = []
    monkeypatch.setattr(making, "encode_frames", breaks)
    code, _, err = vldm("interpolate", "clips", *CPU, "-o", "more", "-q")
    assert code == 1 and err.startswith("vldm: more/clip9.mp4: no space") and "more/failed.txt" in err
    assert [name for name in here() if name.startswith("more/")] == [
        "more/c.mp4",
        "more/clip10.mp4",
        "more/failed.txt",
    ]
    code, out, _ = vldm("interpolate", "--clips", "more/failed.txt", *CPU, "-o", "more", "--json")
    assert code == 0 and [row["out"] for row in rows(out)] == ["more/clip9.mp4"]
    assert open_clip("more/clip9.mp4").frames == 6


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "name a CLIP, or a list of them with --clips"),
        (["clips", "-o", "clips"], "a clip itself"),
        (["clips", "-o", "clips/{name}-2.mkv"], "would lie among the clips"),
        (["clips/**/*", "-o", "clips/more"], "would lie among the clips"),
        (["clips/clip10.mp4", "clips/clip9.mkv", "-o", "a.mp4"], "are both to become a.mp4"),
        (["clips/clip10.mp4", "clips/clip10.mp4", "-o", "a"], "are both to become a/clip10.mp4"),
        (["clips/clip10.mp4", "clips/notes.txt", "-o", "a"], "clips/notes.txt"),
        (["clips/*.gif", "-o", "a"], "neither pictures nor videos in the pattern clips/*.gif"),
        (["empty", "-o", "a"], "neither pictures nor videos in the folder empty"),
        (["clips", "none.mp4", "-o", "a"], "there is no file none.mp4"),
        (["clips", "empty", "-o", "a"], "neither pictures nor videos in the folder empty"),
        (["clips", "-o", "a/{seed}.mp4"], "{seed}"),
        (["clips", "-o", "a", "--scale", 3], "--scale 3"),
        (["clips", "-o", "a", "--tile", 33], "--tile 33"),
        (["clips", "-o", "a", "--crf", 99], "--crf 99"),
        (["clips", "-o", "a", "--memory", "low"], "--memory low is for the memory of a GPU"),
        (["clips", "-o", "a", "--fast", "magic"], "--fast magic is none of deepcache"),
        (["clips", "-o", "a", "--preview", "a.png"], "are both to become a.png"),
        (["clips", "-o", "a", "--prompt", "x"], "reads no text"),
        (["clips", "-o", "a", "--space", "frame"], "no upscaler for --space frame"),
        (["clips", "-o", "clips/notes.txt/a/{name}.mp4"], "clips/notes.txt is no folder"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_is_made(
    vldm, folder, here, pack, words, told, tmp_path
):
    (tmp_path / "empty").mkdir()
    before = here()
    code, out, err = vldm("upscale", *words, *pack)
    assert (code, out) == (2, "") and told in err and here() == before, err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["interpolate", "--engine", "refined", "--refiner", "none.pt"], "none.pt is not here"),
        (["interpolate", "--pack", "nowhere"], "there is no pack nowhere"),
        (["extend", "--pack", "nowhere"], "there is no pack nowhere"),
        (["extend", "--pack", "./pictures"], "makes single pictures"),
        (["extend", "--pack", "./damaged"], "is truncated"),
        (["interpolate", "--pack", "./damaged"], "is truncated"),
    ],
)
def test_what_is_named_to_make_them_is_opened_before_the_first_clip(
    vldm, folder, here, words, told, tmp_path, tiny_pack
):
    public.sd_folder(tmp_path / "pictures")
    unet = (
        shutil.copytree(tiny_pack.folder, tmp_path / "damaged") / "unet/diffusion_pytorch_model.safetensors"
    )
    unet.write_bytes(unet.read_bytes()[:-1])
    before = here()
    code, out, err = vldm(words[0], "clips", *words[1:], *CPU, "-o", "more")
    assert (code, out) == (2, "") and told in err and here() == before, err


def test_a_named_pack_and_refiner_are_opened_once(vldm, folder, tiny_pack, monkeypatch):
    opened = []
    real = refiner.open_refiner
    monkeypatch.setattr(refiner, "open_refiner", lambda path: (opened.append(path), real(path))[1])
    problems = Pack.problems
    monkeypatch.setattr(Pack, "problems", lambda pack: (opened.append(pack.name), problems(pack))[1])
    code, _, err = vldm("interpolate", "clips", "--pack", tiny_pack.folder, *CPU, "-o", "more")
    assert code == 0 and sorted(map(str, opened)) == ["None", "tiny"], err
