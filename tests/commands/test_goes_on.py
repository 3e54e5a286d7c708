"""What an interrupted command has saved is nobody else's, and names and places that are not usual."""

import json
import os
import shlex
import tempfile

import pytest
from PIL import Image

from tests.video import clips
from vldm_cli.packs.pack import PARTS
from vldm_cli.runs import attempt
from vldm_cli.video.clip import open_clip
from vldm_cli.video.read import video_info

CPU = ("--device", "cpu")
PROMPT = "a red  ball"


@pytest.fixture
def stopped(vldm, base, monkeypatch):
    """stopped(*words): the command, interrupted when its first segment is saved."""

    def stop(*_):
        raise KeyboardInterrupt

    def call(*words):
        with monkeypatch.context() as patched:
            patched.setattr("vldm_cli.commands.console.SilentProgress.finished", stop)
            assert vldm(*words, "-q")[0] == 130

    return call


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_saved_work_of_another_request_is_refused_and_kept(vldm, base, stopped, tmp_path):
    first = ("generate", PROMPT, *base, "--frames", 30, "--seed", 7, "-o", "a.mp4")
    stopped(*first)
    folder = tmp_path / ".a.mp4.vldm"
    kept = contents(folder)
    others = (
        [*first[:1], "a blue cube", *first[2:]],
        [*first[:-3], 8, *first[-2:]],
        [*first, "--fps", 12, "--force"],
    )
    for other in others:
        code, out, err = vldm(*other)
        assert (code, out) == (2, "") and "--fresh" in err and ".a.mp4.vldm" in err
        again = shlex.split(err.partition("go on with: ")[2])
        assert again == ["vldm", *map(str, first), "-q"] and contents(folder) == kept
    assert vldm(*others[0], "--fresh")[0] == 0 and not folder.exists()
    assert video_info("a.mp4")["metadata"]["prompt"] == "a blue cube"


@pytest.mark.parametrize("change", ["clip", "command", "factor"])
def test_of_another_clip_too(vldm, stopped, tmp_path, change):
    clips.make(tmp_path, "a.mp4", frames=40, size="16x16")
    first = ("interpolate", "a.mp4", "-o", "o.mp4", *CPU)
    stopped(*first)
    kept = contents(tmp_path / ".o.mp4.vldm")
    other = {"command": ["upscale", *first[1:]], "factor": [*first, "--factor", 4]}.get(change, first)
    if change == "clip":
        clips.make(tmp_path, "a.mp4", frames=40, size="16x16", rate="12")
    code, _, err = vldm(*other)
    assert code == 2 and "--fresh" in err and contents(tmp_path / ".o.mp4.vldm") == kept
    assert ("put that back" in err) == (change == "clip")


def test_what_nothing_can_go_on_with_is_begun_anew_and_that_is_said(vldm, stopped, tmp_path):
    """The same command, whose frames have another rate now: it is no option that has changed."""
    (tmp_path / "frames").mkdir()
    for number in range(40):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(tmp_path / "frames" / f"{number}.png")
    words = ("interpolate", "frames", "-o", "o.mp4", "--engine", "motion", *CPU)
    stopped(*words)
    (tmp_path / "frames" / "settings.json").write_text('{"vldm": "0", "settings": {"fps": "12"}}')
    code, _, err = vldm(*words)
    assert code == 0 and "begun anew" in err and not (tmp_path / ".o.mp4.vldm").exists()
    kept = (tmp_path / "o.mp4").read_bytes()
    assert vldm(*words, "--force")[0] == 0 and (tmp_path / "o.mp4").read_bytes() == kept


def test_without_a_name_the_same_command_goes_on_and_another_gets_another_name(vldm, base, stopped, here):
    words = ("generate", PROMPT, *base, "--frames", 30)
    stopped(*words, "--seed", 7)
    assert vldm(*words, "--seed", 8)[0] == 0
    assert here()[:1] == [".a-red-ball.mp4.vldm"] and here()[-1] == "a-red-ball-2.mp4"
    assert vldm(*words, "--seed", 7, "-v")[0] == 0
    assert here() == ["a-red-ball-2.mp4", "a-red-ball.mp4"]
    assert video_info("a-red-ball.mp4")["metadata"]["seed"] == 7


@pytest.mark.parametrize("more", [("--dtype", "bfloat16"), ("--image", "first.png")])
def test_variations_without_a_name_of_which_one_is_there_are_gone_on_with(vldm, base, here, tmp_path, more):
    Image.new("RGB", (48, 32), (200, 30, 30)).save(tmp_path / "first.png")
    words = ("generate", PROMPT, *base, "--frames", 2, "--seed", 7, "--variations", 2, *more)
    assert vldm(*words)[0] == 0
    made = here()
    (tmp_path / "a-red-ball-2.mp4").unlink()
    assert vldm(*words)[0] == 0 and here() == made


def test_variations_beyond_the_last_seed_are_refused_before_the_first(vldm, base, here):
    last = 2**63 - 1
    code, _, err = vldm("generate", PROMPT, *base, "--frames", 1, "--seed", last, "--variations", 2)
    assert code == 2 and "--variations 2" in err and f"--seed {last}" in err and here() == []
    assert vldm("generate", PROMPT, *base, "--frames", 1, "--seed", last - 1, "--variations", 2)[0] == 0


def test_a_size_beyond_all_bounds_is_refused(vldm, base, here):
    code, _, err = vldm("generate", PROMPT, *base, "--frames", 5, "--size", "99968x99968", "-o", "a.mp4")
    assert code == 2 and err.count("\n") == 1 and "GiB of memory" in err and "--size" in err and here() == []


@pytest.mark.parametrize(
    ("name", "out"),
    [
        *(("caf\udce9", out) for out in ("{}.mp4", "{}/o.mp4", "{}/o.gif", "{}/o.webp", "{}/o", "{}.mkv")),
        ("two\nlines", "{}.mp4"),
        ("a\rb", "{}/o"),
        ("a?b#c", "{}/o.gif"),
        ("a?b#c", "{}.mkv"),
    ],
)
def test_names_that_can_stand_in_no_text_file(vldm, tmp_path, name, out):
    try:
        (tmp_path / name).mkdir()
    except OSError:
        pytest.skip("the file system takes no such names")
    clips.make(tmp_path, "a.mp4", frames=2, size="16x16")
    os.rename(tmp_path / "a.mp4", tmp_path / f"{name} in.mp4")
    path = out.format(name)
    code, _, err = vldm("interpolate", f"{name} in.mp4", "-o", path, *CPU)
    assert code == 0, err
    made = json.loads(vldm("info", path, "--json")[1])
    assert (made["frames"], made["metadata"]["clip"]) == (4, f"{name} in.mp4")


def test_no_folder_for_temporary_files(vldm, base, tmp_path, monkeypatch):
    def none(*_):
        raise FileNotFoundError("No usable temporary directory found")

    words = ("--frames", 1, "--dtype", "float32", "--pack", base[1], "-o", "c.mp4", *CPU)
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "gettempdir", none)
        patched.setattr(tempfile, "tempdir", None)
        assert vldm("generate", PROMPT, *base, "--frames", 2, "-o", "a.mp4")[0] == 0
        assert vldm("interpolate", "a.mp4", "--engine", "motion", "-o", "b.gif", *CPU)[0] == 0
        assert vldm("extend", "a.mp4", *words)[0] == 0
    assert sorted(os.listdir(tmp_path)) == ["a.mp4", "b.gif", "c.mp4"]


@pytest.mark.parametrize("folder", [[], ["lock"]])
@pytest.mark.parametrize("words", [["-o", "o.mp4"], []])
def test_what_is_left_of_a_finished_run_is_tidied_up(vldm, here, tmp_path, words, folder):
    clips.make(tmp_path, "a.mp4", frames=2, size="16x16")
    assert vldm("interpolate", "a.mp4", *words, *CPU)[0] == 0
    before = here()
    run = tmp_path / f".{before[-1] if words else before[0]}.vldm"
    run.mkdir()
    for name in folder:
        (run / name).touch()
    assert vldm("interpolate", "a.mp4", *words, *CPU)[0] == 0 and here() == before
    run.mkdir()
    code, _, err = vldm("interpolate", "a.mp4", "-o", run.name[1:-5], "--factor", 4, *CPU)
    assert code == 2 and "exists" in err


def test_what_is_left_of_a_finished_extension_is_tidied_up(vldm, base, here, tmp_path):
    """Whether the clip's packets can be copied is tried out in the run's folder, which is not to go with the trial."""
    assert vldm("generate", PROMPT, *base, "--frames", 9, "--seed", 7, "-o", "a.mp4")[0] == 0
    words = ("extend", "a.mp4", "--frames", 2, "--steps", 1, "--pack", base[1], *base[2:-1], "-o", "o.mp4")
    assert vldm(*words)[0] == 0
    before = here()
    (tmp_path / ".o.mp4.vldm").mkdir()
    assert vldm(*words)[0] == 0 and here() == before
    assert vldm(*words)[0] == 2


def test_a_file_that_came_meanwhile_is_somebody_elses(vldm, tmp_path, monkeypatch):
    from vldm_cli.pipelines.clip import run

    clips.make(tmp_path, "a.mp4", frames=2, size="16x16")
    real = run.assemble

    def meanwhile(*words):
        (tmp_path / "o.mp4").write_text("theirs")
        return real(*words)

    with monkeypatch.context() as patched:
        patched.setattr(run, "assemble", meanwhile)
        code, _, err = vldm("interpolate", "a.mp4", "-o", "o.mp4", *CPU)
    assert code == 1 and "somebody else" in err and "is kept in" in err
    assert (tmp_path / "o.mp4").read_text() == "theirs"
    assert vldm("interpolate", "a.mp4", "-o", "o.mp4", *CPU)[0] == 2
    assert vldm("interpolate", "a.mp4", "-o", "o.mp4", "--force", *CPU)[0] == 0
    assert open_clip(tmp_path / "o.mp4").frames == 4 and not (tmp_path / ".o.mp4.vldm").exists()


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("keyframes", "gone"),
        ("text", "another"),
        ("unet", "another"),
        ("interpolation", "gone"),
        ("decoder", "another"),
    ],
)
def test_a_pack_that_vanishes_or_changes_during_the_run(
    vldm, base, pack_copy, tmp_path, monkeypatch, part, change
):
    """Models are loaded when they are first needed: what is finished by then is kept, and nothing else stays."""
    path = pack_copy / PARTS[part]
    whole, changed = path.read_bytes(), []

    class Begun(attempt.Journal):
        def __enter__(self):
            if not changed:
                changed.append(path.unlink())
                if change == "another":
                    path.write_bytes(whole[:-2] + b"\0\0")
            return super().__enter__()

    words = ("generate", PROMPT, "--pack", pack_copy, *base[2:], "--frames", 30, "--seed", 7, "-o", "a.mp4")
    monkeypatch.setattr(attempt, "Journal", Begun)
    code, out, err = vldm(*words, "-q")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert PARTS[part] in err and "since it was checked" in err and "go on with: vldm generate" in err
    saved = (tmp_path / ".a.mp4.vldm").exists()
    assert saved == (part in ("interpolation", "decoder"))
    assert ("is kept in .a.mp4.vldm" in err) == saved and ("begins anew" in err) == (not saved)
    path.write_bytes(whole)
    assert vldm(*words)[0] == 0 and not (tmp_path / ".a.mp4.vldm").exists()
    assert vldm(*words[:-1], "b.mp4")[0] == 0
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_pack_that_breaks_while_it_loads_leaves_nothing(vldm, base, here, monkeypatch):
    from vldm_cli.errors import RequestError

    def broken(*_):
        raise RequestError("pack tiny: unet/config.json is damaged")

    monkeypatch.setattr("vldm_cli.packs.prepare.prepare", broken)
    code, _, err = vldm("generate", PROMPT, *base, "--frames", 2, "-o", "a.mp4")
    assert code == 2 and "unet/config.json" in err and here() == []
