"""Workers that are processes of this machine: each is told through its stdin and answers through its stdout. When this
process ends, in whatever way, its end of the pipe is closed, and so they end as well."""

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

import vldm_cli
from vldm_cli import __version__
from vldm_cli.runs.command_line import place
from vldm_cli.runs.pool.graph import Unit
from vldm_cli.runs.pool.pool import Lost, Pool, share_of_threads
from vldm_cli.runs.pool.worker import Failure, Report, Setting, Task, Worker


def open_pool(devices: list[str]) -> Pool:
    """A process for each device, such as ["cuda:0", "cuda:1"] or ["cpu"] * 4, that loads what it needs meanwhile."""
    threads = share_of_threads(len(devices))
    hands = [ProcessHand(Setting(device, threads, place())) for device in devices]
    for hand in hands:
        hand.start()
    return Pool(hands, devices[0].split(":")[0])


class ProcessHand:
    """A worker process, begun anew where it has ended."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._process: subprocess.Popen | None = None
        self._knows: set[int] = set()
        self._ended = False

    def start(self) -> None:
        """Begins the process; it is not waited for."""
        root = str(Path(vldm_cli.__file__).parents[1])
        before = os.environ.get("PYTHONPATH")
        env = {
            **os.environ,
            "PYTHONPATH": root if not before else f"{root}{os.pathsep}{before}",
            # read when torch is imported
            "OMP_NUM_THREADS": str(self.setting.threads),
        }
        self._knows = set()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            start_new_session=True,  # Ctrl-C in the terminal is for this process alone
        )
        with suppress(BrokenPipeError):  # it has ended already, as `do` will notice
            self._send(self.setting)

    def meet(self, task: Task) -> Failure | None:
        self._tell(task)
        return self._asked("meet", task.number, __version__)

    def do(self, task: Task, unit: Unit, live: frozenset[int]) -> Report | Failure:
        self._tell(task)
        return self._asked("do", task.number, unit, live)

    def stop(self) -> None:
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        self._ended = True
        process = self._process
        if process is not None:  # at nothing, or at what nobody wants any more
            process.kill()
            process.wait()

    def _tell(self, task: Task) -> None:
        """The process is there and knows the video."""
        if self._process is None and not self._ended:
            self.start()
        if task.number not in self._knows:
            self._knows.add(task.number)
            self._asked("task", task)

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
            process.kill()
            code = process.wait()
            self._process = None
            raise Lost(_how_it_ended(process.pid, code)) from error

    def _send(self, words: object) -> None:
        assert self._process is not None and self._process.stdin is not None
        pickle.dump(words, self._process.stdin)
        self._process.stdin.flush()


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
    worker, tasks = Worker(told.get()), dict[int, Task]()
    while True:
        what, *words = told.get()
        answer: object = None
        if what == "task":
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
