"""Small pieces of work, each on a core of its own."""

import threading

import pytest
import torch

from vldm_cli.runs.side_by_side import side_by_side


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers):
    first = threading.Event()

    def work(item):
        if item == 0 and workers > 1:
            first.wait(10)  # until a later one is done
        if item == 1:
            first.set()
        return item * item

    assert list(side_by_side(work, range(20), workers)) == [i * i for i in range(20)]
    assert list(side_by_side(work, (), workers)) == []


def test_what_breaks_breaks_here_after_what_was_made():
    def work(item):
        if item == 3:
            raise OSError("gone")
        return item

    stream = side_by_side(work, range(10), 2)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="gone"):
        next(stream)


def test_items_are_taken_as_they_are_needed_and_none_after_closing():
    taken = []

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    stream = side_by_side(lambda item: item, items(), 2)
    assert next(stream) == 0 and len(taken) == 3
    stream.close()
    assert len(taken) == 3 and not [t for t in threading.enumerate() if t.name.startswith("beside")]


def test_each_has_its_share_of_the_threads_and_later_ones_have_all():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        assert set(side_by_side(lambda _: torch.get_num_threads(), range(4), 2)) == {2}
        seen = []
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert torch.get_num_threads() == 4 and seen == [4]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("on", [False, True])
def test_no_gradients_where_there_are_none(on):
    with torch.inference_mode(on):
        assert set(side_by_side(lambda _: torch.is_inference_mode_enabled(), range(3), 2)) == {on}
