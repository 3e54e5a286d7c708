import torch

from vldm_cli.measure.outlines import nearest as module
from vldm_cli.measure.outlines.nearest import nearest


def test_distances_are_those_of_the_nearest_points(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(3, 50, 3, generator=generator), torch.rand(3, 20, 3, generator=generator)
    a[1, 7] = b[1, 4]
    expected = (a[:, :, None] - b[:, None]).norm(dim=-1).amin(-1)
    torch.testing.assert_close(nearest(a, b), expected)
    assert nearest(a, b)[1, 7] < 1e-6
    # whatever is in flight at once
    monkeypatch.setattr(module, "FLIGHT_CPU", 130)
    torch.testing.assert_close(nearest(a, b), expected)
