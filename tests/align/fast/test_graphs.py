"""When calls are recorded, and when a recording is not used; what CUDA does is played by a stand-in."""

from contextlib import nullcontext

import pytest
import torch

from vldm_cli.align.fast import graphs
from vldm_cli.align.fast.graphs import Recorded
from vldm_cli.align.layers import State


class Network:
    """Sums its arguments and the state's embedding; counts its calls."""

    def __init__(self):
        self.state, self.calls = State(), 0

    def forward(self, x, y=None):
        self.calls += 1
        return (x + y + self.state.embedding_BE,)


class Stand:
    """Stands for a CUDA graph: replays by computing from the inputs that it was recorded with."""

    def __init__(self, network, own, output, wrong):
        self.network, self.own, self.output, self.wrong = network, own, output, wrong

    def replay(self):
        x, y, e = self.own
        self.output[0].copy_(x + y + e + self.wrong)


@pytest.fixture
def recorded(monkeypatch):
    """recorded(wrong=0, fails=None) → the network and its recorder."""
    for name in ("current_stream", "set_stream", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(graphs, "_has_room", lambda: True)

    def make(wrong=0.0, fails=None):
        network = Network()

        def record(self, leaves, tree):
            if fails:
                raise fails
            own = [x.clone() for x in leaves if isinstance(x, torch.Tensor)]
            output = (torch.zeros_like(own[0]),)
            return Stand(network, own, output, wrong), own, output

        monkeypatch.setattr(Recorded, "_record", record)
        return network, Recorded(network.forward, network.state)

    return make


def call(network, run, value):
    network.state.embedding_BE = torch.full((3,), 10.0 * value)
    made = run(torch.full((3,), float(value)), y=torch.ones(3))[0]
    assert torch.equal(made, torch.full((3,), 11.0 * value + 1))
    return made


def test_the_second_call_of_a_shape_is_recorded_and_the_third_replayed(recorded):
    network, run = recorded()
    made = [call(network, run, value) for value in (1, 2, 3, 4)]
    assert network.calls == 2
    assert len({x.data_ptr() for x in made}) == 4  # what comes back is the caller's own
    network.state.frames = 5  # another kind of call
    call(network, run, 5)
    assert network.calls == 3


@pytest.mark.parametrize("fault", [{"wrong": 1e-3}, {"fails": RuntimeError("not permitted when capturing")}])
def test_a_recording_that_fails_or_differs_is_not_used(recorded, fault):
    network, run = recorded(**fault)
    call(network, run, 1)
    with pytest.warns(UserWarning, match="cannot be recorded here"):
        call(network, run, 2)
    call(network, run, 3)
    assert network.calls == 3


def test_nothing_is_recorded_where_memory_is_short(recorded, monkeypatch):
    network, run = recorded()
    monkeypatch.setattr(graphs, "_has_room", lambda: False)
    for value in (1, 2, 3):
        call(network, run, value)
    assert network.calls == 3 and not run.recorded


def test_a_shape_that_is_no_longer_used_makes_room_for_another(recorded):
    """As clips of a list come in one size after the other."""
    network, run = recorded()
    network.state.embedding_BE = torch.zeros(1)

    def calls(size, count):
        before = network.calls
        for _ in range(count):
            run(torch.ones(size), y=torch.ones(size))
        return network.calls - before

    for size in range(1, graphs.MOST + 1):
        assert calls(size, 3) == 2
    assert calls(50, 3) == 3  # all are in use
    assert calls(1, 2) == 0
    assert calls(2, graphs.STALE + 1) == 0
    assert calls(60, 4) == 2 and len(run.recorded) == graphs.MOST
    assert calls(1, 2) == 0  # it was used after the others
    assert calls(3, 1) == 1  # its recording has gone


def test_only_what_runs_on_a_cuda_device_is_recorded():
    assert graphs.recorded_on(torch.device("cpu"), abs) is abs
    assert isinstance(graphs.recorded_on(torch.device("cuda"), abs), Recorded)
