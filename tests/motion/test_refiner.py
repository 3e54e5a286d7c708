"""The network over frames made by motion, untrained and with weights of its own."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.motion.test_between import seen, texture
from vldm_cli.motion.between import Pair
from vldm_cli.motion.matching import warp
from vldm_cli.motion.refiner import BEYOND, Change, Refiner, mixed, refined
from vldm_cli.motion.saved import load_refiner, save_refiner


def planes(size=(50, 70), shift=4):
    """A frame of 4:2:0 and the one after it, of sizes that no halving fits."""
    worlds = [texture(seed) for seed in range(3)]

    def frame(x):
        small = (size[0] // 2, size[1] // 2)
        return [
            seen(world, *at, one)
            for world, at, one in zip(
                worlds, ((x, 0), (x // 2, 0), (x // 2, 0)), (size, small, small), strict=True
            )
        ]

    return frame(0), frame(shift)


def shaken(seed=0):
    network = Refiner((8, 8, 8))
    torch.manual_seed(seed)
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.1)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("t", [0.25, 0.5])
def test_untrained_it_changes_not_a_bit(t):
    pair = Pair(*planes())
    assert all(torch.equal(a, b) for a, b in zip(pair.at(t), refined(pair, t, Refiner()), strict=True))
    rgb = [seen(torch.cat([texture(4)] * 3, 1), x, 0, (40, 56)) for x in (0, 3)]
    pair = Pair(rgb[:1], rgb[1:])
    assert torch.equal(pair.at(t)[0], refined(pair, t, Refiner())[0])


def test_with_weights_every_plane_changes_and_stays_a_picture():
    pair = Pair(*planes())
    plain, made = pair.at(0.5), refined(pair, 0.5, shaken())
    for a, b in zip(plain, made, strict=True):
        assert a.shape == b.shape and not torch.equal(a, b) and b.min() >= 0 and b.max() <= 1


def test_what_leaves_the_picture_stays_whole():
    """A thing over even ground that the second frame shows half of."""
    ground, thing = torch.full((1, 1, 96, 96), 0.3), texture(4, (32, 32), 0)

    def at(y):
        frame = ground.clone()
        frame[..., y : y + 32, 30:62] = thing[..., : 96 - y, :]
        return frame

    a, b, true = at(52), at(76), at(64)
    plain, whole = (
        (Pair([a], [b], beyond=beyond).at(0.5)[0] - true).abs().mean() for beyond in (None, BEYOND)
    )
    assert whole < 0.3 * plain


def test_what_it_says_is_done():
    a, b, from_a, from_b = (torch.full((1, 1, 4, 6), x) for x in (0.1, 0.2, 0.4, 0.8))
    nought, one, share = torch.zeros(1, 1, 4, 6), torch.ones(1, 1, 4, 6), torch.full((1, 1, 4, 6), 0.5)
    for to_b, to_a0, to_b0, wanted in (
        (nought, nought, nought, 0.6),
        (one / 2, nought, nought, 0.8),
        (nought, one, nought, 0.1),
        (nought, nought, one, 0.2),
    ):
        change = Change(torch.zeros(1, 2, 4, 6), to_b, to_a0, to_b0, nought)
        assert torch.allclose(mixed(a, b, from_a, from_b, share, change), torch.full_like(a, wanted))
    half = torch.full((1, 3, 2, 3), 0.5)
    assert mixed(half, half, half, half, share, change).shape == half.shape


def test_motion_of_a_part_is_of_its_first_pixels():
    world, v = texture(3), torch.zeros(1, 2, 10, 12)
    v[:, 0], v[:, 1] = 7, 5
    assert torch.allclose(warp(world, v), world[..., 5:15, 7:19], atol=1e-5)


def test_it_is_saved_in_16_bits_and_read_back(tmp_path):
    network, path = shaken(), tmp_path / "r.safetensors"
    save_refiner(path, network)
    assert (
        all(x.dtype == torch.float16 for x in load_file(path).values()) and len(list(tmp_path.iterdir())) == 1
    )
    again = load_refiner(path)
    assert again.widths == network.widths and not again.training
    for name, x in network.state_dict().items():
        assert torch.equal(x.half().float(), again.state_dict()[name])


def test_files_that_are_none(tmp_path):
    path = tmp_path / "r.safetensors"
    save_refiner(path, shaken())
    tensors = load_file(path)
    save_file(tensors, path)
    with pytest.raises(ValueError, match="holds no refiner"):
        load_refiner(path)
    said = {"kind": "vldm refiner of frames made by motion"}
    for widths, words in (
        ("[8, 8, 16]", "not as vldm writes"),
        ("[8]", "not as vldm"),
        ("no", "not as vldm"),
    ):
        save_file(tensors, path, metadata={**said, "widths": widths})
        with pytest.raises(ValueError, match=words):
            load_refiner(path)
    tensors["enter.bias"][0] = float("nan")
    save_file(tensors, path, metadata={**said, "widths": "[8, 8, 8]"})
    with pytest.raises(ValueError, match="no numbers"):
        load_refiner(path)
