"""What a step changes, with one process and with several."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from vldm_cli.train import weights
from vldm_cli.train.weights import Weights


class Toy:
    """An objective as far as `Weights` looks at it, whose helper learns from the third step on."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self):
        torch.manual_seed(0)
        self.net, self.helper = nn.Linear(4, 4), nn.Linear(4, 1)
        self.trained, self.helpers = {"net": self.net}, {"helper": self.helper}
        self.learns = False

    def loss(self):
        x = self.net(torch.ones(2, 4))
        return x.square().mean() + (self.helper(x.detach()).square().mean() if self.learns else 0)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_helper_that_does_not_learn_yet_stays_as_it_is(monkeypatch, processes):
    """No decay of its weights, and its moments begin with its own first step, however many processes there are."""
    monkeypatch.setattr(weights, "reduce", lambda x, how: x)
    toy = Toy()
    trained = Weights(toy, SimpleNamespace(num_processes=processes))
    begun = toy.helper.weight.detach().clone()
    for step in range(1, 5):
        toy.learns = step > 2
        trained.prepare(1e-2, step)
        trained.collect(toy.loss())
        trained.agree()
        trained.update()
        assert torch.equal(toy.helper.weight, begun) == (not toy.learns)
    counted = [float(trained.state()[f"optimizer.step.{index}"]) for index in range(2)]
    assert counted == [4, 2]
