"""What rests between known frames is put onto the line between them, what rests in keyframes stays what it was; what
moves is left alone."""

import pytest
import torch

from vldm_cli.stages.still import held_still, kept_at_rest

EVERY, THRESHOLD = 4, 0.18


def window(noise=0.0):
    """Nine frames of latents; known ones at 0, 4 and 8, and between them the line with some noise."""
    draw = torch.Generator().manual_seed(0)
    known = torch.randn(3, 8, 10, 16, generator=draw)
    frames = [known[i // EVERY].lerp(known[min(i // EVERY + 1, 2)], i % EVERY / EVERY) for i in range(9)]
    line = torch.stack(frames)
    z = line + noise * torch.randn(line.shape, generator=draw)
    z[::EVERY] = known
    return line, z


def test_what_rests_is_put_onto_the_line_between_its_neighbours():
    line, z = window(0.06)
    made = held_still(z, EVERY, THRESHOLD)
    torch.testing.assert_close(made, line, atol=1e-6, rtol=0)
    assert torch.equal(made[::EVERY], z[::EVERY])


def test_what_moves_is_left_as_it_was_made_with_the_cells_beside_it():
    line, z = window(0.06)
    z[2, :, 4:6, 7:9] += 1.5
    made = held_still(z, EVERY, THRESHOLD)
    assert torch.equal(made[2, :, 3:7, 6:10], z[2, :, 3:7, 6:10])
    torch.testing.assert_close(made[2, :, :1], line[2, :, :1], atol=1e-6, rtol=0)
    torch.testing.assert_close(made[1], line[1], atol=1e-6, rtol=0)


def test_between_them_it_comes_in_smoothly():
    line, z = window()
    for size, share in ((0.17, 0.0), (0.27, 0.5), (0.37, 1.0)):
        z[1] = line[1] + size
        moved = (held_still(z, EVERY, THRESHOLD)[1] - line[1]) / size
        torch.testing.assert_close(moved, torch.full_like(moved, share), atol=1e-4, rtol=0)


def test_a_window_of_two_known_frames():
    _, z = window(0.06)
    made = held_still(z[:5], EVERY, THRESHOLD)
    assert torch.equal(made[[0, 4]], z[[0, 4]]) and made.isfinite().all()


def keyframes(noise=0.06):
    draw = torch.Generator().manual_seed(1)
    rest = torch.randn(8, 10, 16, generator=draw)
    return rest, rest + noise * torch.randn(5, 8, 10, 16, generator=draw)


def test_keyframes_that_rest_are_all_their_mean():
    _, z = keyframes()
    made = kept_at_rest(z, 0, THRESHOLD)
    torch.testing.assert_close(made, z.mean(0).expand_as(z), atol=1e-6, rtol=0)


@pytest.mark.parametrize("known", [1, 2])
def test_after_known_frames_the_last_of_them_is_what_stays(known):
    _, z = keyframes()
    made = kept_at_rest(z, known, THRESHOLD)
    assert torch.equal(made[:known], z[:known])
    torch.testing.assert_close(made[known:], z[known - 1].expand_as(z[known:]), atol=1e-6, rtol=0)


def test_a_cell_that_moves_at_any_time_is_as_it_was_made_at_all_times():
    """Steps of its own are each below the threshold; it goes on, and would go by jerks."""
    _, z = keyframes(0.0)
    z[:, :, 4:6, 7:9] += 0.3 * torch.arange(5.0)[:, None, None, None]
    made = kept_at_rest(z, 1, THRESHOLD)
    assert torch.equal(made[:, :, 4:6, 7:9], z[:, :, 4:6, 7:9])
    torch.testing.assert_close(made[:, :, :1], z[:1, :, :1].expand(5, -1, -1, -1), atol=1e-6, rtol=0)


def test_keyframes_that_were_all_known_or_only_one():
    _, z = keyframes()
    assert torch.equal(kept_at_rest(z, 5, THRESHOLD), z)
    torch.testing.assert_close(kept_at_rest(z[:1], 0, THRESHOLD), z[:1])
