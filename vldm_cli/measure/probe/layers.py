"""What the probe is made of."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PLACES = 6
# How far beyond an object's disc a close look reaches.
MARGIN = 1.3
# Cells along a side of the look that is compared with the next frame's.
CLOSER = 16
# How many cells up and down, and to either side, something may have moved until the next frame; the grid, in rows and
# columns, over which movement is read; what a cell's features must amount to before they count.
REACH, GRID, SURE = (3, 4), (2, 4), 0.5


class Block(nn.Module):
    """A residual block of two convolutions on frames."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Look(nn.Module):
    """Queries look at one frame: (N, Q, D), (N, C, h, w) → (N, Q, D). Beside what they find they learn where: mean and
    spread of each head's attention over the frame."""

    def __init__(self, width: int, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, width)
        self.norm_q = nn.LayerNorm(dim)
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Conv2d(width, 2 * dim, 1)
        self.place = nn.Linear(PLACES, 2 * dim)
        self.pull = nn.Parameter(torch.ones(heads, 1, 1))
        self.mix = nn.Linear(dim + 4 * heads, dim)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim)
        )

    def forward(self, queries_NQD: Tensor, fine_NCHW: Tensor, spots_NKP: Tensor) -> Tensor:
        place = places(fine_NCHW.shape[-2], fine_NCHW.shape[-1], fine_NCHW)
        kv = self.kv(F.silu(self.norm(fine_NCHW))).flatten(2).transpose(1, 2) + self.place(place)
        k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in kv.chunk(2, -1))
        q = self.q(self.norm_q(queries_NQD)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        pull = self.pull * F.pad(spots_NKP, (0, 0, 0, 1))[:, None]  # the scene's query is drawn nowhere
        weight = (q @ k.mT / q.shape[-1] ** 0.5 + pull).float().softmax(-1).to(v.dtype)
        seen = (weight @ v).transpose(1, 2).flatten(2)
        moments = weight @ place[:, :4]  # of x, y, x², y²
        moments = moments.transpose(1, 2).flatten(2)
        found = queries_NQD + self.mix(torch.cat([seen, moments], -1))
        return found + self.mlp(found)


class Crop(nn.Module):
    """Queries look closely at their objects, each at its own size: (N, C, h, w) and places (N, K, 3) of x, y (the
    frame's edges at ±1) and radius (in half heights) → (N, K, D)."""

    grid: Tensor

    def __init__(self, width: int, dim: int, inner: int = 12, side: int = 8):
        super().__init__()
        self.inner = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, inner, 1))
        self.side = side
        self.register_buffer("grid", self.new_grid(), False)
        self.out = nn.Sequential(nn.Linear(inner * side**2, dim), nn.GELU(), nn.Linear(dim, dim, bias=False))

    def new_grid(self) -> Tensor:
        return around(self.side)

    def forward(self, x_NCHW: Tensor, place_NK3: Tensor) -> Tensor:
        seen = sampled(self.inner(x_NCHW), place_NK3, self.grid)  # (N, inner, K, side²)
        return self.out(seen.permute(0, 2, 1, 3).flatten(2))


class Change(nn.Module):
    """How objects look different from one frame to the next, which tells a thing that turns from one that rests: frames
    (B, T, 3, h, w) and places (B, T, K, 3) as `Crop` takes them → (B, K, D). Each frame by itself does not tell it: a
    mean over frames of what is seen in each has nothing of how it follows on. Begins with 0."""

    grid: Tensor

    def __init__(self, dim: int, inner: int):
        super().__init__()
        self.register_buffer("grid", self.new_grid(), False)
        self.look = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1), nn.GELU(), nn.Conv2d(16, 16, 3, 1, 1))
        self.compare = nn.Sequential(
            nn.Conv2d(32, 32, 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(32, 32, 3, 2, 1),
            nn.GELU(),
            nn.Flatten(1),
            nn.Linear(32 * (CLOSER // 4) ** 2, inner),
            nn.GELU(),
        )
        self.out = nn.Linear(2 * inner, dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def new_grid(self) -> Tensor:
        return around(CLOSER)

    def forward(self, x_BTCHW: Tensor, place_BTK3: Tensor) -> Tensor:
        B, T, K = place_BTK3.shape[:3]
        if T == 1:  # nothing to compare with
            return x_BTCHW.new_zeros(B, K, self.out.out_features)
        seen = sampled(x_BTCHW.flatten(0, 1), place_BTK3.flatten(0, 1), self.grid)
        seen = seen.permute(0, 2, 1, 3).unflatten(-1, (CLOSER, CLOSER)).flatten(0, 1)
        now = self.look(seen).unflatten(0, (B, T, K))
        before, after = now[:, :-1], now[:, 1:]
        pairs = torch.cat([before, after - before], 3).flatten(0, 2)
        changes = self.compare(pairs).unflatten(0, (B, T - 1, K))
        return self.out(torch.cat([changes.mean(1), changes.amax(1)], -1))


class Movement(nn.Module):
    """How the picture moves: every cell is compared with those around it in the next frame (a cost volume, as in
    FlowNet, Dosovitskiy et al. 2015), and what agrees where is read over a coarse grid, so that a zoom differs from a
    pan. (B, T, C, h, w) of low-level features → (B, T − 1, D)."""

    def __init__(self, width: int, dim: int, inner: int = 56, each: int = 16):
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.match = nn.Conv2d(width, each, 1, bias=False)
        offsets = (2 * REACH[0] + 1) * (2 * REACH[1] + 1)
        self.place = nn.Linear(PLACES, inner)
        self.first = nn.Conv2d(offsets + each, inner, 3, padding=1)
        self.second = nn.Conv2d(inner, inner, 3, 2, 1)
        many = GRID[0] * GRID[1] * inner
        self.out = nn.Sequential(nn.LayerNorm(many), nn.Linear(many, dim), nn.SiLU())

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        B, T, _, H, W = x_BTCHW.shape
        keys = self.match(self.norm(x_BTCHW.flatten(0, 1)))
        # where there is nothing to recognise little agrees
        keys = (keys / ((keys.square().sum(1, keepdim=True) + 1e-6).sqrt() + SURE)).unflatten(0, (B, T))
        before, after = keys[:, :-1].flatten(0, 1), keys[:, 1:].flatten(0, 1)
        up, left = REACH
        wide = F.pad(after, (left, left, up, up))
        alike = [
            (before * wide[:, :, y : y + H, x : x + W]).sum(1)
            for y in range(2 * up + 1)
            for x in range(2 * left + 1)
        ]
        x = self.first(torch.cat([3 * torch.stack(alike, 1), before], 1))
        x = x + self.place(places(H, W, x)).T.unflatten(1, (H, W))
        x = F.adaptive_avg_pool2d(F.silu(self.second(F.silu(x))), GRID)
        return self.out(x.flatten(1)).unflatten(0, (B, T - 1))


class Relate(nn.Module):
    """What each object is to each other one: (B, K, D) → (B, K, K, V)."""

    def __init__(self, dim: int, values: int):
        super().__init__()
        self.one, self.other = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.out = nn.Linear(dim, values)

    def forward(self, objects_BKD: Tensor) -> Tensor:
        return self.out(F.gelu(self.one(objects_BKD)[:, :, None] + self.other(objects_BKD)[:, None]))


def around(side: int) -> Tensor:
    """Where a close look falls, (side², 2) of x and y, around a place at 0 in units of its radius; in no file of
    weights."""
    line = MARGIN * (torch.arange(side) * 2 + 1 - side) / side
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).flatten(0, 1)


def sampled(x_NCHW: Tensor, place_NK3: Tensor, grid_P2: Tensor) -> Tensor:
    """(N, C, K, P): what lies around places, as `Crop` takes them, at the grid's points."""
    H, W = x_NCHW.shape[-2:]
    place = place_NK3.float()
    radius = place[..., 2:, None].clamp(0.05, 1.0)
    wide = place.new_tensor([H / W, 1.0])
    points = place[..., None, :2] + radius * grid_P2.float() * wide
    return F.grid_sample(x_NCHW.float(), points, align_corners=False).to(x_NCHW.dtype)


def highest(spots_NKP: Tensor) -> Tensor:
    """(N, K): a soft maximum over the cells, so that a frame's answer teaches where the colour is."""
    P = spots_NKP.shape[-1]
    return (spots_NKP.float().logsumexp(-1) - 0.5 * math.log(P)).to(spots_NKP.dtype)


def middles(spots_NKHW: Tensor) -> Tensor:
    """(N, K, 3): x, y (the frame's edges at ±1) and radius (in half heights) of the disc that the logits of cells
    suggest: their mean, and from their spread the radius that a full disc has."""
    H, W = spots_NKHW.shape[-2:]
    y = (torch.arange(H, device=spots_NKHW.device) * 2 + 1 - H) / H
    x = (torch.arange(W, device=spots_NKHW.device) * 2 + 1 - W) / W
    xy = torch.stack([x.expand(H, W), y[:, None].expand(H, W)], -1).flatten(0, 1)
    # sums, not products of matrices: those may run in 16 bits, which is too little for a spread
    weight = spots_NKHW.float().flatten(2).softmax(-1)[..., None]
    middle = (weight * xy).sum(2)
    away = (xy - middle[:, :, None]) * xy.new_tensor([W / H, 1.0])
    radius = (2 * (weight * away.square()).sum((2, 3)) + 1e-4).sqrt()[..., None]
    return torch.cat([middle, radius], -1).to(spots_NKHW.dtype)


def down(before: int, after: int) -> nn.Module:
    """Half the size."""
    return nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU())


def found_in_cells(width: int, inner: int, values: int) -> nn.Module:
    """What is seen in each cell of a map, by what lies around it: logits."""
    around = [nn.Conv2d(width, inner, 3, padding=1), nn.SiLU(), nn.Conv2d(inner, inner, 3, padding=1)]
    return nn.Sequential(nn.SiLU(), *around, nn.SiLU(), seldom(inner, values))


def seldom(width: int, values: int) -> nn.Conv2d:
    """Logits of each cell, low at first, for most cells show nothing."""
    last = nn.Conv2d(width, values, 1)
    assert last.bias is not None  # torch types it as optional
    nn.init.constant_(last.bias, -4.0)
    return last


def head(dim: int, values: int) -> nn.Module:
    """Answers of one question."""
    return nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, values))


def places(H: int, W: int, like: Tensor) -> Tensor:
    """(H·W, 6): x, y, their squares, and two waves, of the cells of a map."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, H, device=like.device),
        torch.linspace(-1, 1, W, device=like.device),
        indexing="ij",
    )
    columns = [x, y, x**2, y**2, torch.sin(torch.pi * x), torch.sin(torch.pi * y)]
    return torch.stack(columns, -1).flatten(0, 1).to(like.dtype)
