"""Every part of a pack by one command: runs a schedule, and the same command again goes on where it stopped."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from vldm_cli.errors import RequestError, RunError
from vldm_cli.train.launch import Processes
from vldm_cli.train.schedule import Job, fitted
from vldm_cli.train.stop import Stop
from vldm_cli.video.numbers import LONGEST, real_of

STATE, LOG = "schedule.json", "log.txt"
TRIES, AGAIN = 2, "--no-record"
# What the command line answers to a request that cannot be served: asking again would not help.
REFUSED = 2
POLL_SECONDS, STATUS_SECONDS, SAVE_SECONDS = 0.2, 30.0, 5.0
# How long parts that were asked to stop may take to save.
STOP_SECONDS = 120.0


class Everything:
    """Runs `jobs` within `minutes` of wall time (over all calls) in the run folder `folder`, a folder a part in it.

    words: job, minutes → the words of its command. launch, clock, wait, say: what the tests put something else for.
    """

    def __init__(
        self,
        jobs: list[Job],
        minutes: float,
        folder: Path,
        words: Callable[[Job, float], list[str]],
        state: dict,
        launch: Callable[[list[str], tuple[int, ...], Path], Processes] = Processes,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] = lambda line: print(line, flush=True),
    ):
        self.jobs, self.minutes, self.folder, self.words, self.state = jobs, minutes, folder, words, state
        self.launch, self.clock, self.wait, self.say = launch, clock, wait, say
        self.before = state["spent"]
        self.waiting = [job for job in jobs if job.part not in state["done"]]
        self.running: dict[Job, Processes] = {}
        self.tries: dict[str, int] = {}
        self.failed: list[str] = []

    def run(self) -> None:
        """To the end of the schedule. Raises KeyboardInterrupt (every part has saved) on SIGINT or SIGTERM, RunError
        naming the parts that broke twice, and those that needed them."""
        self.start = self.saved = self.told = self.clock()
        with Stop() as stop:
            try:
                while True:
                    if stop.asked:
                        self._stop()
                        raise KeyboardInterrupt
                    self._reap()
                    self._begin()
                    if not self.running:
                        break
                    self._now_and_then()
                    self.wait(POLL_SECONDS)
            finally:
                for processes in self.running.values():
                    processes.kill()
                self._save()
        if self.failed:
            raise RunError(
                f"not trained: {', '.join(self.failed)} (see {LOG} in {self.folder}); the same command tries again"
            )
        self.say(f"all trained in {self._spent() / 60:.1f} minutes")

    def _begin(self) -> None:
        """Start what can be started; leave out what will never have what it needs."""
        taken = {place for job in self.running for place in job.places}
        for job in list(self.waiting):
            lost = [part for part in job.after if part in self.failed]
            if lost:
                self.waiting.remove(job)
                self.failed.append(job.part)
                self.say(f"{job.part}: left out, for there is no {lost[0]}")
            elif not job.places & taken and all(part in self.state["done"] for part in job.after):
                self.waiting.remove(job)
                self._launch(job)
            # a GPU waits for the first job in line and is not taken by a later one
            taken |= job.places if job.part not in self.failed else set()

    def _launch(self, job: Job) -> None:
        # a part that goes on keeps the minutes that its learning rate was planned for
        planned = self.state["minutes"]
        planned.setdefault(job.part, round(fitted(job, self.jobs, self._spent() / 60, self.minutes), 3))
        self.tries[job.part] = self.tries.get(job.part, 0) + 1
        where = f"GPU {', '.join(map(str, job.gpus))}" if job.gpus else "the CPU"
        self._tell(f"{job.part} on {where}, {planned[job.part]:.2f} minutes of training")
        words = self.words(job, planned[job.part])
        if self.tries[job.part] > 1:
            words = [*words, AGAIN]  # what broke may have been the recording of its steps
        self.running[job] = self.launch(words, job.gpus, self.folder / job.part / LOG)
        self._save()

    def _reap(self) -> None:
        for job, processes in list(self.running.items()):
            code = processes.poll()
            if code is None:
                continue
            del self.running[job]
            if code == 0:
                self.state["done"].append(job.part)
                self._tell(f"{job.part} done: {self._last_line(job)}")
            elif code != REFUSED and self.tries[job.part] < TRIES:
                self._tell(f"{job.part} broke (exit {code}) and goes on from what it saved")
                self.waiting.insert(0, job)
            else:
                self.failed.append(job.part)
                self._tell(f"{job.part} FAILED (exit {code}): {self._last_line(job)}")
            self._save()

    def _stop(self) -> None:
        """Every running part saves and ends; those that cannot are ended."""
        self.say("stopping: every part saves")
        for processes in self.running.values():
            processes.stop()
        until = self.clock() + STOP_SECONDS
        while self.running and self.clock() < until:
            for job, processes in list(self.running.items()):
                code = processes.poll()
                if code is not None:
                    del self.running[job]
                    if code == 0:
                        self.state["done"].append(job.part)
            self.wait(POLL_SECONDS)

    def _now_and_then(self) -> None:
        now = self.clock()
        if now - self.saved >= SAVE_SECONDS:
            self._save()
        if now - self.told >= STATUS_SECONDS:
            self.told = now
            for job in self.running:
                self._tell(f"{job.part}: {self._last_line(job)}")

    def _spent(self) -> float:
        """Seconds, earlier calls counted in."""
        return self.before + self.clock() - self.start

    def _tell(self, line: str) -> None:
        self.say(f"[{self._spent() / 60:6.2f}] {line}")

    def _last_line(self, job: Job) -> str:
        path = self.folder / job.part / LOG
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def _save(self) -> None:
        self.saved = self.clock()
        write_state(self.folder, {**self.state, "spent": round(self._spent(), 1)})


def read_state(folder: Path, identity: dict, further: dict[str, list[str]]) -> dict | None:
    """The state of the run in `folder`, or None. further: part → more options of its training, which may change until
    that is done: a part that was refused for one is tried again without. Raises RequestError if it is damaged or
    another run's."""
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        state = json.loads(path.read_text())
        theirs, spent = state["identity"], real_of(state["spent"], 0, 60 * LONGEST)
        sound = (
            isinstance(theirs, dict)
            and isinstance(state["minutes"], dict)
            and isinstance(state["done"], list)
            and isinstance(state.get("further", {}), dict)
            and all(isinstance(words, list) for words in state.get("further", {}).values())
        )
        if not sound or spent is None:
            raise ValueError("its entries are of other types")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RequestError(f"{path} is no schedule of a training ({error}); choose another --run") from error
    for key, value in identity.items():
        if theirs.get(key) != value:
            raise RequestError(
                f"{folder} holds a run with {key} {theirs.get(key)}, not {value}; choose another --run"
            )
    # runs of earlier versions did not tell of them
    began = state.get("further", further)
    for part in state["done"]:
        told, asked = (
            " ".join(map(str, words.get(part, ()))) or "no further options" for words in (began, further)
        )
        if told != asked:
            raise RequestError(
                f"--with: {folder} holds {part} trained with {told}, not with {asked}; choose another --run"
            )
    return {**state, "further": further}


def new_state(identity: dict, further: dict[str, list[str]]) -> dict:
    """The state of a run before its first second: which parts are done, how many minutes each was given, and its
    further options."""
    return {"identity": identity, "spent": 0.0, "minutes": {}, "done": [], "further": further}


def write_state(folder: Path, state: dict) -> None:
    """Put in place by a rename: a crash leaves the old state or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{STATE}.tmp"
    temporary.write_text(json.dumps(state, indent=1) + "\n")
    os.replace(temporary, folder / STATE)
