"""`--gpus`, `--workers` and `--ray`: what is refused, and lists of videos that workers make."""

import json
import sys
from contextlib import AbstractContextManager

import pytest
import torch
from safetensors.torch import save_file

from tests import networks
from tests.clusters import far_cluster
from tests.video import clips
from vldm_cli.runs.pool import process

PROMPT = "a red ball"


@pytest.fixture
def options(tiny_pack):
    """Those of a small fast video on whatever device."""
    return ("--pack", tiny_pack.folder, "--dtype", "float32", "--no-upscale", "--frames", 30)


@pytest.mark.parametrize(
    "words, said",
    [
        (("--gpus", 2, "--workers", 2), "--gpus is for GPUs and --workers for CPUs"),
        (("--gpus", "few"), "--gpus few is none of all and numbers"),
        (("--gpus", 0), "--gpus 0 is none of all and numbers"),
        (("--workers", 0), "--workers 0"),
        (("--workers", 2, "--device", "cuda"), "--workers chooses the devices"),
        (("--ray", "somewhere"), "--ray somewhere is none of auto, local and HOST:PORT"),
        (("--ray", "127.0.0.1:1"), "nobody answers there"),
        (("--ray", "local", "--device", "mps"), "--ray chooses the devices"),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", ["generate", "upscale"])
def test_what_cannot_be_is_one_sentence(vldm, options, here, command, words, said):
    if "127.0.0.1:1" in words or "somewhere" in words:
        pytest.importorskip("ray")
    told = options if command == "generate" else ()
    code, _, err = vldm(command, PROMPT, *told, *words, "-o", "a.mp4")
    assert code == 2 and err.count("\n") == 1 and said in err and here() == []


def test_a_request_that_is_refused_ends_the_workers(vldm, options, here, monkeypatch):
    begun, begin = [], process._begin
    monkeypatch.setattr(process, "_begin", lambda *how: begun.append(begin(*how)) or begun[-1])
    code, _, err = vldm("generate", PROMPT, *options, "--workers", 2, "--size", "7x7", "-o", "a.mp4")
    assert code == 2 and err.count("\n") == 1 and here() == []
    assert [one.returncode is not None for one in begun] == [True, True]


def test_no_gpus(vldm, options, here, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, _, err = vldm("generate", PROMPT, *options, "--gpus", "all", "-o", "a.mp4")
    assert code == 2 and "there is no CUDA GPU" in err and "--workers" in err and here() == []


def test_without_ray_it_says_how_to_get_it(vldm, options, here, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = vldm("generate", PROMPT, *options, "--ray", "local", "-o", "a.mp4")
    assert code == 2 and "pip install 'vldm[ray]'" in err and err.count("\n") == 1 and here() == []


def test_a_list_by_workers_is_the_list(vldm, options, here, tmp_path, monkeypatch):
    """The same bytes, one that fails among them, and names without an option of workers go on alone."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    lines = ["a red ball", '{"prompt": "a cube", "frames": 3}', "a red cube"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    asked = ("generate", "--prompts", "list.txt", *options)
    with monkeypatch.context() as patch:  # workers do what this process would have no memory for
        patch.setattr("vldm_cli.runs.memory.host_bytes", lambda: 2**20)
        code, out, err = vldm(*asked, "-o", "w/{index}.mp4", "--workers", 2, "--json")
    assert code == 0, err
    tables = [json.loads(line) for line in out.splitlines()]
    assert sorted(table["index"] for table in tables) == [1, 2, 3]
    assert {table["device"] for table in tables} == {"2 x cpu"} and all(table["workers"] for table in tables)
    assert vldm(*asked, "-o", "p/{index}.mp4", "--device", "cpu")[0] == 0
    for number in (1, 2, 3):
        made = [(tmp_path / folder / f"{number}.mp4").read_bytes() for folder in "wp"]
        assert made[0] == made[1]
    assert here() == sorted(["list.txt", "p", "w", *(f"{f}/{n}.mp4" for f in "pw" for n in (1, 2, 3))])
    torch.set_num_threads(threads)


PLANNED = {
    "generate": ("generate", PROMPT, "--frames", 30, "--no-upscale", "--seed", 1),
    "extend": ("extend", "made.mp4", "--frames", 4, "--seed", 1),
    "interpolate": ("interpolate", "made.mp4", "--engine", "motion"),
    "by diffusion": ("interpolate", "made.mp4", "--engine", "diffusion", "--factor", 4),
    "upscale": ("upscale", "made.mp4", "--seed", 1),
    "network": ("upscale", "made.mp4", "--model", "net.safetensors"),
}


@pytest.mark.parametrize("many", [False, True], ids=["one", "list"])
@pytest.mark.parametrize("case", PLANNED)
def test_a_plan_for_a_cluster_from_a_machine_without_a_gpu(
    vldm, options, tiny_pack, tmp_path, monkeypatch, case, many
):
    made = ("--steps", 1, "--frames", 5, "--fps", 6, "--device", "cpu")
    assert vldm("generate", PROMPT, *options[:-2], *made, "-o", "made.mp4")[0] == 0
    save_file(networks.compact(), tmp_path / "net.safetensors")
    far_cluster(monkeypatch)
    words = list(PLANNED[case])
    if case not in ("interpolate", "network"):
        words += ["--pack", tiny_pack.folder]
    if many:
        (tmp_path / "list.txt").write_text(words.pop(1))
        words += ["--prompts" if case == "generate" else "--clips", "list.txt"]
    words += ["-o", "{index}.mp4" if many else "o.mp4", "--dry-run"]
    code, out, err = vldm(*words, "--ray", "auto", "--json")
    assert code == 0, err
    there, here = json.loads(out), json.loads(vldm(*words, "--device", "cpu", "--json")[1])
    # a GPU's plan: quicker than a CPU's, and of this machine's memory nothing is said
    assert there["estimated_total_seconds"] < here["estimated_total_seconds"] and "free_bytes" not in there
    if many:
        return
    assert there["device"] == "cuda"
    told = there.get("dtype") or there["settings"].get("dtype")
    assert told == (None if case == "interpolate" else "float16")  # motion has none
    out = vldm(*words, "--ray", "auto")[1]
    assert " on cuda" in out and "are free" not in out


def test_a_network_runs_on_a_cluster_from_a_machine_without_a_gpu(vldm, tmp_path, monkeypatch):
    """By workers of this machine, in the cluster's place."""
    clips.make(tmp_path, "a.mp4", frames=2, size="36x20")
    save_file(networks.compact(), tmp_path / "net.safetensors")
    words = ("upscale", "a.mp4", "--model", "net.safetensors", "--dtype", "float32", "--tile", 64)
    assert vldm(*words, "--device", "cpu", "-o", "a1.mp4")[0] == 0
    cluster = far_cluster(monkeypatch, gpus=1, begin=lambda count: process.open_pool(["cpu"] * count))
    code, _, err = vldm(*words, "--ray", "auto", "-o", "a2.mp4")
    assert code == 0 and cluster.opened == [("cuda", 1)], err
    assert (tmp_path / "a1.mp4").read_bytes() == (tmp_path / "a2.mp4").read_bytes()


class _Idle(AbstractContextManager):
    """In the place of a pool."""

    def __init__(self, *_):
        pass

    def __exit__(self, *_):
        pass

    def expect(self, coming):
        pass


@pytest.mark.parametrize("command", ["generate", "upscale"])
@pytest.mark.parametrize("asked", [("--gpus", 2), ("--ray", "auto"), ("--workers", 2)], ids=str)
def test_a_video_of_a_list_is_told_as_it_was_asked_for(
    vldm, tiny_pack, tmp_path, monkeypatch, command, asked
):
    """And not on the device of the process that only directs workers."""
    tasks = []

    def record(kept, pool):
        return lambda missing, begin: tasks.extend(missing) or ()

    far_cluster(monkeypatch, begin=_Idle)
    monkeypatch.setattr("vldm_cli.api.many.run.by_workers", record)
    monkeypatch.setattr(process, "open_pool", _Idle)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "--gpus" in asked)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    clips.make(tmp_path, "a.mp4", frames=2, size="36x20")
    (tmp_path / "list.txt").write_text("a.mp4")
    listed = "--prompts" if command == "generate" else "--clips"
    words = (command, listed, "list.txt", "--pack", tiny_pack.folder, "-o", "{index}.mp4", *asked)
    code, _, err = vldm(*words)
    assert code == 0, err
    (task,) = tasks
    assert task.options["device"] == "cpu"
    told = task.words
    assert "--device" not in told and "--dtype" not in told
    assert told[told.index(asked[0]) + 1] == str(asked[1])
