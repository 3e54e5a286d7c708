import torch

from vldm_cli.measure.components import components, pieces


def test_components_are_pieces_that_hang_together():
    mask = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 1]]).bool()[None]
    label = components(mask)[0]
    assert label[0, 0] == label[0, 1] == label[1, 1] > 0 and label[1, 3] == label[2, 3] > 0
    assert len(label.unique()) == 4 and label[0, 2] == 0
    # what winds is one piece, with the number of its last pixel
    winding = torch.tensor(
        [[1, 1, 1, 1, 1], [0, 0, 0, 0, 1], [1, 1, 1, 0, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]]
    )
    assert torch.equal(components(winding.bool()[None])[0], 25 * winding)
    assert pieces(torch.cat([mask, ~mask, mask & False])).tolist() == [3, 2, 0]
