"""Each kernel of the fast engine by itself, beside PyTorch's own in either layout, at the sizes of `align(SD 2.1)` with
16 frames of 512×512 under guidance; and what else has to be known before one is kept or dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from vldm_cli.align.fast import plain
from vldm_cli.measure.peers.timing import Call, median

FRAMES = 16
LEVELS = ((320, 64), (640, 32), (1280, 16))
"""Channels and latent side of three levels."""
# places, channels out, channels in of a tile; warps; stages
TILES = (
    (128, 64, 64, 4, 4),
    (128, 128, 64, 8, 3),
    (128, 128, 64, 4, 3),
    (256, 64, 64, 8, 3),
    (128, 256, 64, 8, 3),
)

Way = tuple[str, Call]
"""A name and a call."""
Row = tuple[str, list[Way], int]
"""A name, the ways to compute one thing, and how many bytes go in and out."""


def single(device: torch.device, dtype: torch.dtype) -> list[dict]:
    """name, milliseconds of each way, and floor: what reading and writing everything once takes at least on this
    device, by a copy's rate."""
    moved = copy_rate(device)
    rows = []
    for name, ways, nbytes in _everything(device, dtype):
        milliseconds = {way: _timed(call) for way, call in ways}
        rows.append({"name": name, "ms": milliseconds, "floor_ms": round(nbytes / moved * 1e3, 4)})
    return rows


def copy_rate(device: torch.device, size: int = 2**31) -> float:
    """Bytes a second that a copy on the device reads and writes."""
    source = torch.empty(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / median(partial(target.copy_, source)) * 1e3


def _timed(call: Call) -> float | str:
    """Milliseconds, or why there are none: not every way is for every device."""
    try:
        return round(median(call), 4)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a kernel that does not compile is a result here
        return str(error).splitlines()[0][:60] if str(error) else type(error).__name__


def _everything(device: torch.device, dtype: torch.dtype) -> Iterator[Row]:
    def rand(*shape: int) -> Tensor:
        return torch.randn(shape, device=device).to(dtype)

    for channels, side in LEVELS:
        yield from _level(rand, channels, side)
    yield from _attention(rand)


def _level(rand: Callable[..., Tensor], channels: int, side: int) -> Iterator[Row]:
    from vldm_cli.align.fast import gated, norm, rows, time

    N, places = 2 * FRAMES, side * side
    x, w, b = rand(N, channels, side, side), rand(channels), rand(channels)
    last = x.to(memory_format=torch.channels_last)
    size = x.numel() * x.element_size()
    where = f"{N}x{channels}x{side}x{side}"

    def own(x_NCHW: Tensor) -> Tensor:
        return F.silu(F.group_norm(x_NCHW, 32, w, b))

    kernel = partial(norm.group_norm, last, w, b, 32, 1e-5, True)
    yield (
        f"group norm, SiLU {where}",
        [
            ("PyTorch", partial(own, x)),
            ("channels_last", partial(own, last)),
            ("kernel", kernel),
        ],
        3 * size,
    )
    z, y = rand(N, places, channels), rand(N, places, channels)
    yield (
        f"sum, layer norm {where}",
        [
            ("PyTorch", partial(plain.layer_norm, z, w, b, 1e-5, y)),
            ("kernel", partial(rows.layer_norm, z, w, b, 1e-5, y)),
        ],
        4 * size,
    )
    wide = rand(N, places, 8 * channels)
    yield (
        f"gated GELU {where}",
        [
            ("PyTorch", partial(plain.geglu, wide)),
            ("kernel", partial(rows.geglu, wide)),
        ],
        12 * size,
    )
    del wide
    weight, bias = rand(8 * channels, channels) / channels**0.5, rand(8 * channels)
    yield (
        f"linear layer, gated GELU {where}",
        [
            ("PyTorch", partial(plain.linear_geglu, z, weight, bias)),
            ("product, kernel", lambda: rows.geglu(F.linear(z, weight, bias))),
            ("kernel", partial(gated.linear_geglu, z, weight, bias)),
        ],
        5 * size,
    )
    qkv = rand(N, places, 3 * channels)
    yield (
        f"attention over frames {where}",
        [
            ("PyTorch", partial(plain.attend, qkv, FRAMES, channels // 32)),
            ("kernel", partial(time.attend, qkv, FRAMES, channels // 32)),
        ],
        4 * size,
    )
    taps = rand(channels, 3 * channels) / (3 * channels) ** 0.5
    cube = taps.view(channels, 3, channels).transpose(1, 2)[..., None, None]
    cube = cube.contiguous(memory_format=torch.channels_last_3d)
    x5 = z.view(2, FRAMES, places, 1, channels).permute(0, 4, 1, 2, 3)
    yield (
        f"convolution over frames {where}",
        [
            ("conv3d", lambda: F.conv3d(x5, cube, b, padding=(1, 0, 0))),
            ("conv2d, sum", partial(plain.convolve, z, taps, FRAMES, b, y)),
            *(
                ("x".join(map(str, tile)), partial(time.convolve, z, taps, FRAMES, b, y, False, tile))
                for tile in TILES
            ),
        ],
        3 * size,
    )
    square = rand(channels, channels, 3, 3)
    square_last = square.to(memory_format=torch.channels_last)

    def chosen_by_trial() -> Tensor:
        with torch.backends.cudnn.flags(benchmark=True):
            return F.conv2d(last, square_last, None, padding=1)

    yield (
        f"3x3 convolution {where}",
        [
            ("PyTorch", lambda: F.conv2d(x, square, b, padding=1)),
            ("channels_last", lambda: F.conv2d(last, square_last, b, padding=1)),
            ("without bias", lambda: F.conv2d(last, square_last, None, padding=1)),
            ("cudnn.benchmark", chosen_by_trial),
        ],
        2 * size,
    )


def _attention(rand: Callable[..., Tensor]) -> Iterator[Row]:
    """Of pictures: to their own places, and to 77 words."""
    for batch, heads, L, S in ((32, 5, 4096, 4096), (32, 10, 1024, 1024), (2, 5, 65536, 77)):
        q, k, v = rand(batch, L, heads, 64), rand(batch, S, heads, 64), rand(batch, S, heads, 64)
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))

        def by(backend: SDPBackend, q=q, k=k, v=v) -> Tensor:
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(q, k, v)

        backends = (SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION)
        ways: list[Way] = [(backend.name.lower(), partial(by, backend)) for backend in backends]
        moved = (2 * q.numel() + 2 * k.numel()) * q.element_size()
        yield f"attention {batch}x{heads}x{L} to {S}", ways, moved
