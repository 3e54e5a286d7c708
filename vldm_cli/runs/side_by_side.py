"""Many small pieces of work on a CPU, one to a core: where the pieces are small, cores that share each of them mostly
wait for each other."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """work(item) of every item, in their order, up to `workers` of them done at a time, each on its share of torch's
    threads. Items are taken as they are needed. What `work` raises is raised here. When this generator is closed, no
    work goes on."""
    threads, inference = torch.get_num_threads(), torch.is_inference_mode_enabled()
    waiting: deque[Future[Result]] = deque()

    def one(item: Item) -> Result:
        with torch.inference_mode(inference):  # which a thread does not inherit
            return work(item)

    pool = ThreadPoolExecutor(
        workers, "beside", initializer=lambda: torch.set_num_threads(max(1, threads // workers))
    )
    try:
        for item in items:
            waiting.append(pool.submit(one, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what a thread sets is what later threads begin with
