"""Windows that are gone through frame by frame."""

import pytest
import torch

from vldm_cli.pipelines.upscale.windows import first_frame, streamed, windows_of


def run(frames, window, overlap, start):
    """Each frame is how many its window has had before it."""
    windows, asked = windows_of(frames, window, overlap), []

    def items():
        for frame in range(first_frame(windows, start), frames):
            asked.append(frame)
            yield frame

    def step(frame, state):
        state.append(frame)
        return torch.tensor([float(frame), float(len(state))])

    return [x.tolist() for x in streamed(windows, start, items(), list, step)], asked


@pytest.mark.parametrize(
    ("frames", "window", "overlap"), [(1, 8, 2), (8, 8, 2), (9, 8, 2), (30, 8, 2), (23, 6, 3)]
)
def test_all_frames_come_once_in_order_wherever_one_starts(frames, window, overlap):
    whole, _ = run(frames, window, overlap, 0)
    assert [round(x[0]) for x in whole] == list(range(frames))
    for start in range(frames):
        some, asked = run(frames, window, overlap, start)
        assert some == whole[start:] and len(asked) <= frames - start + window


def test_windows_fade():
    whole, _ = run(20, 8, 2, 0)
    assert [x[1] for x in whole[:6]] == [1, 2, 3, 4, 5, 6]
    # the third part of the new window, then two thirds, then all of it
    assert [round(x[1], 3) for x in whole[6:9]] == [
        round(7 + (1 - 7) / 3, 3),
        round(8 + (2 - 8) * 2 / 3, 3),
        3,
    ]
