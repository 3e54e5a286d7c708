"""`import vldm_cli`: light, and what the commands do."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import vldm_cli as vldm
from tests import public
from tests.video import clips
from vldm_cli.packs import load
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.combine import write_choice

ROOT = Path(__file__).parents[2]
PROMPT = "a red ball bounces"
HEAVY = ("torch", "diffusers", "transformers", "numpy", "PIL", "typer")


def test_importing_it_and_opening_a_pack_is_light(tiny_pack):
    script = (
        "import sys, vldm_cli as vldm\n"
        "assert set(vldm.__all__) <= set(dir(vldm))\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        f"pack = vldm.load_pack({str(tiny_pack.folder)!r}, device='cpu')\n"
        "print(heavy, pack, 'torch' in sys.modules, 'diffusers' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] LoadedPack('tiny', device='cpu'")
    assert done.stdout.endswith("False False\n")


def test_every_public_name_is_there_and_says_what_it_is():
    for name in vldm.__all__:
        assert getattr(vldm, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute nothing"):
        _ = vldm.nothing


def test_the_same_files_as_by_the_commands(command, pack, tmp_path):
    """generate → extend → interpolate by motion; and upscale."""
    options = ("--pack", pack.pack.folder, "--device", "cpu", "--dtype", "float32", "--quiet")
    clips.make(tmp_path, "clip.mkv", frames=4, size="20x12")
    words = ("--frames", 9, "--seed", 5, "--no-upscale", "--fps", "24000/1001", "--size", "64x40")
    assert command("generate", PROMPT, *options, *words, "-o", "a.mp4")[0] == 0
    assert command("extend", "a.mp4", *options, "--frames", 3, "-o", "b.mp4")[0] == 0
    assert command("interpolate", "clip.mkv", "--device", "cpu", "--engine", "motion", "-o", "c.mkv")[0] == 0
    assert command("upscale", "clip.mkv", *options, "--seed", 2, "--tile", 32, "-o", "d.mkv")[0] == 0
    (tmp_path / "api").mkdir()
    own = {"fps": "24000/1001", "size": (40, 64)}
    a = vldm.generate(PROMPT, "api/a.mp4", pack=pack, frames=9, seed=5, upscale=False, **own)
    b = vldm.extend("api/a.mp4", "api/b.mp4", pack=pack, frames=3)
    c = vldm.interpolate("clip.mkv", "api/c.mkv", device="cpu", engine="motion")
    d = vldm.upscale("clip.mkv", "api/d.mkv", pack=pack, seed=2, tile=32)
    for made in (a, b, c, d):
        assert made.out.read_bytes() == (tmp_path / made.out.name).read_bytes(), made.out
    assert (a.frames, a.width, a.height, a.seed, a.prompt) == (9, 64, 40, 5, PROMPT)
    assert (b.frames, b.prompt, c.prompt, d.width) == (12, PROMPT, None, 80)
    assert a.pack == {"name": "tiny", "hash": pack.pack.manifest.hash} and a.warnings == []


def test_a_licence_that_is_not_free_for_every_use_is_said_with_the_video(tmp_path):
    sd, adapter = public.sd_folder(tmp_path / "sd"), public.adapter_folder(tmp_path / "adapter")
    manifest = write_choice(str(tmp_path / "mine"), Choice(str(sd), motion=str(adapter))).path("pack.toml")
    manifest.write_text(manifest.read_text().replace('licence = "not stated"', 'licence = "CC-BY-NC-4.0"'))
    pack = vldm.load_pack(tmp_path / "mine", device="cpu", dtype="float32")
    said = ["pack mine, and so what it makes, is under CC-BY-NC-4.0"]
    small = {"pack": pack, "frames": 1, "size": (64, 64), "steps": 1}
    assert vldm.generate("a fox", tmp_path / "a.mp4", **small, upscale=False).warnings == said
    assert vldm.stream("a fox", **small, upscale=False).warnings == said
    assert (
        vldm.extend(
            tmp_path / "a.mp4", tmp_path / "b.mp4", pack=pack, frames=4, replacement=True
        ).warnings.count(*said)
        == 1
    )


def test_info_is_what_the_command_says(command, pack):
    vldm.generate(PROMPT, "a.mp4", pack=pack, frames=1, seed=5, upscale=False)
    found = vldm.info("a.mp4")
    assert found.as_table() == json.loads(command("info", "a.mp4", "--json")[1])
    assert (found.frames, found.fps, found.metadata["seed"], found.latents_of) == (1, 24, 5, [0])


def test_models_are_loaded_once_and_kept(command, tiny_pack, monkeypatch):
    loads = []
    real = load.loaded
    monkeypatch.setattr(load, "loaded", lambda *a: loads.append(a) or real(*a))
    pack = vldm.load_pack(tiny_pack.folder, device="cpu", dtype="float32")
    assert loads == []
    vldm.generate(PROMPT, "a.mp4", pack=pack, frames=1, seed=1, upscale=False)
    first = len(loads)
    vldm.generate(PROMPT, "b.mp4", pack=pack, frames=1, seed=1, upscale=False)
    assert len(loads) == first > 0


def test_progress_is_told_as_it_comes(command, pack):
    events = []
    vldm.generate(PROMPT, "a.mp4", pack=pack, frames=9, seed=1, upscale=False, on_progress=events.append)
    assert [f.name for f in fields(events[0])] == ["stage", "done", "total", "frames"]
    last = {event.stage: event for event in events}
    assert set(last) == {"keyframes", "interpolate4", "interpolate1", "decode", "write", "join"}
    assert all(event.done == event.total for event in last.values())
    assert events[-1].frames == last["write"].total == 9
    frames = [event.frames for event in events]
    assert frames == sorted(frames) and 6 in frames  # the first segment before the second


def test_what_on_progress_raises_ends_the_run_which_then_goes_on(command, pack, tmp_path):
    class Enough(Exception):
        pass

    def enough(event):
        if event.frames:
            raise Enough

    ask = {"pack": pack, "frames": 9, "upscale": False}
    with pytest.raises(Enough):
        vldm.generate(PROMPT, "a.mp4", **ask, seed=1, on_progress=enough)
    assert (tmp_path / ".a.mp4.vldm").is_dir() and not (tmp_path / "a.mp4").exists()
    again = vldm.generate(PROMPT, "a.mp4", **ask)
    assert again.seed == 1 and again.first_segment_seconds is not None
    whole = vldm.generate(PROMPT, "b.mp4", **ask, seed=1)
    assert again.out.read_bytes() == whole.out.read_bytes()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda pack: vldm.generate(" ", pack=pack), "prompt is empty"),
        (lambda pack: vldm.generate(PROMPT, "a.avi", pack=pack), "use .mp4"),
        (lambda pack: vldm.generate(PROMPT, "gone/a.mp4", pack=pack), "no folder gone"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, device="cuda:7"), "tiny is loaded for cpu"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, dtype="float16"), "tiny is loaded for float32"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, fps="fast"), "--fps fast"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, image=np.zeros((3, 3, 3), np.uint8)), "first frame"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, fps=Fraction(10**5000)), "--fps"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, fps=float("nan")), "--fps nan"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, frames=24.5), "--frames 24.5"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, frames=10**5000), "--frames a number of more than"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, frames="24"), "--frames 24 is no whole"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, frames=True), "--frames True"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, seed=1.0), "--seed 1.0"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, guidance="3"), "--guidance 3"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, size=(10**9, 8)), "--size 8x1000000000 is no size"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, size=(float("nan"), 8)), "--size"),
        (lambda pack: vldm.generate(PROMPT, pack=pack, size=8), "--size 8"),
        (lambda pack: vldm.stream(PROMPT, pack=pack, steps="all"), "--steps all"),
        (lambda pack: vldm.upscale("gone.mp4", pack=pack, scale=2.0), "--scale 2.0"),
        (lambda pack: vldm.upscale("gone.mp4", pack=pack, crf=None), "--crf None"),
        (lambda pack: vldm.upscale("gone.mp4", pack=pack, tile=10**30), "--tile"),
        (lambda pack: vldm.upscale("gone.mp4", pack=pack, noise=float("nan")), "--noise nan"),
        (lambda pack: vldm.interpolate("gone.mp4", factor="2"), "--factor 2"),
        (
            lambda pack: vldm.extend("gone.mp4", pack=pack, context_guidance=float("inf")),
            "--context-guidance inf",
        ),
        (lambda pack: vldm.extend("gone.mp4", pack=pack, frames=2**70), "--frames a number"),
        (lambda pack: vldm.load_pack(pack.pack.folder, device="cuda:" + "9" * 5000), "--device cuda:999"),
        (lambda pack: vldm.stream(PROMPT, pack=pack, frames=0), "--frames 0"),
        (lambda pack: vldm.stream(PROMPT, pack="gone"), "no pack gone"),
        (lambda pack: vldm.stream(PROMPT, pack=pack, seed=-1), "--seed -1"),
        (lambda pack: vldm.upscale("gone.mp4", pack=pack), "gone.mp4"),
        (lambda pack: vldm.upscale("gone.mp4", pack=pack, scale=3), "--scale 3"),
        (lambda pack: vldm.interpolate("gone.mp4", factor=3), "--factor 3"),
        (lambda pack: vldm.extend("gone.mp4", pack=pack, frames=0), "--frames 0"),
        (
            lambda pack: vldm.interpolate("gone.mp4", pack=pack, running=vldm.Running(plain=True)),
            "loaded to run in another way",
        ),
        (lambda pack: vldm.interpolate("gone.mp4", pack=pack, engine="refined"), "--pack is for --engine"),
        (lambda pack: vldm.info("gone.mp4"), "gone.mp4"),
        (lambda pack: vldm.load_pack(pack.pack.folder, device="tpu"), "--device tpu"),
    ],
)
def test_what_cannot_be_served_is_refused_at_once(command, pack, tmp_path, call, words):
    with pytest.raises(vldm.RequestError, match=words):
        call(pack)
    assert list(tmp_path.iterdir()) == []


def test_the_example_runs(tiny_pack, tmp_path):
    words = ["--out", tmp_path / "out", "--pack", tiny_pack.folder, "--frames", "7", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "api.py", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "longer.mp4: 13 frames of 48x32" in done.stdout and "large.mp4: 7 frames of 96x64" in done.stdout
    assert "refused:" in done.stdout and "--force" in done.stdout


def test_threads_may_share_a_loaded_pack(tiny_pack, tmp_path):
    """What a model's temporal layers share during a call was another call's: frames were wrong, and nothing said so."""
    pack = vldm.load_pack(tiny_pack.folder, device="cpu", dtype="float32")

    def make(name: str, seed: int) -> bytes:
        options = {"pack": pack, "frames": 5 + 4 * seed, "seed": seed, "upscale": seed != 1}
        return vldm.generate("a red ball", tmp_path / name, **options).out.read_bytes()

    alone = [make(f"alone{seed}.mp4", seed) for seed in range(3)]
    with ThreadPoolExecutor(3) as threads:
        beside = list(threads.map(make, [f"beside{seed}.mp4" for seed in range(3)], range(3)))
    assert beside == alone
