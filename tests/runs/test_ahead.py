"""Work that goes on while its results are used."""

import threading

import pytest
import torch

from vldm_cli.runs.ahead import ahead

CPU = torch.device("cpu")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_items_are_the_same(count):
    assert list(ahead(iter(range(20)), count)) == list(range(20))
    assert list(ahead(iter(()), count)) == []


@pytest.mark.parametrize("count", [0, 2])
def test_what_breaks_breaks_here_after_what_was_made(count):
    def items():
        yield 1
        raise KeyboardInterrupt("enough")

    stream = ahead(items(), count)
    assert next(stream) == 1
    with pytest.raises(KeyboardInterrupt, match="enough"):
        next(stream)


def test_no_more_are_made_than_asked_for():
    asked, go = [], threading.Semaphore(0)

    def items():
        for i in range(100):
            asked.append(i)
            go.release()
            yield i

    stream = ahead(items(), 3)
    assert next(stream) == 0
    for _ in range(4):
        go.acquire()  # the one taken, and three that wait
    assert not go.acquire(blocking=False) and len(asked) == 4
    stream.close()


def test_closed_the_thread_has_ended_and_the_items_are_closed():
    closed = []

    def items():
        try:
            while True:
                yield threading.current_thread()
        finally:
            closed.append(threading.current_thread())

    stream = ahead(items(), 2)
    thread = next(stream)
    assert thread is not threading.current_thread() and thread.is_alive()
    stream.close()
    assert not thread.is_alive() and closed == [thread]


def test_a_thread_makes_what_its_taker_may_change():
    """Inference mode is a thread's own: without it, tensors made there could not be changed here, or the reverse."""
    (x,) = ahead((torch.ones(2) for _ in range(1)), 1)
    assert x.is_inference() == torch.is_inference_mode_enabled()
    with torch.inference_mode(False):
        (x,) = ahead((torch.ones(2) for _ in range(1)), 1)
    assert not x.is_inference()
