"""Whatever is wrong with a clip: a whole video, with a warning where frames are lost, or one sentence and nothing more.
A seeded few of each kind of clip; with `-m faults` more than a thousand."""

import random
import re

import pytest

from tests.faults.damage import BASES, FRAMES, damaged
from vldm_cli.video import ffmpeg

ADDED = 2
COMMANDS = {
    "interpolate": ("o.mp4", 2 * FRAMES, ["--engine", "motion"]),
    "upscale": ("o.mkv", FRAMES, ["--scale", "2", "--seed", "1", "--steps", "1", "--pack"]),
    "extend": ("o.mkv", FRAMES + ADDED, ["--frames", ADDED, "--seed", "1", "--steps", "1", "--pack"]),
    "interpolate --slow": ("o", 2 * FRAMES, ["--engine", "motion"]),
    "upscale to webm": ("o.webm", FRAMES, ["--scale", "2", "--seed", "1", "--steps", "1", "--pack"]),
    "info": (None, 0, []),
}
SHARE, LONG = range(1), range(100, 200)


@pytest.fixture(scope="session")
def bases(tmp_path_factory):
    made = {}

    def get(name):
        if name not in made:
            made[name] = BASES[name](tmp_path_factory.mktemp("base"))
        return made[name]

    return get


def decoded(path):
    """How many frames of a file or folder decode, and what ffmpeg says of them; packets of sound are the clip's own."""
    source = ["-i", ffmpeg.numbered(path)] if path.is_dir() else ["-i", ffmpeg.local(path)]
    listed = ["-v", "error", *source, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-"]
    out, said = ffmpeg.probe(listed)
    said = [line for line in said.splitlines() if not re.match(r"\[(aac|mp\d|opus|pcm\w*) @", line)]
    return sum(not line.startswith(b"#") for line in out.splitlines()), "\n".join(said)


def wrong(done, place, before, out, wanted):
    """What the command did that it must not."""
    said, after = done.out + done.err, {path.name for path in place.iterdir()}
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", said) or "Traceback" in said or "unexpected error" in said:
        return "a traceback, or control characters of the clip"
    if done.code == 2:
        lines = [line for line in done.err.splitlines() if line.startswith("vldm: ")]
        return None if len(lines) == 1 and after == before else f"left {after - before}"
    if done.code or out is None:
        return f"exit {done.code}" if done.code else None
    if after != before | {out}:
        return f"there is {after - before}"
    frames, errors = decoded(place / out)
    if errors or not frames:
        return f"{frames} frames can be decoded: {errors}"
    told = re.search(rf"{re.escape(out)}: (\d+) frames", done.out)
    if told is None or int(told.group(1)) != frames:
        return f"{frames} frames and not those that it told of"
    return (
        f"{frames} of {wanted} frames, without a word"
        if frames < wanted and "warning" not in done.err
        else None
    )


def check(program, base, pack, place, seed):
    chance = random.Random(f"{base.name} {seed}")
    name, harm = damaged(base, place, chance)
    command = chance.choice(list(COMMANDS))
    out, wanted, options = COMMANDS[command]
    words = [command.split()[0], name, *options, *([pack.folder] if "--pack" in options else [])]
    words += ["-o", out, "--device", "cpu"] if out else []
    words += ["--slow"] if "slow" in command else []
    before = {path.name for path in place.iterdir()}
    done = program(place, *words)
    fault = wrong(done, place, before, out, wanted)
    assert fault is None, f"seed {seed}, {harm}: {fault}\n{' '.join(map(str, words))}\n{done.err}"


@pytest.mark.long
@pytest.mark.parametrize("base", BASES)
def test_whole_clips_are_used_whole(program, bases, tiny_pack, tmp_path, base):
    """What the damaged ones are measured by."""
    path = bases(base)
    (tmp_path / path.name).symlink_to(path)
    before = {path.name for path in tmp_path.iterdir()}
    done = program(tmp_path, "interpolate", path.name, "-o", "o.mp4", "--device", "cpu")
    assert wrong(done, tmp_path, before, "o.mp4", 2 * FRAMES) is None and "damaged" not in done.err, done.err


@pytest.mark.parametrize("seed", SHARE)
@pytest.mark.parametrize("base", BASES)
def test_damaged_clips(program, bases, tiny_pack, tmp_path, base, seed):
    check(program, bases(base), tiny_pack, tmp_path, seed)


@pytest.mark.faults
@pytest.mark.parametrize("seed", LONG)
@pytest.mark.parametrize("base", BASES)
def test_damaged_clips_at_length(program, bases, tiny_pack, tmp_path, base, seed):
    check(program, bases(base), tiny_pack, tmp_path, seed)
