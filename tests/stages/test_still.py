"""What rests between known frames is put onto the line between them; what moves is left alone."""

import torch

from vldm_cli.stages.still import held_still

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
