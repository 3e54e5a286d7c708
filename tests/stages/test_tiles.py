import pytest
import torch

from vldm_cli.stages.tiles import Tiles


@pytest.mark.parametrize("size", [(1, 1), (2, 100), (8, 8), (17, 33), (64, 64), (65, 200), (130, 7)])
def test_tiles_cover_every_pixel_and_weigh_it(size):
    tiles = Tiles(*size, tile=32, overlap=8, multiple=8)
    total = torch.zeros(tiles.padded)
    for place in tiles.places:
        assert place[0].stop - place[0].start == min(32, tiles.padded[0])
        assert place[1].stop - place[1].start == min(32, tiles.padded[1])
        weight = tiles.weight(place, total)
        assert weight.min() > 0
        total[place] += weight
    assert total.min() > 0 and all(side % 8 == 0 for side in tiles.padded)
    assert tiles.crop(total).shape == size


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
