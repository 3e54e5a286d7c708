"""The tasks of a list, done in turn with the same models, or by workers. No torch until a video is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from vldm_cli.api.kept import Kept
from vldm_cli.api.many.task import Outcome, Task, make
from vldm_cli.runs.progress import Progress

if TYPE_CHECKING:
    from vldm_cli.runs.pool.pool import Pool

Begin = Callable[[Task], Progress]
"""begin(task): its video is begun now; what is told of its progress."""

Executor = Callable[[Sequence[Task], Begin], Iterator[Outcome]]
"""executor(tasks, begin): an outcome for each, in any order. What is made does not depend on which executor it is."""


def in_turn(kept: Kept) -> Executor:
    """One video after the other in this process, with what is kept."""

    def run(tasks: Sequence[Task], begin: Begin) -> Iterator[Outcome]:
        for task in tasks:
            yield make(task, kept, begin(task))

    return run


def by_workers(kept: Kept, pool: Pool) -> Executor:
    """One video to a worker, and one more that is begun or put together meanwhile; where there are fewer videos left
    than workers, these help each other. Here is only said what is to be done."""

    def run(tasks: Sequence[Task], begin: Begin) -> Iterator[Outcome]:
        threads = ThreadPoolExecutor(len(pool) + 1, "video")
        try:
            futures = [threads.submit(lambda one: make(one, kept, begin(one), pool), task) for task in tasks]
            for future in as_completed(futures):
                yield future.result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    return run
