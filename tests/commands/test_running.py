"""--plain, --memory and --fast: what they change, and what is refused."""

import json
import shlex
from types import SimpleNamespace

import pytest
from typer.main import get_command

from vldm_cli.commands.app import app
from vldm_cli.commands.generate_plan import _room
from vldm_cli.stages.running import Running

PROMPT = "a red ball bounces"
STEPS = ("--steps", 4, "--guidance", 3, "--seed", 1, "--frames", 5)


def frames(folder):
    return [path.read_bytes() for path in sorted(folder.glob("*.png"))]


def test_plain_and_much_memory_are_as_usual_on_a_cpu(vldm, base, tmp_path):
    assert vldm("generate", PROMPT, *base, *STEPS, "-o", "a")[0] == 0
    assert vldm("generate", PROMPT, *base, *STEPS, "-o", "b", "--plain", "--memory", "high")[0] == 0
    assert len(frames(tmp_path / "a")) == 5 and frames(tmp_path / "a") == frames(tmp_path / "b")


@pytest.mark.parametrize("fast", ["deepcache", "cfg-skip"])
def test_what_is_fast_is_another_video_and_says_so(vldm, base, tiny_pack, tmp_path, fast):
    vldm("generate", PROMPT, *base, *STEPS, "-o", "exact")
    assert vldm("generate", PROMPT, *base, *STEPS, "--fast", fast, "-o", "a")[0] == 0
    assert frames(tmp_path / "a") != frames(tmp_path / "exact")
    code, _, err = vldm("generate", PROMPT, *base, *STEPS, "--fast", fast, "-o", "a.mp4")
    assert code == 0, err
    told = json.loads(vldm("info", "a.mp4", "--json")[1])
    assert told["metadata"]["settings"]["fast"] == [fast]
    command = told["command"].replace("--pack tiny", f"--pack {shlex.quote(str(tiny_pack.folder))}")
    words = shlex.split(command)[1:-1]
    assert words[words.index("--fast") + 1] == fast
    assert vldm(*words, "b.mp4", "--device", "cpu")[0] == 0
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("command", ["generate", "extend", "upscale"])
def test_each_command_leaves_it_to_the_device_whether_models_run_plainly(command):
    given = get_command(app).commands[command].params
    assert [option.default for option in given if option.name == "plain"] == [None]


def test_an_exact_video_says_nothing_of_it(vldm, base):
    vldm("generate", PROMPT, *base, *STEPS, "-o", "a.mp4")
    assert "fast" not in json.loads(vldm("info", "a.mp4", "--json")[1])["metadata"]["settings"]


@pytest.mark.parametrize(
    "options, said",
    [
        (("--memory", "low"), "--memory low is for the memory of a GPU, and this runs on cpu; leave it out"),
        (("--no-plain",), "--no-plain is for a CUDA GPU, and this runs on cpu; leave it out"),
        (
            ("--memory", "lowest"),
            "--memory lowest is for the memory of a GPU, and this runs on cpu; leave it out",
        ),
        (("--fast", "fp8"), "--fast fp8 is for a CUDA GPU, and this runs on cpu; leave it out"),
        (("--memory", "much"), "--memory much is none of lowest, low, auto, high"),
        (("--fast", "magic"), "--fast magic is none of deepcache, cfg-skip, fp8"),
    ],
)
def test_what_cannot_be_is_refused(vldm, base, here, options, said):
    for dry in ((), ("--dry-run",)):
        code, out, err = vldm("generate", PROMPT, *base, *STEPS, *options, *dry, "-o", "a.mp4")
        assert (code, out, here()) == (2, "", []) and said in err


def test_clips_are_made_in_the_same_ways(vldm, base, tiny_pack, tmp_path):
    vldm("generate", PROMPT, *base, *STEPS, "-o", "a.mp4")
    model = ("--pack", tiny_pack.folder, "--device", "cpu", "--dtype", "float32")
    extend = (
        "extend",
        "a.mp4",
        "--frames",
        4,
        "--seed",
        2,
        "--only-new",
        "--steps",
        4,
        "--guidance",
        3,
        *model,
    )
    assert vldm(*extend, "-o", "b")[0] == vldm(*extend, "--fast", "cfg-skip", "-o", "c")[0] == 0
    assert frames(tmp_path / "b") != frames(tmp_path / "c")
    assert vldm("upscale", "a.mp4", "--scale", 2, "--seed", 1, *model, "--plain", "-o", "d")[0] == 0
    code, _, err = vldm("upscale", "a.mp4", *model, "--memory", "low")
    assert code == 2 and "--memory low is for the memory of a GPU" in err
    code, _, err = vldm("interpolate", "a.mp4", "--device", "cpu", "--memory", "low")
    assert code == 2 and "--memory low is for the memory of a GPU" in err


@pytest.mark.parametrize(
    "running, how, needed",
    [
        (Running(memory="lowest"), "lowest", "wait beside it, 1.0 GiB"),
        (Running(memory="low"), "low", "wait beside it, 2.0 GiB"),
        (Running(fast=["fp8"]), "high", "with all weights in it"),
    ],
)
def test_a_dry_run_says_how_weights_lie(running, how, needed):
    sizes = {"peak": 9 << 30, "low": 2 << 30, "lowest": 1 << 30}
    plan = SimpleNamespace(**{f"estimated_{name}_bytes": size for name, size in sizes.items()})
    table = {}
    words = _room(table, plan, SimpleNamespace(device="cuda", running=running), 1)
    assert needed in words and f"(--memory {how})" in words and table["memory"] == how


def test_peers_need_a_gpu(vldm):
    code, out, err = vldm("measure", "speed", "--peers", "--device", "cpu")
    assert (code, out) == (2, "") and "--peers needs a CUDA GPU" in err
