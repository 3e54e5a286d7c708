"""The peers' models, small, on the CPU: both compute the same where they are said to have the same weights."""

import pytest
import torch

from vldm_cli.align.fast import has_triton, hasten, ops, trial
from vldm_cli.errors import RequestError
from vldm_cli.measure.peers import single, variants
from vldm_cli.measure.peers.models import Sizes, cases
from vldm_cli.measure.peers.section import apart, measure_peers
from vldm_cli.measure.peers.timing import by_kind, kind_of, tflop

SMALL = Sizes(
    channels=(32, 32, 64, 64),
    pixels=(32, 32, 32, 32),
    upscaler=(32, 32, 64, 64),
    head=16,
    heads=4,
    text=(7, 24),
    short=(4, 16, 16),
    long=(5, 8, 16),
    images=(2, 8, 8),
    low=(8, 16),
)
MADE = list(cases(torch.device("cpu"), torch.float32, SMALL))


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
@torch.no_grad()
def test_they_are_what_they_are_said_to_be(make):
    case = make()
    before = case.ours()
    if case.same:
        assert apart(before, case.theirs()) < 1e-5
    hasten(case.model)
    assert apart(case.ours(), before) < 1e-5


def test_operations_are_counted():
    a = torch.ones(10, 20)
    assert tflop(lambda: a @ a.T) == 2 * 10 * 20 * 10 / 1e12


def test_kernels_have_kinds():
    found = {
        "flash_fwd": (2.0, 1),
        "sm90_xmma_fprop_implicit_gemm": (3.0, 1),
        "_apply": (1.0, 4),
        "what": (0.5, 1),
    }
    assert kind_of("nvjet_hsh_128x256") == kind_of("_linear_gated") == "matrix product"
    assert by_kind(found) == {"convolution": 3.0, "attention": 2.0, "norm": 1.0, "elementwise, other": 0.5}


def test_a_cpu_is_refused():
    with pytest.raises(RequestError, match="--peers needs a CUDA GPU"):
        measure_peers("cpu", "float32")


def test_kernels_alone_are_timed_in_every_way(monkeypatch):
    """Without a GPU the kernels themselves do not run, which is told in place of a time."""

    def once(call, rounds=10):
        call()
        return 1.0

    monkeypatch.setattr(single, "median", once)
    monkeypatch.setattr(single, "copy_rate", lambda device: 1e9)
    monkeypatch.setattr(single, "LEVELS", ((32, 4),))
    monkeypatch.setattr(single, "FRAMES", 2)
    monkeypatch.setattr(single, "_attention", lambda rand: iter(()))
    if not has_triton():
        pytest.skip("Triton is not installed here")
    rows = single.single(torch.device("cpu"), torch.float32)
    assert [row["name"].split(" 4x32")[0] for row in rows] == [
        "group norm, SiLU",
        "sum, layer norm",
        "gated GELU",
        "linear layer, gated GELU",
        "attention over frames",
        "convolution over frames",
        "3x3 convolution",
    ]
    assert all(row["floor_ms"] > 0 and next(iter(row["ms"].values())) == 1.0 for row in rows)


@torch.no_grad()
def test_variants_switch_one_thing_and_back(monkeypatch):
    case = MADE[3]()
    hasten(case.model)
    seen = []

    def once(call, rounds=10):
        call()
        seen.append((frozenset(ops.OFF), ops.BACKENDS[0]))
        return 1.0

    monkeypatch.setattr(variants, "median", once)
    monkeypatch.setattr(variants, "Recorded", lambda forward, state: forward)
    found = variants.variants(case)
    assert list(found)[:2] == ["recorded", "one by one"]
    assert {f"without {name}" for name in trial.HOMES} < set(found)
    assert [set(off) for off, _ in seen[2 : 2 + len(trial.HOMES)]] == [{name} for name in trial.HOMES]
    assert len({backend for _, backend in seen}) == 2
    assert not ops.OFF and ops.BACKENDS[0] == seen[0][1]
