import pytest

from vldm_cli.runs.pool.row import Row


@pytest.fixture
def begun():
    return []


@pytest.fixture
def row(begun):
    def frames(start):
        begun.append(start)
        try:
            yield from range(start, 100)
        finally:
            begun.append("closed")

    return Row(frames)


def test_segments_that_follow_each_other_come_out_of_one_stream(row, begun):
    assert list(row.frames(3, 6)) == [3, 4, 5] and list(row.frames(6, 8)) == [6, 7]
    assert begun == [3]


def test_another_one_begins_anew_and_so_does_the_same_when_told(row, begun):
    for start, stop, anew in ((0, 2, False), (5, 6, False), (6, 7, True)):
        assert list(row.frames(start, stop, anew)) == list(range(start, stop))
    assert begun == [0, "closed", 5, "closed", 6]


def test_closed_it_can_be_begun_again(row, begun):
    assert list(row.frames(0, 1)) == [0]
    row.close()
    row.close()
    assert list(row.frames(1, 2)) == [1] and begun == [0, "closed", 1]
