"""A kernel that does not compile or does not agree with its twin is left out, and that is said once."""

import pytest
import torch

from vldm_cli.align.fast import ops, plain, trial

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def anew():
    trial.fault.cache_clear()
    yield
    trial.fault.cache_clear()


def broken():
    raise RuntimeError("Failed to find\n C compiler")


def test_what_fails_or_differs_is_left_out(monkeypatch):
    x = torch.randn(3, 4)
    tried = [
        ("group_norm", lambda: x.clone(), lambda: x),
        ("layer_norm", broken, lambda: x),
        ("geglu", lambda: x + 1, lambda: x),
        ("add", lambda: x[:2], lambda: x),
        ("attend", lambda: x * float("nan"), lambda: x),
    ]
    monkeypatch.setattr(trial, "trials", lambda device, dtype: iter(tried))
    assert list(trial.left_out(CPU, torch.float32)) == ["layer_norm", "geglu", "add", "attend"]
    said = trial.remark(CPU, torch.float32)
    assert said and "layer_norm, geglu, add, attend cannot be used on cpu (Failed to find C compiler)" in said


def test_running_out_of_memory_is_no_fault_of_a_kernel(monkeypatch):
    def full():
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trial, "trials", lambda device, dtype: iter([("add", full, full)]))
    with pytest.raises(torch.OutOfMemoryError):
        trial.left_out(CPU, torch.float32)


def test_only_those_that_are_asked_for_are_tried(monkeypatch):
    x = torch.randn(3)
    tried = [("add", broken, lambda: x), ("geglu", lambda: x, lambda: x)]
    monkeypatch.setattr(trial, "trials", lambda device, dtype: iter(tried))
    assert trial.remark(CPU, torch.float32, ("geglu",)) is None
    said = trial.remark(CPU, torch.float32, ("add",))
    assert said and "add cannot be used on cpu" in said


def test_nothing_is_said_where_all_are_of_use(monkeypatch):
    monkeypatch.setattr(trial, "trials", lambda device, dtype: iter([]))
    assert trial.remark(CPU, torch.float32) is None


def test_without_triton_all_are_left_out(monkeypatch):
    def none(device, dtype):
        raise ImportError("libcuda.so.1 is missing")
        yield

    monkeypatch.setattr(trial, "trials", none)
    assert tuple(trial.left_out(CPU, torch.float16)) == tuple(trial.HOMES)


def test_a_twin_takes_its_place(monkeypatch):
    """On what looks like a GPU: the names that are left out are plain, the others would be kernels."""
    monkeypatch.setattr(trial, "fault", lambda name, device, dtype: "wrong" if name == "add" else None)

    class OnGpu:
        is_cuda, device, dtype = True, torch.device("cuda"), torch.float16

    assert ops._kernel("add", OnGpu()) is plain.add
    OnGpu.dtype = torch.float32
    assert ops._kernel("convolve", OnGpu()) is plain.convolve


@pytest.mark.skipif(not ops.has_triton(), reason="Triton is not installed here")
def test_a_kernel_that_fails_for_a_models_sizes_is_left_out_from_then_on(monkeypatch):
    """Trials are small: a wide layer may ask for more than a processor of the GPU has."""
    from triton.runtime.errors import OutOfResources

    monkeypatch.setattr(ops, "OFF", set())
    x, y = torch.randn(2, 3, 4)

    def too_large(*args):
        raise OutOfResources(300_000, 232_448, "shared memory")

    with pytest.warns(
        UserWarning, match="the fast kernel add cannot be used for these sizes .*shared memory"
    ):
        made = ops._or_its_twin("add", too_large, x, y)
    assert torch.equal(made, plain.add(x, y)) and "add" in ops.OFF

    def broken(*args):
        raise ValueError("of no compiler's")

    with pytest.raises(ValueError, match="of no compiler's"):
        ops._or_its_twin("geglu", broken, x)


@pytest.mark.skipif(not ops.has_triton(), reason="Triton is not installed here")
def test_a_linear_layer_and_its_gate_are_one_kernel_where_that_pays(monkeypatch):
    from vldm_cli.align.fast import gated

    monkeypatch.setattr(gated, "suits", lambda device: True)
    monkeypatch.setattr(gated, "linear_geglu", lambda *args: "the kernel")
    monkeypatch.setattr(ops, "_kernel", lambda name, x: getattr(gated, name, getattr(plain, name)))
    for channels, wide, taken in (
        (32, 64, True),
        (12, 32, True),
        (6, 32, False),
        (32, 12, False),
        (1280, 16, False),
    ):
        x, weight, bias = torch.randn(3, channels), torch.randn(wide, channels), torch.randn(wide)
        found = ops.linear_geglu(x, weight, bias)
        if taken:
            assert found == "the kernel"
        else:
            torch.testing.assert_close(found, plain.linear_geglu(x, weight, bias))
    monkeypatch.setattr(gated, "suits", lambda device: False)
    assert not gated.pays(torch.randn(3, 32), torch.randn(64, 32))


@pytest.mark.skipif(not ops.has_triton(), reason="Triton is not installed here")
def test_every_kernel_is_tried():
    tried = [name for name, _, _ in trial.trials(CPU, torch.float16)]
    assert tuple(tried) == tuple(trial.HOMES)
