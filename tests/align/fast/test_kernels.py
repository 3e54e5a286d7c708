"""Every Triton kernel against its plain twin: by Triton's interpreter on the CPU, and on a CUDA GPU where one is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vldm_cli.align.fast import has_triton, ops, plain

ROOT = Path(__file__).parents[3]
# A rounding of the type's; the interpreter cuts bfloat16 off instead of rounding it.
CLOSE = {"float32": 2e-6, "float16": 1e-3, "bfloat16": 1e-2}

needs_triton = pytest.mark.skipif(
    not has_triton(), reason="Triton is not installed here: kernels not compared"
)


def errors(device: str, **variables: str) -> dict[str, float]:
    """Of each case its relative error, in a process of its own: how kernels run is settled when Triton is imported."""
    command = [sys.executable, "-m", "tests.align.fast.kernels", device]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name: float(error) for name, error in (line.split("\t") for line in done.stdout.splitlines())}


def check(found: dict[str, float]) -> None:
    assert len(found) > 50
    wrong = {name: error for name, error in found.items() if not error <= CLOSE[name.split()[1]]}
    assert not wrong


@needs_triton
def test_kernels_compute_what_their_twins_do():
    check(errors("cpu", TRITON_INTERPRET="1", OMP_NUM_THREADS="1"))


@needs_triton
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_kernels_compute_the_same_on_a_gpu():
    check(errors("cuda"))


@needs_triton
def test_kernels_are_not_compiled_for_sizes():
    """Each kind of sizes that a model has costs a second at the first use: what they are compiled for is few."""
    from vldm_cli.align.fast import norm, time

    kinds = {
        kernel.__name__: {p.name for p in kernel.params if p.is_constexpr}
        for kernel in (norm._sums, norm._factors, norm._apply, time._attended, time._convolved)
    }
    assert kinds == {
        "_sums": {"BLOCK_P", "BLOCK_C"},
        "_factors": {"MORE", "BLOCK_R", "BLOCK_K"},
        "_apply": {"SILU", "MORE", "BLOCK_P", "BLOCK_C"},
        "_attended": {"D", "BLOCK_D", "FRAMES", "ROWS"},
        "_convolved": {"K", "WHOLE", "LAST", "REPEAT", "BLOCK_M", "BLOCK_N", "BLOCK_K"},
    }


def test_the_twin_of_the_convolution_is_one_over_time():
    x, w, b = torch.randn(2 * 5, 6, 3), torch.randn(4, 9), torch.randn(4)
    whole = torch.nn.functional.conv3d(
        x.view(2, 5, 6, 1, 3).permute(0, 4, 1, 2, 3),
        w.view(4, 3, 3).transpose(1, 2)[..., None, None],
        b,
        padding=(1, 0, 0),
    )
    torch.testing.assert_close(plain.convolve(x, w, 5, b), whole[..., 0].permute(0, 2, 3, 1).flatten(0, 1))


def test_the_twin_of_the_attention_is_one_over_frames():
    qkv = torch.randn(2 * 3, 5, 3 * 8)
    q, k, v = (x.unflatten(0, (2, 3)).transpose(1, 2) for x in qkv.chunk(3, -1))  # (B, L, T, C)
    h = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(plain.attend(qkv, 3, 1), h.transpose(1, 2).flatten(0, 1))


def test_the_kernel_of_attention_is_left_out_for_more_frames_than_it_holds(monkeypatch):
    given = []
    monkeypatch.setattr(ops, "_kernel", lambda name, x: lambda qkv, frames, heads: given.append(frames))
    for frames in (plain.LONGEST, plain.LONGEST + 1):
        qkv = torch.randn(frames, 2, 3 * 8)
        made = ops.attend_frames(qkv, frames, 1)
    assert given == [plain.LONGEST] and torch.equal(made, plain.attend(qkv, plain.LONGEST + 1, 1))
