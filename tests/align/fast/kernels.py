"""Every kernel against its plain twin, on the device of the first argument; run by test_kernels.py as a process of its
own, for Triton's interpreter is chosen when Triton is imported. Prints one line a case: name and relative error."""

import sys
from itertools import chain

import torch
from torch import Tensor

from vldm_cli.align.fast import dense, gated, norm, plain, rows, time, trial
from vldm_cli.align.fast.plain import exact

# rows, channels in and out, of which each row is a multiple of 16 bytes
LAYERS = [(1, 24, 48), (33, 72, 40), (150, 40, 136), (1000, 320, 1280), (777, 640, 2560)]
# pictures, channels, those of each layer, height, width
BLOCKS = [(1, 32, 16, 5, 7), (2, 16, 32, 1, 3), (2, 64, 32, 33, 70), (1, 64, 64, 40, 24)]
# small ones, so that there are several
TILES = (gated.Tile(64, 16, 16, 4, 2), gated.Tile(64, 32, 32, 4, 2))
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def apart(out: Tensor, reference: Tensor) -> float:
    """‖out − reference‖ / ‖reference‖; infinite where the shape, the type or a number is wrong."""
    if out.shape != reference.shape or out.dtype != reference.dtype or not out.isfinite().all():
        return float("inf")
    return float((out.double() - reference.double()).norm() / reference.double().norm().clamp(min=1e-12))


def cases(device: str, large: bool, names=tuple(DTYPES)):
    """(name, out, twin's)"""
    for name in names:
        dtype = DTYPES[name]
        draw = torch.Generator(device).manual_seed(0)

        def rand(*shape, shift=0.0, dtype=dtype, draw=draw):
            x = torch.randn(shape, generator=draw, device=device) + shift
            return x.to(dtype)

        whole = large or name == "float32"  # the interpreter is slow
        sizes = [
            (4, 40, 9, 3, 4, 2),
            (2, 32, 5, 7, 32, 1),
            (3, 320 if large else 96, 8, 8, 32, 1),
            (6, 6, 1, 1, 2, 3),
            (1, 130, 11, 13, 2, 1),
        ]
        for N, C, H, W, groups, span in sizes if whole else sizes[:1]:
            x = rand(N, C, H, W, shift=3.0).contiguous(memory_format=torch.channels_last)
            given = (rand(C), rand(C), groups, 1e-5)
            more = (rand(N, C), rand(1, C), rand(N, C, H, W))
            for silu, adds in ((False, ()), (True, more)):
                args = (x, *given, silu, span, *adds)
                name_ = f"group_norm {name} {tuple(x.shape)} span {span} {silu}"
                yield name_, norm.group_norm(*args), exact(plain.group_norm, *args)
        for M, C in [(10, 33), (1, 32), (14, 320 if large else 48)] if whole else [(10, 33)]:
            x, y, w, b = rand(M, C, shift=1.0), rand(M, C), rand(C), rand(C)
            plus = rand(2, C) if M % 2 == 0 else None
            for other in (None, y, *([y[:2]] if M % 2 == 0 else [])):
                for i in (0, 1):
                    args = (x, w, b, 1e-5, other, plus)
                    yield (
                        f"layer_norm {name} {M}x{C} {i}",
                        rows.layer_norm(*args)[i],
                        exact(plain.layer_norm, *args)[i],
                    )
            yield f"add {name} {M}x{C}", rows.add(x, y, b), exact(plain.add, x, y, b)
            wide = rand(M, 2 * C)
            yield f"geglu {name} {M}x{C}", rows.geglu(wide), exact(plain.geglu, wide)
        if name == ("float32" if large else "bfloat16"):
            continue  # not used on a GPU; taken for whole numbers by Triton's interpreter
        here = device == "cpu" or gated.suits(torch.device(device))
        for M, C, D in (LAYERS if large else LAYERS[:3]) if here else ():
            x, w, b = rand(M, C), rand(2 * D, C) / 8, 3 * rand(2 * D)
            for by in (None, *TILES):
                for bias in (None, b):
                    args = (x, w, bias)
                    yield (
                        f"linear_geglu {name} {M}x{C}x{D} {by and by[:3]} {bias is None}",
                        gated.linear_geglu(*args, by),
                        exact(plain.linear_geglu, *args),
                    )
        for N, C, G, H, W in BLOCKS if large else BLOCKS[:2]:
            x, layers = rand(N, C, H, W), []
            for layer in range(5):
                out = G if layer < 4 else C
                layers += [rand(out, C + layer * G, 3, 3) / (3 * (C + layer * G) ** 0.5), rand(out)]
            for by in (None, dense.Tile(32, 32, 4, 2)):
                yield (
                    f"dense_block {name} {N}x{C}x{H}x{W} {G} {by and by[:2]}",
                    dense.dense_block(x, *layers, by=by or dense.TILE),
                    exact(plain.dense_block, x, *layers),
                )
        for T in (1, 7, 16, 25, 64) if large else (1, 3, 25, 64) if whole else (5,):
            for heads, D in ((2, 32), (3, 40)) if large else ((2, 20),):
                qkv = rand(2 * T, 3, 3 * heads * D)
                yield (
                    f"attend {name} T={T} D={D}",
                    time.attend(qkv, T, heads),
                    exact(plain.attend, qkv, T, heads),
                )
            x, w, b, z = rand(2 * T, 3, 33), rand(40, 99) / 10, rand(40), rand(2 * T, 3, 40)
            for repeat in (False, True):
                small = None if large else (128, 64, 64, 4, 1)
                for bias, residual in ((None, None), (b, z)) if large else ((b, z),):
                    args = (x, w, T, bias, residual, repeat)
                    yield (
                        f"convolve {name} T={T} {repeat}",
                        time.convolve(*args, small),
                        exact(plain.convolve, *args),
                    )


def tried(device: str):
    """What kernels are tried with at their first use."""
    for name in ("float32", "float16"):
        for kernel, made, twin in trial.trials(torch.device(device), DTYPES[name]):
            yield f"trial-{kernel} {name}", made(), twin()


if __name__ == "__main__":
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    found = chain(cases(sys.argv[1], sys.argv[1] != "cpu"), tried(sys.argv[1]))
    for name, out, twin in found:
        print(f"{name}\t{apart(out, twin):.2e}")
