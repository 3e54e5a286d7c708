"""Work on items that goes on while the next ones are made."""

import threading

import pytest

from vldm_cli.runs.aside import Aside, in_turn


@pytest.fixture(params=[0, 1, 5])
def aside(request):
    made = Aside(request.param)
    yield made
    made.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("aside")]


def test_the_work_gets_the_items_and_its_result_is_there(aside):
    assert [aside.do(list, range(7)).result() for _ in range(3)] == [list(range(7))] * 3
    assert aside.do(lambda items: "none", range(0)).result() == "none"


def test_it_goes_on_while_the_next_items_are_made():
    aside, go = Aside(4), threading.Event()

    def slow(items):
        taken = list(items)
        go.wait()
        return taken, threading.current_thread()

    first = aside.do(slow, range(4))
    second = aside.do(list, range(3))
    assert not first.done() and not second.done()
    go.set()
    taken, thread = first.result()
    assert taken == [0, 1, 2, 3] and second.result() == [0, 1, 2] and thread is not threading.current_thread()
    aside.close()


def test_no_more_items_wait_than_may():
    aside, go, made = Aside(3), threading.Event(), []
    full = threading.Event()

    def slow(items):
        go.wait()
        return list(items)

    def items():
        for i in range(10):
            made.append(i)
            if i == 3:
                full.set()
            yield i

    def let_go():
        full.wait()
        assert made == [0, 1, 2, 3], "three that wait, and the one that is made"
        go.set()

    thread = threading.Thread(target=let_go)
    thread.start()
    assert aside.do(slow, items()).result() == list(range(10))
    thread.join()
    assert aside._waiting == 0
    aside.close()


def test_work_that_breaks_ends_the_making_and_breaks_who_waits(aside):
    made = []

    def breaks(items):
        assert next(items) == 0
        raise OSError("full")

    def items():
        for i in range(1000):
            made.append(i)
            yield i

    with pytest.raises(OSError, match="full"):
        aside.do(breaks, items()).result()
    assert len(made) < 20
    assert aside.do(list, range(9)).result() == list(range(9)), "room is there for the next"


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt("enough")])
def test_items_that_break_end_the_work(aside, error):
    ended = []

    def work(items):
        try:
            return list(items)
        finally:
            ended.append(True)

    def items():
        yield 1
        raise error

    with pytest.raises(type(error), match=str(error)):
        aside.do(work, items())
    assert ended == [True]


def test_closed_it_leaves_work_undone():
    aside, begun = Aside(5), threading.Event()

    def waits(items):
        next(items)
        begun.set()
        return list(items)

    def two():
        yield 1
        begun.wait()
        yield 2

    first = aside.do(waits, two())
    aside.do(list, range(2))
    aside.close()
    assert first.exception() is not None or first.result() == [2]


def test_in_turn_one_more_is_begun_meanwhile():
    aside, go, begun = Aside(2), threading.Event(), []

    def begin(number):
        begun.append(number)
        if number == 3:
            return None
        return aside.do(lambda items: go.wait(5) and list(items), [number])

    stream = in_turn(range(5), begin)
    go.set()
    assert list(stream) == [(0, [0]), (1, [1]), (2, [2]), (3, None), (4, [4])]
    go.clear()
    begun.clear()
    stream = in_turn(range(5), begin)
    threading.Timer(0.05, go.set).start()
    assert next(stream) == (0, [0]) and begun == [0, 1]
    aside.close()


def test_in_turn_without_a_thread_each_comes_before_the_next_is_begun():
    aside, begun = Aside(0), []

    def begin(number):
        begun.append(number)
        return aside.do(list, [number])

    for number, result in in_turn(range(3), begin):
        assert begun == list(range(number + 1)) and result == [number]
