from itertools import pairwise

import pytest
import torch

from vldm_cli.stages.tiles import Tiles


@pytest.mark.parametrize("size", [(1, 1), (2, 100), (8, 8), (17, 33), (64, 64), (65, 200), (130, 7)])
def test_tiles_cover_every_pixel_and_weigh_it(size):
    tiles = Tiles(*size, tile=32, overlap=8, multiple=8)
    total = torch.zeros(tiles.padded)
    for place in tiles.places:
        assert {p.stop - p.start for p in place} <= {8, 16, 24, 32}
        weight = tiles.weight(place, total)
        assert weight.min() > 0
        total[place] += weight
    assert total.min() > 0 and all(side % 8 == 0 for side in tiles.padded)
    assert tiles.crop(total).shape == size


@pytest.mark.parametrize("tile", [32, 40, 64, 256])
def test_tiles_are_as_few_and_as_small_as_they_can_be(tile):
    overlap = min(32, tile // 4)
    for side in range(1, 1200, 7):
        tiles = Tiles(side, 1, tile, overlap, 8)
        rows = [y for y, _ in tiles.places]
        (size,) = {y.stop - y.start for y in rows}
        assert size <= tile and rows[0].start == 0 and rows[-1].stop == tiles.padded[0]
        assert all(n % 8 == 0 for y in rows for n in (y.start, y.stop))
        if len(rows) == 1:
            assert size == tiles.padded[0]
            continue
        shared = [before.stop - after.start for before, after in pairwise(rows)]
        assert min(shared) >= overlap and max(shared) - min(shared) <= 8
        lap = -(-overlap // 8) * 8  # in whole multiples
        fewer, smaller = len(rows) - 1, size - 8
        assert fewer * tile - (fewer - 1) * lap < tiles.padded[0], "no tile too many"
        assert len(rows) * smaller - fewer * lap < tiles.padded[0], "no tile too large"


def test_a_frame_that_tiles_do_not_divide_is_covered_evenly():
    """640×360 took six tiles of 256, two thirds of the lower three of which were there already."""
    tiles = Tiles(360, 640, tile=256, overlap=32, multiple=8)
    assert [(y.start, x.start) for y, x in tiles.places] == [(y, x) for y in (0, 160) for x in (0, 200, 400)]
    assert {(y.stop - y.start, x.stop - x.start) for y, x in tiles.places} == {(200, 240)}
    assert 6 * 200 * 240 < 0.75 * 6 * 256 * 256


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 33)])
def test_padding_is_mirrored_and_cropped_away(size):
    tiles = Tiles(*size, tile=32, overlap=8, multiple=8)
    x = torch.randn(2, 3, *size)
    padded = tiles.pad(x)
    assert padded.shape[-2:] == tiles.padded and torch.equal(tiles.crop(padded), x)
    if size[1] > 2:
        assert torch.equal(padded[..., : size[0], size[1]], x[..., -2])


def test_what_tiles_agree_on_comes_out_and_what_not_fades():
    tiles = Tiles(16, 56, tile=32, overlap=8, multiple=8)
    x = torch.randn(16, 56)

    def joined(of):
        total, weights = torch.zeros(tiles.padded), torch.zeros(tiles.padded)
        for i, place in enumerate(tiles.places):
            weight = tiles.weight(place, total)
            total[place] += of(i, place) * weight
            weights[place] += weight
        return tiles.crop(total / weights)

    torch.testing.assert_close(joined(lambda i, place: x[place]), x)
    row = joined(lambda i, place: torch.full_like(x[place], float(i)))[0]
    assert row[0] == 0 and row[-1] == len(tiles.places) - 1
    assert row.diff().min() >= 0 and row.diff().max() < 0.2, "no step between tiles"


@pytest.mark.parametrize("tile", [8, 16, 31, 40])
def test_a_tile_that_would_be_all_overlap_gets_on_by_a_cell(tile):
    """It ended in a division by zero: an overlap in whole cells may be as large as a tile is in whole cells."""
    tiles = Tiles(100, 50, tile, 18, 16)
    seen = torch.zeros(tiles.padded)
    for place in tiles.places:
        seen[place] += 1
    assert seen.min() > 0
