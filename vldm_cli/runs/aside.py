"""Work on items that goes on while the next ones are made: a thread of its own for those who take them, where `ahead`
is one for those who make them. No torch."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Finished frames that wait for the encoder, at most: a segment of 24. A GPU makes the next ones meanwhile; on a CPU
# both would only take time from each other.
WAITING = {"cpu": 0, "mps": 24, "cuda": 24}


class _Ended(Exception):
    """No more items come, though these were not all."""


class _Given(Generic[Item]):
    """Items that wait for one piece of work. whole: no more will come; broken: nor will these be wanted."""

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.whole = self.broken = False


class Aside:
    """Does one piece of work after the other. count: items that wait at the most, of all pieces together; 0: without a
    thread."""

    def __init__(self, count: int) -> None:
        self._count, self._waiting, self._closed = count, 0, False
        self._changed = Condition()
        self._thread = ThreadPoolExecutor(1, "aside") if count else None

    def do(self, work: Callable[[Iterator[Item]], Result], items: Iterable[Item]) -> "Future[Result]":
        """work(items), whose result is there once it is done. When this returns, all items have been made, or the work
        has ended without them.

        What `items` raises is raised here, once the work has ended; that meets an exception where it takes the next
        item. Without a thread, what `work` raises is raised here too.
        """
        if self._thread is None:
            done: Future[Result] = Future()
            done.set_result(work(iter(items)))
            return done
        given: _Given[Item] = _Given()
        done = self._thread.submit(work, self._taken(given))
        done.add_done_callback(lambda _: self._forget(given))
        try:
            for item in items:
                if not self._gave(given, item, done):
                    break
                del item  # or it would wait here while the next one is made
        except BaseException:
            given.broken = True
            self._notify()
            wait([done])
            raise
        given.whole = True
        self._notify()
        return done

    def close(self) -> None:
        """Afterwards the thread has ended; work that had not is left undone."""
        self._closed = True
        self._notify()
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _gave(self, given: _Given[Item], item: Item, done: Future) -> bool:
        """Whether the item waits now; False where the work has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting < self._count or done.done())
            if done.done():
                return False
            given.items.append(item)
            self._waiting += 1
            self._changed.notify_all()
        return True

    def _taken(self, given: _Given[Item]) -> Iterator[Item]:
        """The items, as the work sees them."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: given.items or given.whole or given.broken or self._closed)
                if given.broken or self._closed:
                    raise _Ended
                if not given.items:
                    return
                item = given.items.popleft()
                self._waiting -= 1
                self._changed.notify_all()
            yield item
            del item

    def _forget(self, given: _Given) -> None:
        """The work has ended, whatever it has left."""
        with self._changed:
            self._waiting -= len(given.items)
            given.items.clear()
            self._changed.notify_all()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


def in_turn(
    numbers: Iterable[int],
    begin: Callable[[int], "Future[Result] | None"],
    waits: Callable[[], AbstractContextManager] = nullcontext,
) -> Iterator[tuple[int, Result | None]]:
    """Each number with the result of what is begun for it, in their order and as soon as that is there; one more is
    begun meanwhile. None: nothing is to be done for it. What it raises is raised here. waits: what is waited within."""
    waiting: deque[tuple[int, Future[Result] | None]] = deque()

    def first() -> tuple[int, Result | None]:
        number, done = waiting.popleft()
        if done is None:
            return number, None
        with waits():
            return number, done.result()

    for number in numbers:
        waiting.append((number, begin(number)))
        while waiting and (len(waiting) > 1 or waiting[0][1] is None or waiting[0][1].done()):
            yield first()
    while waiting:
        yield first()
