"""Workers that are processes of this machine: each is told through its stdin and answers through its stdout. When this
process ends, in whatever way, its end of the pipe is closed, and so they end as well."""

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

import vldm_cli
from vldm_cli import __version__
from vldm_cli.runs import remarks
from vldm_cli.runs.aside import WAITING
from vldm_cli.runs.command_line import place
from vldm_cli.runs.imports import uncollected
from vldm_cli.runs.pool.graph import Unit
from vldm_cli.runs.pool.pool import Lost, Pool
from vldm_cli.runs.pool.threads import share_of_threads
from vldm_cli.runs.pool.told import Failure, Setting, Task, Told


class Begun:
    """Worker processes, of which it is not yet known what they are for. They import meanwhile what takes so long:
    `needs`, a module with all that units will need. Where this process ends, so do they."""

    def __init__(self, count: int, needs: str) -> None:
        self.needs = needs
        self.threads = share_of_threads(count)
        self.processes = [_begin(self.threads, needs) for _ in range(count)]

    def end(self) -> None:
        """For nothing."""
        for process in self.processes:
            process.kill()
        while self.processes:
            _end(self.processes.pop())


def open_pool(devices: list[str], needs: str = "", begun: Begun | None = None) -> Pool:
    """A process for each device, such as ["cuda:0", "cuda:1"] or ["cpu"] * 4, that loads what it needs meanwhile.
    needs: as in `Begun`. begun: the processes, if there are as many; otherwise they are ended."""
    if begun is None or len(begun.processes) != len(devices):
        if begun is not None:
            begun.end()
        begun = Begun(len(devices), needs)
    kind, hands = devices[0].split(":")[0], []
    for device in devices:
        setting = Setting(device, begun.threads, place(), waiting=WAITING[kind])
        hands.append(ProcessHand(setting, needs))
        hands[-1].start(begun.processes.pop())
    return Pool(hands, kind)


class ProcessHand:
    """A worker process, begun anew where it has ended."""

    def __init__(self, setting: Setting, needs: str = "") -> None:
        self.setting, self.needs = setting, needs
        self._process: subprocess.Popen | None = None
        self._knows: set[int] = set()
        self._ended = False

    def start(self, process: subprocess.Popen | None = None) -> None:
        """Begins the process, if there is none yet; it is not waited for."""
        self._knows = set()
        self._process = process or _begin(self.setting.threads, self.needs)
        with suppress(BrokenPipeError):  # it has ended already, as `do` will notice
            self._send(self.setting)

    def expect(self, coming: bytes) -> None:
        self._there()
        self._asked("expect", coming)

    def meet(self, task: Task) -> Failure | None:
        self._tell(task)
        return self._asked("meet", task.number, __version__)

    def do(self, task: Task, unit: Unit, live: frozenset[int]) -> list[Told]:
        self._tell(task)
        return self._asked("do", task.number, unit, live)

    def rest(self) -> list[Told]:
        return self._asked("rest")

    def stop(self) -> None:
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        self._ended = True
        process = self._process
        if process is not None:  # at nothing, or at what nobody wants any more
            _end(process)

    def _tell(self, task: Task) -> None:
        """The process is there and knows the video."""
        self._there()
        if task.number not in self._knows:
            self._knows.add(task.number)
            self._asked("task", task)

    def _there(self) -> None:
        if self._process is None and not self._ended:
            self.start()

    def _asked(self, *words: object):
        """The process's answer. Raises Lost where there is none."""
        process = self._process
        if process is None:
            raise Lost("is at its end")
        assert process.stdout is not None  # a pipe
        try:
            self._send(words)
            return pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError, ValueError) as error:
            code = _end(process)
            self._process = None
            raise Lost(_how_it_ended(process.pid, code)) from error

    def _send(self, words: object) -> None:
        assert self._process is not None and self._process.stdin is not None
        pickle.dump(words, self._process.stdin)
        self._process.stdin.flush()


def _end(process: subprocess.Popen) -> int:
    """Ends it, if it has not ended by itself, and closes its pipes; what it ended with."""
    process.kill()
    code = process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was still to be sent finds nobody
                pipe.close()
    return code


def _begin(threads: int, needs: str) -> subprocess.Popen:
    root = str(Path(vldm_cli.__file__).parents[1])
    before = os.environ.get("PYTHONPATH")
    env = {
        **os.environ,
        "PYTHONPATH": root if not before else f"{root}{os.pathsep}{before}",
        # read when torch is imported
        "OMP_NUM_THREADS": str(threads),
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, *([needs] if needs else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
        start_new_session=True,  # Ctrl-C in the terminal is for this process alone
    )


def _how_it_ended(pid: int, code: int) -> str:
    if code < 0:
        return f"(process {pid}) by signal {-code}" + (", as when memory runs out" if code == -9 else "")
    return f"(process {pid}) with status {code}"


def main() -> None:
    """The worker process."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    told: SimpleQueue = SimpleQueue()
    Thread(target=_listen, args=(sys.stdin.buffer, told), daemon=True).start()
    remarks.keep()
    with uncollected():
        from vldm_cli.runs.pool.worker import Worker

        for name in sys.argv[1:]:
            with suppress(Exception):  # whoever needs it will meet the same again, and tell it
                import_module(name)
    worker, tasks = Worker(told.get()), dict[int, Task]()
    while True:
        if told.empty() and worker.get_ready():
            continue
        what, *words = told.get()
        answer: object = None
        if what == "expect":
            worker.expect(*words)
        elif what == "rest":
            answer = worker.rest()
        elif what == "task":
            (task,) = words
            tasks[task.number] = task
        elif what == "meet":
            answer = worker.meet(tasks[words[0]], words[1])
        else:
            number, unit, live = words
            for other in tasks.keys() - live:
                del tasks[other]
            answer = worker.do(tasks[number], unit, live)
        pickle.dump(answer, answers)
        answers.flush()


def _listen(pipe: BinaryIO, told: SimpleQueue) -> None:
    """Hands on what comes, even while the worker is busy: when the pipe ends, so does this process, at once."""
    try:
        while True:
            told.put(pickle.load(pipe))
    finally:
        from vldm_cli.video.ffmpeg import end_all

        end_all()
        os._exit(0)


if __name__ == "__main__":
    main()
