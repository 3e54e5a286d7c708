"""Parameters in one buffer: values and memory layout are kept, and what is computed on it is what was meant."""

import torch
from accelerate import PartialState
from torch import nn

from vldm_cli.train.flat import ALIGNMENT, Flat
from vldm_cli.train.weights import CLIP_NORM, Group, Weights


class Toy:
    """An objective as far as `Weights` looks at it."""

    device = torch.device("cpu")
    learns = False

    def __init__(self, dtype):
        torch.manual_seed(0)
        self.dtype = dtype
        net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 2, 1, bias=False))
        self.net = net.to(dtype).to(memory_format=torch.channels_last)
        self.trained, self.helpers = {"net": self.net}, {"other": nn.Linear(3, 1).to(dtype)}


def test_views_keep_values_and_strides():
    torch.manual_seed(0)
    tensors = {
        "last": torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last),
        "plain": torch.randn(7),
        "number": torch.tensor(2.0),
    }
    flat = Flat(tensors, torch.float32).copy(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(flat.views[name], tensor) and flat.views[name].stride() == tensor.stride()
        assert flat.views[name].storage_offset() % ALIGNMENT == 0
    flat.data.mul_(2)
    assert torch.equal(flat.views["plain"], 2 * tensors["plain"])
    assert torch.isclose(flat.data.sum(), 2 * sum(t.sum() for t in tensors.values()))


def test_a_step_is_that_of_plain_adamw():
    """Clipped by the whole norm; the helper that got no gradient stays as it is."""
    toy, plain = Toy(torch.float32), Toy(torch.float32)
    weights = Weights(toy, PartialState(cpu=True))
    optimizer = torch.optim.AdamW(plain.net.parameters(), lr=1e-2, betas=(0.9, 0.99), weight_decay=0.01)
    other = toy.helpers["other"].weight.detach().clone()
    x = 100 * torch.randn(2, 3, 6, 6)
    for step in range(1, 4):
        weights.prepare(1e-2, step)
        weights.collect(toy.net(x).square().mean())
        norm = weights.update()
        plain.net(x).square().mean().backward()
        expected = nn.utils.clip_grad_norm_(plain.net.parameters(), CLIP_NORM)
        optimizer.step()
        optimizer.zero_grad()
        torch.testing.assert_close(norm, expected)
        assert norm > CLIP_NORM
    for ours, theirs in zip(toy.net.parameters(), plain.net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert torch.equal(toy.helpers["other"].weight, other)


def test_a_parameter_without_gradient_has_a_zero_one():
    toy = Toy(torch.bfloat16)
    group = Group(dict(toy.net.named_parameters()), torch.bfloat16)
    toy.net(torch.randn(1, 3, 6, 6).bfloat16()).sum().backward()
    group.collect()
    assert all(view.any() for view in group.gradients.views.values())
    toy.net[0].weight.float().sum().backward()
    group.collect()
    assert (group.gradients.views["0.weight"] == 1).all()
    assert not group.gradients.views["1.weight"].any()
    group.leave_out()
    assert group.master.grad is None and group.clip() is None
    group.collect()
    assert float(group.clip()) == 0


def test_a_resume_may_change_the_memory_layout():
    """What was trained in channels_last goes on contiguously: moments and averages land where they belong."""
    one, two = Toy(torch.bfloat16), Toy(torch.bfloat16)
    two.net.to(memory_format=torch.contiguous_format)
    ours, theirs = (Weights(toy, PartialState(cpu=True)) for toy in (one, two))
    x = torch.randn(2, 3, 6, 6).bfloat16()
    ours.prepare(1e-2, 1)
    ours.collect(one.net(x).float().square().mean())
    ours.update()
    theirs.load_state(ours.state())
    assert ours.masters["net.0.weight"].stride() != theirs.masters["net.0.weight"].stride()
    for name, tensor in ours.state().items():
        assert torch.equal(tensor, theirs.state()[name]), name
    assert torch.equal(one.net[0].weight, two.net[0].weight)
