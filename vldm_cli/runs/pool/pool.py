"""Workers that share the units of videos. Each has a thread here, which asks the board what is next, has it done and
says so; nothing of a video passes through this process but its units' names."""

import pickle
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Condition, Thread
from typing import Protocol

from vldm_cli.errors import RunError
from vldm_cli.runs.pool.board import Board
from vldm_cli.runs.pool.graph import Graph, Recipe, Unit
from vldm_cli.runs.pool.told import Coming, Failure, Report, Task, Told, write_token

TRIES = 3
ENDED = "the workers were ended"


class Lost(Exception):
    """A worker is no more; the message says how it ended."""


class Broken(Exception):
    """What broke in a worker, and in which stage."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.words)
        self.failure = failure


class Hand(Protocol):
    """One worker, seen from here. Used by one thread, but for `stop` and `close`.

    expect: gets it ready for what is coming (pickled); returns once it can be given units. meet: whether it can take
    part in the video. do: makes a unit, or begins it, where only the encoder is still at it; tells of that which is
    finished by then. rest: waits for what is not. All of these start the worker where there is none and raise Lost when
    it ends meanwhile. stop: ends what it is at, if that can be. close: ends it."""

    def expect(self, coming: bytes) -> None: ...
    def meet(self, task: Task) -> Failure | None: ...
    def do(self, task: Task, unit: Unit, live: frozenset[int]) -> list[Told]: ...
    def rest(self) -> list[Told]: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


@dataclass
class _Video:
    """told: finished units with their reports, or what broke."""

    task: Task
    told: SimpleQueue = field(default_factory=SimpleQueue)
    tries: dict[Unit, int] = field(default_factory=dict)


class Pool:
    """Workers of one kind of device, for as many videos at a time as there are threads that call `make`. A context
    manager: leaving it ends them. meets: whether each worker is asked first if it can take part."""

    def __init__(
        self,
        hands: Sequence[Hand],
        device: str,
        meets: bool = False,
        end: Callable[[], object] = lambda: None,
    ) -> None:
        """end: called once the workers have ended."""
        self.device, self._end = device, end
        self._hands, self._meets = hands, meets
        self._met: set[Path] = set()
        self._said: set[str] = set()
        self._board = Board(len(hands))
        self._changed = Condition()
        self._numbers, self._videos = count(), dict[int, _Video]()
        self._coming: bytes | None = None
        self._closed = False
        self._threads = [
            Thread(target=self._serve, args=(number,), name=f"worker {number}", daemon=True)
            for number in range(len(hands))
        ]
        for thread in self._threads:
            thread.start()

    def __len__(self) -> int:
        return len(self._hands)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def words(self) -> str:
        """What does the work, in words."""
        return f"{len(self)} x {self.device}"

    def expect(self, coming: Coming) -> None:
        """Lets every worker get ready for units that will come, before it is known whether they do. A worker that is
        not yet there asks for none."""
        with self._changed:
            self._coming = pickle.dumps(coming)
            self._changed.notify_all()

    def make(
        self, recipe: Recipe, graph: Graph, folder: Path, missing: dict[Unit, int]
    ) -> Generator[tuple[Unit, Report], None, None]:
        """The units of the graph that are missing (with their ranks), each once it is done; what workers remark is in
        one report alone. Raises Broken for what broke in a worker, and RunError where one unit has ended three of them,
        or the pool has been closed; however this ends, no worker is at the video any more."""
        if not missing:
            return
        self._check_open()  # a worker that is asked to meet would be started anew
        task = Task(next(self._numbers), folder.absolute(), write_token(folder), pickle.dumps(recipe))
        video = _Video(task)
        if self._meets:
            self._meet(task)
        with self._changed:
            self._check_open()  # nobody would ever tell this video anything
            self._videos[task.number] = video
            self._board.add(task.number, graph, missing)
            self._changed.notify_all()
        left = len(missing)
        try:
            while left:
                told = video.told.get()
                if isinstance(told, BaseException):
                    raise told
                yield told
                left -= 1
        finally:
            with self._changed:
                self._board.remove(task.number)
                del self._videos[task.number]
                for worker in self._board.at(task.number):
                    self._hands[worker].stop()
                self._changed.wait_for(lambda: not self._board.at(task.number))

    def close(self) -> None:
        """Ends the workers."""
        with self._changed:
            self._closed = True
            for video in self._videos.values():
                video.told.put(RunError(ENDED))
            self._changed.notify_all()
        for hand in self._hands:
            hand.close()
        for thread in self._threads:
            thread.join()
        self._end()

    def _check_open(self) -> None:
        with self._changed:
            if self._closed:
                raise RunError(ENDED)

    def _meet(self, task: Task) -> None:
        """Asks every worker, once for all videos beside each other."""
        with self._changed:
            if task.folder.parent in self._met:
                return
            self._met.add(task.folder.parent)
        answers: SimpleQueue = SimpleQueue()

        def ask(hand: Hand) -> None:
            try:
                answers.put(hand.meet(task))
            except Lost as lost:
                answers.put(Failure("run", f"a worker ended when it was asked ({lost})", None, self.device))
            except Exception as error:
                answers.put(Failure("unexpected", f"{type(error).__name__}: {error}", None, self.device))

        for hand in self._hands:
            Thread(target=ask, args=(hand,), daemon=True).start()
        for _ in self._hands:
            failure = answers.get()
            if failure is not None:
                raise Broken(failure)

    def _serve(self, worker: int) -> None:
        """The life of a worker's thread."""
        hand, heard = self._hands[worker], None
        while True:
            found: tuple[int, Unit] | None = None
            with self._changed:
                while not self._closed and self._coming is heard:
                    found = self._board.next(worker)
                    if found is not None or self._board.units(worker):
                        break
                    self._changed.wait()
                if self._closed:
                    self._board.lost(worker)  # what the encoder is still at: `make` waits until no worker is
                    self._changed.notify_all()
                    return
                coming, live = self._coming, frozenset(self._videos)
                task = None if found is None else self._videos[found[0]].task
            if coming is not heard:
                heard = coming
                assert coming is not None  # it differs from what was heard
                with suppress(Exception):  # whatever it is, a unit will meet it again
                    hand.expect(coming)
                continue
            try:
                came = hand.rest() if found is None or task is None else hand.do(task, found[1], live)
            except BaseException as error:  # whatever it is, it belongs to who waits for the video
                self._ended(worker, error)
            else:
                with self._changed:
                    at = self._board.units(worker)
                if came and [(one.number, one.unit) for one in came] == at[: len(came)]:
                    for one in came:
                        self._tell(worker, one)
                elif found is None or came:
                    with suppress(Exception):  # nobody waits for what it is at
                        hand.rest()
                    self._ended(worker, Lost("was begun anew meanwhile"))

    def _tell(self, worker: int, told: Told) -> None:
        """What became of the first unit that the worker was at."""
        with self._changed:
            if isinstance(told.came, Report):
                self._board.finished(worker)
                if told.number in self._videos:
                    new = tuple(
                        words for words in dict.fromkeys(told.came.remarks) if words not in self._said
                    )
                    self._said.update(new)
                    self._videos[told.number].told.put((told.unit, replace(told.came, remarks=new)))
            else:
                self._board.drop(worker)
                self._give_up(told.number, Broken(told.came))
            self._changed.notify_all()

    def _ended(self, worker: int, error: BaseException) -> None:
        """The worker is no more, or cannot be asked."""
        with self._changed:
            for number, unit in self._board.lost(worker):
                if number not in self._videos:
                    continue
                if isinstance(error, Lost):
                    tries = self._videos[number].tries
                    tries[unit] = tries.get(unit, 0) + 1
                    if tries[unit] >= TRIES:
                        self._give_up(number, _given_up(unit, error))
                else:
                    self._give_up(number, error)
            self._changed.notify_all()

    def _give_up(self, number: int, error: BaseException) -> None:
        """Nobody tries again."""
        self._board.remove(number)
        if number in self._videos:
            self._videos[number].told.put(error)


def _given_up(unit: Unit, lost: Lost) -> RunError:
    what = f"{unit.stage} {unit.index}"
    return RunError(f"{TRIES} workers ended at the same piece of work ({what}): the last {lost}")
