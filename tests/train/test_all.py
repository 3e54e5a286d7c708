"""`vldm train all`: what runs when, what happens when a part breaks, and going on; with parts that only pretend."""

import json
import signal

import pytest

from vldm_cli.errors import RequestError, RunError
from vldm_cli.train.all import STATE, Everything, new_state, read_state, write_state
from vldm_cli.train.schedule import make_schedule

MINUTES = 20.0
IDENTITY = {"data": "toyland", "minutes": MINUTES}


class World:
    """A clock that `wait` moves on, and processes that end when their minutes are over (0) or at once (any other code).

    codes: part → exit codes of its tries in order; 0 after the last.
    """

    def __init__(self, folder, codes=(), gpus=2, interrupt_at=None, parts=None):
        self.folder, self.codes, self.interrupt_at = (
            folder,
            {p: list(c) for p, c in dict(codes).items()},
            interrupt_at,
        )
        self.now, self.events, self.lines, self.busy, self.alive = 0.0, [], [], set(), []
        self.words = []
        self.jobs = make_schedule(MINUTES, gpus, parts)

    def run(self):
        state = read_state(self.folder, IDENTITY, {}) or new_state(IDENTITY, {})
        Everything(
            self.jobs, MINUTES, self.folder, lambda job, minutes: [job.part, str(minutes)], state,
            launch=self.launch, clock=lambda: self.now, wait=self.wait, say=self.lines.append,
        ).run()  # fmt: skip

    def wait(self, seconds):
        self.now += 3.0
        if self.interrupt_at is not None and self.now >= self.interrupt_at:
            self.interrupt_at = None
            signal.raise_signal(signal.SIGTERM)

    def launch(self, words, gpus, log):
        part, minutes = words[0], float(words[1])
        self.words.append(words)
        assert log.parent == self.folder / part
        assert not self.busy & set(gpus), "a GPU is used twice"
        self.busy |= set(gpus)
        self.events.append(part)
        left = self.codes.get(part, [])
        code = left.pop(0) if left else 0
        process = Process(self, gpus, self.now if code else self.now + 60 * minutes, code)
        self.alive.append(process)
        return process


class Process:
    def __init__(self, world, gpus, until, code):
        self.world, self.gpus, self.until, self.code, self.stopped = world, gpus, until, code, False

    def poll(self):
        if self.world.now < self.until:
            return None
        self.world.busy -= set(self.gpus)
        return self.code

    def stop(self):
        self.stopped, self.until, self.code = True, self.world.now, 130

    def kill(self):
        raise AssertionError("nothing needed to be killed")


def state(folder):
    return json.loads((folder / STATE).read_text())


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_all_parts_in_order_and_in_time(tmp_path, gpus):
    world = World(tmp_path, gpus=gpus)
    world.run()
    assert sorted(world.events) == sorted(job.part for job in world.jobs)
    for job in world.jobs:
        assert all(world.events.index(part) < world.events.index(job.part) for part in job.after)
    # what a process needs around its training is left over by those that pretend
    assert 0.7 * MINUTES < world.now / 60 <= MINUTES
    assert sorted(state(tmp_path)["done"]) == sorted(world.events)
    # and again: there is nothing left to do
    again = World(tmp_path, gpus=gpus)
    again.run()
    assert again.events == []


def test_a_broken_part_goes_on_once(tmp_path):
    world = World(tmp_path, {"image": [1]})
    world.run()
    assert world.events.count("image") == 2 and world.events.count("keyframes") == 1
    assert any("image broke (exit 1)" in line for line in world.lines)
    # its recorded steps may have been what broke
    assert ["--no-record" in words for words in world.words if words[0] == "image"] == [False, True]
    assert not any("--no-record" in words for words in world.words if words[0] != "image")


def test_a_part_that_stays_broken_takes_its_followers_with_it_and_no_others(tmp_path):
    world = World(tmp_path, {"image": [1, -9]})
    with pytest.raises(RunError, match="image, keyframes, interpolation"):
        world.run()
    assert world.events.count("image") == 2
    assert not {"keyframes", "interpolation"} & set(world.events)
    assert {"decoder", "upscaler", "probe"} <= set(state(tmp_path)["done"])
    # the same command tries again, and only what is missing
    again = World(tmp_path)
    again.run()
    assert sorted(again.events) == ["image", "interpolation", "keyframes"]


def test_a_refused_part_is_not_asked_again(tmp_path):
    world = World(tmp_path, {"probe": [2]})
    with pytest.raises(RunError, match="not trained: probe "):
        world.run()
    assert world.events.count("probe") == 1 and "upscaler" in world.events


def test_interrupted_every_part_saves_and_the_same_command_goes_on(tmp_path):
    world = World(tmp_path, interrupt_at=60 * MINUTES * 0.65)
    with pytest.raises(KeyboardInterrupt):
        world.run()
    stopped = [p for p in world.alive if p.stopped]
    assert len(stopped) == 2
    before = state(tmp_path)
    assert before["done"][0] == "autoencoder" and before["spent"] == pytest.approx(
        60 * MINUTES * 0.65, abs=10
    )
    again = World(tmp_path)
    again.run()
    assert "autoencoder" not in again.events and "keyframes" in again.events
    # a part that goes on keeps the minutes that its learning rate was planned for
    after = state(tmp_path)
    assert after["minutes"]["keyframes"] == before["minutes"]["keyframes"]
    assert after["minutes"].keys() == {job.part for job in again.jobs}


def test_another_run_in_the_folder_is_refused(tmp_path):
    World(tmp_path, parts={"probe": None}).run()
    with pytest.raises(RequestError, match=r"minutes 20\.0, not 5"):
        read_state(tmp_path, {**IDENTITY, "minutes": 5}, {})
    (tmp_path / STATE).write_text("{}")
    with pytest.raises(RequestError, match="no schedule"):
        read_state(tmp_path, IDENTITY, {})
    assert read_state(tmp_path / "nowhere", IDENTITY, {}) is None


def test_what_is_trained_keeps_the_options_that_it_was_trained_with(tmp_path):
    began = {"probe": ["--lr", "1e-3"], "image": ["--batch", "8"]}
    state = new_state(IDENTITY, began) | {"done": ["probe"]}
    write_state(tmp_path, state)
    # what is not trained yet may be given others
    found = read_state(tmp_path, IDENTITY, {**began, "image": ["--batch", "4"]})
    assert found is not None and found["further"]["image"] == ["--batch", "4"]
    for further, words in (
        ({}, "trained with --lr 1e-3, not with no further options"),
        ({"probe": ["--lr", "1"]}, "trained with --lr 1e-3, not with --lr 1"),
    ):
        with pytest.raises(RequestError, match=f"--with: .* holds probe {words}; choose another --run"):
            read_state(tmp_path, IDENTITY, further)
    # a run of an earlier version did not tell of them
    write_state(tmp_path, {key: value for key, value in state.items() if key != "further"})
    assert read_state(tmp_path, IDENTITY, {}) is not None
    write_state(tmp_path, {**state, "further": []})
    with pytest.raises(RequestError, match="no schedule"):
        read_state(tmp_path, IDENTITY, began)
