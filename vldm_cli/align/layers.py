"""The kinds of temporal layer (Video LDM, §3.1 and figure 4) and what they share during one call.

All take the output `z_NCHW` of a spatial layer, N = B·T frames, and return

    α · z + (1 − α) · z'        z' = z + f(z): the temporal layer's output, α ∈ (0, 1) learned, one per layer

computed as z + (1 − α) · f(z), with 1 − α folded into the last projection of f. That projection starts at
zero, so a new layer is the identity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import RLock

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Batches beyond 65 535 overflow a CUDA grid dimension in some fused attention kernels.
_ATTENTION_BATCH = 32768


class Turn:
    """A context manager in which one thread at a time is, as often as it likes. A copy is a turn of its own."""

    def __init__(self) -> None:
        self._lock = RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple:
        return Turn, ()


@dataclass
class State:
    """What the temporal layers of one model share during a call: set before the spatial model runs."""

    frames: int = 1
    """T: how many neighbouring rows of the spatial batch are one video."""
    on: bool = True
    """False: the hooks leave the spatial outputs alone, bit for bit (α = 1)."""
    embedding_BE: Tensor | None = None
    context: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    """Context features (N, F, h, w) by resolution (h, w)."""
    text_BLD: Tensor | None = None
    """What the temporal layers hear of the text, one text a video."""
    step: int = 0
    """Which of the sampler's steps this call is for, 0 for the first."""
    steps: int = 1
    """How many these are."""
    turn: Turn = field(default_factory=Turn, repr=False, compare=False)
    """Of the thread that uses the model: another one would change all this in the midst of a call."""


class TemporalLayer(nn.Module):
    """What all kinds have in common: the mixing weight α and access to the call's state. A layer is called with the
    output of its block and with what the block was called with, of which these need nothing."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self.alpha_logit = nn.Parameter(torch.zeros(()))

    @property
    def alpha(self) -> Tensor:
        """α ∈ (0, 1), a scalar tensor. A sigmoid never reaches 1: `State.on = False` is the exact α = 1."""
        return torch.sigmoid(self.alpha_logit)

    @property
    def uncalled(self) -> list[nn.Module]:
        """Children whose weights this layer reads in place of calling them."""
        return []

    def scaled(self, last: nn.Linear | nn.Conv2d) -> tuple[Tensor, Tensor]:
        """Weight and bias of the last projection times 1 − α: mixing then costs one addition."""
        share = 1 - self.alpha
        assert last.bias is not None  # every last projection has one
        return last.weight * share, last.bias * share


class TemporalConvolution(TemporalLayer):
    """A residual block of two 3×1×1 convolutions over (T, H, W), after a spatial residual block.

    Its group norms see one frame at a time: a norm over time would make every frame depend on the window's
    length. `embed` brings in the call's embedding (diffusion time, frame step), `context` the features of
    c_S (Video LDM, §3.2) at this resolution through a 2D convolution. `repeated_ends`: beyond its
    ends a video goes on as its end, so that where nothing moves all frames come out alike; otherwise there is nothing.
    """

    def __init__(
        self,
        channels: int,
        groups: int,
        embed_dim: int,
        context_dim: int,
        state: State,
        repeated_ends: bool = False,
    ) -> None:
        super().__init__(state)
        self.repeated_ends = repeated_ends
        self.norm1 = nn.GroupNorm(groups, channels)
        self.embed = nn.Linear(embed_dim, channels) if embed_dim else None
        self.context = nn.Conv2d(context_dim, channels, 1) if context_dim else None
        # 3×1×1 kernels, kept as 4-dimensional (C, 3C, 1, 1): memory_format=channels_last refuses 5 dimensions.
        self.conv1 = nn.Conv2d(3 * channels, channels, 1)
        self.norm2 = nn.GroupNorm(groups, channels)
        self.conv2 = nn.Conv2d(3 * channels, channels, 1)
        nn.init.zeros_(self.conv2.weight)
        assert self.conv2.bias is not None  # torch types it as optional
        nn.init.zeros_(self.conv2.bias)

    def forward(self, z_NCHW: Tensor, _args: tuple = (), _kwargs: dict | None = None) -> Tensor:
        if torch.is_grad_enabled() and not z_NCHW.requires_grad:
            # The first layer over frozen ones. torch 2.13 crashes on a CPU in a group norm's backward pass when
            # the norm's weight wants a gradient and its channels_last input does not.
            z_NCHW = z_NCHW.detach().requires_grad_()
        h = self.norm1(z_NCHW)
        if self.embed is not None:
            e_NC = self.embed(self.state.embedding_BE).repeat_interleave(self.state.frames, 0)
            h = h + e_NC[:, :, None, None].to(h.dtype)
        if self.context is not None:
            h = h + self.context(self.state.context[z_NCHW.shape[-2], z_NCHW.shape[-1]]).to(h.dtype)
        h = F.silu(h)
        assert self.conv1.bias is not None  # torch types it as optional
        h = self._convolve(h, self.conv1.weight, self.conv1.bias)
        h = self._convolve(F.silu(self.norm2(h)), *self.scaled(self.conv2))
        return z_NCHW + h

    @property
    def uncalled(self) -> list[nn.Module]:
        return [self.conv1, self.conv2]

    def _convolve(self, h_NCHW: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The 3×1×1 convolution; a frame's neighbours past the ends are zero, or the end itself.

        In channels_last both permutes are views: (B, T, H, W, C) is the 3D convolution's own channels_last.
        """
        C = h_NCHW.shape[1]
        kernel = weight.view(C, 3, C, 1, 1).permute(0, 2, 1, 3, 4)
        h_BCTHW = h_NCHW.unflatten(0, (-1, self.state.frames)).permute(0, 2, 1, 3, 4)
        if self.repeated_ends:
            h_BCTHW = torch.cat([h_BCTHW[:, :, :1], h_BCTHW, h_BCTHW[:, :, -1:]], 2)
        h_BCTHW = F.conv3d(h_BCTHW, kernel, bias, padding=(0 if self.repeated_ends else 1, 0, 0))
        return h_BCTHW.permute(0, 2, 1, 3, 4).flatten(0, 1)


class TemporalAttention(TemporalLayer):
    """Self-attention over the T frames at each position, after a spatial transformer.

    Frames are told apart by a sinusoidal encoding of their index (Video LDM, §3.1), so T is free. `context` brings in
    the features of c_S where no convolution does.
    """

    def __init__(self, channels: int, heads: int, embed_dim: int, state: State, context_dim: int = 0) -> None:
        super().__init__(state)
        self.context = nn.Conv2d(context_dim, channels, 1) if context_dim else None
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.embed = nn.Linear(embed_dim, channels) if embed_dim else None
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @property
    def uncalled(self) -> list[nn.Module]:
        return [self.out]

    def forward(self, z_NCHW: Tensor, _args: tuple = (), _kwargs: dict | None = None) -> Tensor:
        N, C, H, W = z_NCHW.shape
        T = self.state.frames
        B = N // T
        # (B, T, C, H, W) → (B, H·W, T, C)
        h = z_NCHW.unflatten(0, (B, T)).permute(0, 3, 4, 1, 2).reshape(B, H * W, T, C)
        h = self.norm(h) + sinusoids(torch.arange(T, device=h.device), C).to(h.dtype)
        if self.embed is not None:
            h = h + self.embed(self.state.embedding_BE)[:, None, None].to(h.dtype)
        if self.context is not None:
            c_NCHW = self.context(self.state.context[(H, W)])
            h = h + c_NCHW.unflatten(0, (B, T)).permute(0, 3, 4, 1, 2).reshape(h.shape).to(h.dtype)
        q, k, v = self.qkv(h).view(B * H * W, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        parts = zip(*(x.split(_ATTENTION_BATCH) for x in (q, k, v)), strict=True)
        h = torch.cat([F.scaled_dot_product_attention(*part) for part in parts])
        h = F.linear(h.transpose(1, 2).reshape(B, H, W, T, C), *self.scaled(self.out))
        return z_NCHW + h.permute(0, 3, 4, 1, 2).reshape(N, C, H, W)


class SpaceTimeAttention(TemporalAttention):
    """Self-attention over all places of all frames: what moves is followed to where it is in another frame, which
    attention over the frames at each place can only do through the convolutions around it.

    `text_dim` above 0: the words of the text are keys and values too. The spatial layers hear of a motion only what
    shows in a single picture, and they are frozen; here "left" can mean something. The sinusoidal encoding is of frame,
    row and column. `waves` above 0: so many travelling waves beside it (`TravellingWaves`).
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        embed_dim: int,
        state: State,
        context_dim: int = 0,
        text_dim: int = 0,
        waves: int = 0,
    ) -> None:
        super().__init__(channels, heads, embed_dim, state, context_dim)
        self.words = nn.Linear(text_dim, 2 * channels, bias=False) if text_dim else None
        self.waves = TravellingWaves(waves, channels) if waves else None

    def forward(self, z_NCHW: Tensor, _args: tuple = (), _kwargs: dict | None = None) -> Tensor:
        N, C, H, W = z_NCHW.shape
        h = self._placed(z_NCHW)
        B, T = h.shape[:2]
        q, k, v = self.qkv(h).view(B, T * H * W, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if self.words is not None:
            text_BLD = self.state.text_BLD
            assert text_BLD is not None  # the model sets it before every call of layers that hear words
            words = self.words(text_BLD.to(h.dtype)).view(B, text_BLD.shape[1], 2, self.heads, -1)
            k2, v2 = words.permute(2, 0, 3, 1, 4)
            k, v = torch.cat([k, k2], 2), torch.cat([v, v2], 2)
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(N, H, W, C)
        return z_NCHW + F.linear(h, *self.scaled(self.out)).permute(0, 3, 1, 2)

    def _placed(self, z_NCHW: Tensor) -> Tensor:
        """What attends, (B, T, H, W, C): normed, with place, embedding and context."""
        _, C, H, W = z_NCHW.shape
        T = self.state.frames
        # (N, C, H, W) → (B, T, H, W, C), in channels_last a view
        h = self.norm(z_NCHW.permute(0, 2, 3, 1)).view(-1, T, H, W, C)
        h = h + _places(T, H, W, C, h.device).to(h.dtype)
        if self.waves is not None:
            h = h + self.waves(T, H, W)
        if self.embed is not None:
            h = h + self.embed(self.state.embedding_BE)[:, None, None, None].to(h.dtype)
        if self.context is not None:
            c_NCHW = self.context(self.state.context[(H, W)])
            h = h + c_NCHW.permute(0, 2, 3, 1).reshape(h.shape).to(h.dtype)
        return h


class TravellingWaves(nn.Module):
    """Encodings of place and time together: sines and cosines of k · (x − v t), each wave k with a velocity v of its
    own, all learned (learned Fourier features, Li et al. 2021, arXiv:2106.02795).

    Encodings of frame, row and column add up, so what two cells make of them in attention is a function of how far
    apart they are, and another of how long. "Where this was a frame ago, when all moves to the left" is of neither
    kind; it is the phase of a wave that moves along. New, it adds nothing.
    """

    def __init__(self, waves: int, channels: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        # one or two waves across the picture, which they cross in some ten frames, mostly sideways
        k = 2 * math.pi * torch.randn(waves, 2, generator=draw) * torch.tensor([1.0, 1.5])
        v = torch.randn(waves, 2, generator=draw) * torch.tensor([0.02, 0.08])
        self.frequencies = nn.Parameter(torch.cat([-(k * v).sum(1, keepdim=True), k], 1))
        self.out = nn.Linear(2 * waves, channels, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, T: int, H: int, W: int) -> Tensor:
        """(T, H, W, channels); time in frames, place in heights and widths of the picture."""
        w = self.frequencies.float()
        t, y, x = (torch.arange(n, device=w.device, dtype=torch.float32) for n in (T, H, W))
        phase = (
            t[:, None, None, None] * w[:, 0] + (y / H)[:, None, None] * w[:, 1] + (x / W)[:, None] * w[:, 2]
        )
        return self.out(torch.cat([phase.sin(), phase.cos()], -1).to(self.out.weight.dtype))


def _places(T: int, H: int, W: int, dim: int, device: torch.device) -> Tensor:
    """Sinusoidal encodings (T, H, W, dim): half of the channels tell the frame, a quarter each row and column."""
    quarter = dim // 4
    t = sinusoids(torch.arange(T, device=device), dim - 2 * quarter)
    # rows and columns are few: wavelengths up to 100 cells tell them apart
    y, x = (sinusoids(torch.arange(n, device=device), quarter, longest=100.0) for n in (H, W))
    parts = (t[:, None, None], y[None, :, None], x[None, None])
    return torch.cat([part.expand(T, H, W, -1) for part in parts], -1)


def sinusoids(x: Tensor, dim: int, longest: float = 10000.0) -> Tensor:
    """Sinusoidal encoding of real numbers x (...,) → (..., dim) in float32 (Vaswani et al. 2017, §3.5)."""
    half = dim // 2
    frequencies = torch.exp(-math.log(longest) * torch.arange(half, device=x.device) / half)
    angles = x[..., None].float() * frequencies
    encoded = torch.cat([angles.sin(), angles.cos()], -1)
    return F.pad(encoded, (0, dim - 2 * half))
