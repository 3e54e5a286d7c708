"""Networks for pictures under the engine, on a CPU: by the kernels' twins."""

from copy import deepcopy

import pytest
import torch
from spandrel import MAIN_REGISTRY

from tests import networks
from vldm_cli.align.fast import ops
from vldm_cli.align.fast.networks import hasten_network, kernels_of


def opened(**options):
    return MAIN_REGISTRY.load(networks.esrgan(**options)).model.eval()


def taken(module):
    return [name for name, block in module.named_modules() if "forward" in vars(block)]


def test_dense_blocks_compute_what_they_did():
    module = opened(width=16, blocks=2)
    x = torch.rand(1, 3, 12, 10)
    before = module(x)
    assert kernels_of(module) == ("dense_block",)
    hasten_network(module)
    assert len(taken(module)) == 6
    torch.testing.assert_close(module(x), before)


def test_a_copy_has_weights_of_its_own():
    module, x = opened(width=16), torch.rand(1, 3, 12, 10)
    hasten_network(module)
    before, copy = module(x), deepcopy(module)
    for parameter in copy.parameters():
        parameter.detach().zero_()
    assert not copy(x).any() and torch.equal(module(x), before)


def test_gradients_go_through_them(monkeypatch):
    """As temporal layers between them are trained; kernels know no gradients."""
    monkeypatch.setattr(ops, "dense_block", None)
    module, x = opened(width=16), torch.rand(1, 3, 12, 10)
    grads = []
    for _ in range(2):
        given = x.clone().requires_grad_()
        module(given).square().sum().backward()
        grads.append(given.grad)
        hasten_network(module)
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize(
    "change",
    [
        lambda block: setattr(block.conv1[0], "dilation", (2, 2)),
        lambda block: setattr(block.conv2[0], "padding_mode", "reflect"),
        lambda block: setattr(block.conv3[1], "negative_slope", 0.1),
        lambda block: setattr(block, "conv1x1", torch.nn.Conv2d(16, 32, 1, bias=False)),
    ],
)
def test_blocks_of_another_make_stay_as_they_are(change):
    module = opened(width=16)
    for block in module.modules():
        if type(block).__name__ == "ResidualDenseBlock_5C":
            change(block)
    hasten_network(module)
    assert not taken(module)


def test_nor_those_of_a_width_that_the_kernel_does_not_take():
    module = opened(width=8)
    hasten_network(module)
    assert not taken(module) and not kernels_of(module)
