"""Killed before a file operation and given again, a command ends with the same bytes and leaves nothing, and never is
anything but a whole file under its name. A seeded few of the operations, and all of the last ones, where the video is
delivered; with `-m faults` all of them and more commands."""

import os
import random
import shutil

import pytest

CPU = ["--device", "cpu"]
MOTION = [*CPU, "--engine", "motion"]
JOBS = {
    "mp4": (["interpolate", "tiny.mp4", "-o", "o.mp4", *MOTION], ["o.mp4"]),
    "folder over a folder": (["interpolate", "tiny.mp4", "-o", "o", "--force", *MOTION], ["o"]),
    "gif and preview": (
        ["interpolate", "tiny.mp4", "-o", "o.gif", "--preview", "p.png", *MOTION],
        ["o.gif", "p.png"],
    ),
    "no name": (["interpolate", "tiny.mp4", *MOTION], ["tiny-i2.mp4"]),
    "over a file": (["interpolate", "tiny.mp4", "-o", "o.mp4", "--force", *MOTION], ["o.mp4"]),
    "variations": (["generate", "a ball", "--variations", "2"], ["a-ball-1.mp4", "a-ball-2.mp4"]),
    "one of no name": (["generate", "a ball"], ["a-ball.mp4"]),
}
GENERATE = ["--frames", "2", "--no-upscale", "--seed", "7", "--dtype", "float32", *CPU]
LAST = 14  # operations around the delivery


class Job:
    """A command, where it runs, and what it ends with when nothing happens."""

    def __init__(self, name, program, clip, pack, place):
        self.argv, self.outs = JOBS[name]
        if self.argv[0] == "generate":
            self.argv = [*self.argv, *GENERATE, "--pack", str(pack.folder)]
        self.name, self.program, self.clip, self.place = name, program, clip, place
        self.fresh()
        done = self.run()
        assert done.code == 0, done.err
        self.ops, self.wanted = done.ops.splitlines(), self.there()
        assert sorted(self.wanted) == sorted(self.outs)

    def fresh(self):
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        shutil.copy(self.clip, self.place / "tiny.mp4")
        self.old = {}
        if self.name == "over a file":
            shutil.copy(self.clip, self.place / "o.mp4")
        if self.name == "folder over a folder":
            (self.place / "o").mkdir()
            for number in range(3):
                (self.place / "o" / f"{number}.png").write_bytes(b"old")
        self.old = self.there()

    def run(self, **how):
        return self.program(self.place, *self.argv, **how)

    def there(self):
        """What lies in the folder beside the clip, whole."""
        names = [path.name for path in self.place.iterdir() if path.name != "tiny.mp4"]
        return {name: whole(self.place / name) for name in names}

    def check(self, at):
        """Killed before operation `at`, counted from 1, and given again."""
        self.fresh()
        killed, here = self.run(at=at), f"{self.name}, killed before operation {at} ({self.ops[at - 1]})"
        assert killed.code == -9, here
        for name, whole in self.there().items():
            assert (
                name.startswith(".") or name == "p.png" or whole in (self.wanted[name], self.old.get(name))
            ), here
        again = self.run()
        assert again.code == 0, f"{here}: {again.err}"
        assert self.there() == self.wanted, f"{here}: {sorted(self.there())}"


def whole(path):
    """What is in a file, or in the files of a folder."""
    if not path.is_dir():
        return path.read_bytes()
    return sorted((str(p.relative_to(path)), p.read_bytes()) for p in path.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    "name",
    [
        "mp4",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("folder over a folder", "gif and preview")),
    ],
)
def test_killed_and_given_again(program, clip, tiny_pack, tmp_path, name):
    job = Job(name, program, clip, tiny_pack, tmp_path / "run")
    count = len(job.ops)
    for at in sorted(
        {*random.Random(name).sample(range(1, count - LAST), 1), *range(count - LAST, count + 1, 3)}
    ):
        job.check(at)


@pytest.mark.faults
@pytest.mark.parametrize("name", JOBS)
def test_killed_anywhere_and_given_again(program, clip, tiny_pack, tmp_path, name):
    job = Job(name, program, clip, tiny_pack, tmp_path / "run")
    for at in range(1, len(job.ops) + 1):
        job.check(at)


def test_variations_without_a_name_go_on(program, clip, tiny_pack, tmp_path):
    """Killed when the first is there and the second not begun: a part of the numbers is there, and no folder."""
    job = Job("variations", program, clip, tiny_pack, tmp_path / "run")
    job.fresh()
    assert job.run(match=r"os\.mkdir \.a-ball-2\.mp4\.vldm").code == -9
    assert list(job.there()) == ["a-ball-1.mp4"]
    assert job.run().code == 0 and job.there() == job.wanted
    job.fresh()
    assert job.run(match=r"os\.remove \.a-ball-1\.mp4\.vldm/delivered\.json").code == -9
    assert job.run().code == 0 and job.there() == job.wanted
    other = program(job.place, *[word if word != "7" else "8" for word in job.argv])
    assert other.code == 0 and {"a-ball-2-1.mp4", "a-ball-2-2.mp4"} < set(job.there())


@pytest.mark.parametrize("names", [["SIGINT"], ["SIGTERM"], ["SIGHUP"], ["SIGINT", "SIGINT"]])
def test_a_signal_is_one_sentence_and_130(program, clip, tmp_path, names):
    shutil.copy(clip, tmp_path / "tiny.mp4")
    argv = JOBS["mp4"][0]
    done = program(tmp_path, *argv, match=r"os\.rename .*part-segment", signals=names)
    assert (done.code, done.out) == (130, "") and done.err.count("vldm: ") == 1
    assert done.err.endswith(f"0 of 16 frames of o.mp4 are saved; go on with: vldm {' '.join(argv)}\n")
    assert program(tmp_path, *argv).code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.mp4", "tiny.mp4"]


@pytest.mark.parametrize("match", [r"os\.link", r"os\.remove .*delivered", r"os\.rmdir"])
def test_a_signal_once_it_is_delivered_changes_nothing(program, clip, tmp_path, match):
    shutil.copy(clip, tmp_path / "tiny.mp4")
    done = program(tmp_path, *JOBS["mp4"][0], match=match, signals=["SIGINT"])
    assert done.code == 0 and "o.mp4: 16 frames" in done.out and "vldm:" not in done.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.mp4", "tiny.mp4"]


def test_between_two_variations_a_signal_counts(program, clip, tiny_pack, tmp_path):
    argv = [*JOBS["variations"][0], *GENERATE, "--pack", str(tiny_pack.folder)]
    done = program(tmp_path, *argv, match=r"os\.rmdir", signals=["SIGTERM"])
    assert done.code == 130 and "0 of 2 frames of a-ball-2.mp4 are saved" in done.err
    assert os.listdir(tmp_path) == ["a-ball-1.mp4"] and "a-ball-1.mp4: 2 frames" in done.out
