"""The tasks of a list, done in turn with the same models. No torch until a video is made."""

from collections.abc import Callable, Iterator, Sequence

from vldm_cli.api.kept import Kept
from vldm_cli.api.many.task import Outcome, Task, make
from vldm_cli.runs.progress import Progress

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
