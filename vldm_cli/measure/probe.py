"""The probe: a small video network that reads a Toyland clip's attributes off its frames.

It is asked by colour: ten queries, "the red object", "the orange object" … look for their object in every
frame by attention, and an eleventh looks at the scene. What each found, and where, is then followed through
time. Frames are looked at one by one up to there, so that colour and shape can be read from every frame
alone (object identity), and a second path of temporal convolutions over coarse maps sees how the whole
picture moves (the camera).
"""

import math
from dataclasses import dataclass

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional as F

from vldm_cli.errors import RequestError
from vldm_cli.measure.attributes import COLOUR_NAMES, OBJECT, SCENE
from vldm_cli.packs.pack import PARTS, Pack

FRAMES = 8
QUERIES = len(COLOUR_NAMES) + 1


@dataclass(frozen=True)
class Answers:
    """Logits. presence_BK, and by name object_BKV and scene_BV, of the clip; frame_presence_BTK and
    frame_shape_BTKV of single frames. Features for Fréchet distances: clip_BF of the clip, frame_BTF of each
    frame alone."""

    presence_BK: Tensor
    object: dict[str, Tensor]
    scene: dict[str, Tensor]
    frame_presence_BTK: Tensor
    frame_shape_BTKV: Tensor
    clip_BF: Tensor
    frame_BTF: Tensor


class Probe(ModelMixin, ConfigMixin):
    """Frames (B, T, 3, H, W) in [−1, 1], T ≤ 8, and their distance in frames → Answers. 0.5 M parameters."""

    @register_to_config
    def __init__(
        self, widths: tuple[int, ...] = (24, 40, 72, 72), dim: int = 72, heads: int = 6, layers: int = 2
    ):
        super().__init__()
        a, b, c, d = widths
        self.stem = nn.Sequential(nn.Conv2d(3, a, 4, 2, 1), nn.SiLU(), _down(a, b), Block(b))
        self.middle = nn.Sequential(_down(b, c), Block(c))
        self.coarse = nn.Sequential(_down(c, d), Block(d, half=True))
        self.lateral = nn.Conv2d(d, c, 1)
        self.spot = nn.Conv2d(c, len(COLOUR_NAMES), 1)
        self.looks = nn.ModuleList(Look(c, dim, heads) for _ in range(2))
        self.queries = nn.Parameter(torch.randn(QUERIES, dim) * 0.5)
        self.movement = Movement(d)
        self.from_frame = nn.Linear(c + d, dim)
        self.from_movement = nn.Linear(d, dim)
        self.time = nn.Parameter(torch.randn(FRAMES, dim) * 0.1)
        self.rate = nn.Linear(1, dim)
        self.follow = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(dim, 4, 2 * dim, 0.0, "gelu", batch_first=True, norm_first=True)
                for _ in range(layers)
            )
        )
        self.out = nn.LayerNorm(dim)
        self.presence = nn.Linear(dim, 1)
        self.object_heads = nn.ModuleDict({k: _head(dim, len(v)) for k, v in OBJECT.items()})
        self.scene_heads = nn.ModuleDict({k: nn.Linear(dim, len(v)) for k, v in SCENE.items()})
        self.frame_presence = nn.Linear(1, 1)
        nn.init.constant_(self.frame_presence.weight, 1.0)
        nn.init.constant_(self.frame_presence.bias, -4.0)  # most of the ten colours are not there
        self.frame_shape = nn.Linear(dim, len(OBJECT["shape"]))

    def forward(self, x_BTCHW: Tensor, frame_step) -> Answers:
        """frame_step: frames at 24 a second from one frame to the next, an int or (B,)."""
        B, T = x_BTCHW.shape[:2]
        x = x_BTCHW.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        fine = self.middle(self.stem(x))
        coarse = self.coarse(fine)
        fine = fine + F.interpolate(self.lateral(coarse), size=fine.shape[-2:], mode="nearest")
        spots = self.spot(F.silu(fine)).flatten(2)
        found = self.queries.expand(B * T, -1, -1)
        for look in self.looks:
            found = look(found, fine, spots)
        whole = torch.cat([fine.mean((2, 3)), coarse.mean((2, 3))], -1).unflatten(0, (B, T))
        found = found.unflatten(0, (B, T))

        movement = self.movement(coarse.unflatten(0, (B, T)))
        step_B = torch.as_tensor(frame_step, device=x.device).expand(B)
        rate = self.rate((step_B.to(x.dtype).log2() / 4 - 0.5)[:, None])
        shared = self.from_frame(whole) + self.from_movement(movement) + rate[:, None] + self.time[:T]
        tokens = (found + shared[:, :, None]).transpose(1, 2).flatten(0, 1)
        followed = self.follow(tokens).unflatten(0, (B, QUERIES))
        # the mean tells what there is, the difference of the ends what it turned into is left to the layers
        # above
        told = self.out(followed.mean(2))
        objects, scene = told[:, :-1], told[:, -1]
        return Answers(
            presence_BK=self.presence(objects)[..., 0],
            object={name: head(objects) for name, head in self.object_heads.items()},
            scene={name: head(scene) for name, head in self.scene_heads.items()},
            frame_presence_BTK=self.frame_presence(_highest(spots)[..., None])[..., 0].unflatten(0, (B, T)),
            frame_shape_BTKV=self.frame_shape(found[:, :, :-1]),
            clip_BF=torch.cat([scene, objects.mean(1), movement.mean(1)], -1),
            frame_BTF=torch.cat([whole, found[:, :, -1]], -1),
        )


class Block(nn.Module):
    """A residual block on frames; `half`: of one convolution instead of two."""

    def __init__(self, width: int, half: bool = False):
        super().__init__()
        convolutions = [nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)]
        if not half:
            convolutions += [nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)]
        self.body = nn.Sequential(*convolutions)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Look(nn.Module):
    """Queries look at one frame: (N, Q, D), (N, C, h, w) → (N, Q, D). Beside what they find they learn
    where: mean and spread of each head's attention over the frame."""

    def __init__(self, width: int, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, width)
        self.norm_q = nn.LayerNorm(dim)
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Conv2d(width, 2 * dim, 1)
        self.place = nn.Linear(6, 2 * dim)
        self.pull = nn.Parameter(torch.ones(heads, 1, 1))
        self.mix = nn.Linear(dim + 4 * heads, dim)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim)
        )

    def forward(self, queries_NQD: Tensor, fine_NCHW: Tensor, spots_NKP: Tensor) -> Tensor:
        H, W = fine_NCHW.shape[-2:]
        place = _places(H, W, fine_NCHW)
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


class Movement(nn.Module):
    """How the picture moves: temporal convolutions over coarse maps, (B, T, C, h, w) → (B, T, C)."""

    def __init__(self, width: int):
        super().__init__()
        self.place = nn.Linear(6, width)
        self.first = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0))
        self.around = nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1), groups=width)
        self.second = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0))
        self.norm = nn.GroupNorm(8, width)

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        H, W = x_BTCHW.shape[-2:]
        place = self.place(_places(H, W, x_BTCHW)).T.unflatten(1, (H, W))
        x = (x_BTCHW + place).transpose(1, 2)
        x = F.silu(self.norm(self.around(self.first(x))))
        return F.silu(self.second(x)).mean((3, 4)).transpose(1, 2)


def _highest(spots_NKP: Tensor) -> Tensor:
    """(N, K): a soft maximum over the cells, so that a frame's answer teaches where the colour is."""
    P = spots_NKP.shape[-1]
    return (spots_NKP.float().logsumexp(-1) - 0.5 * math.log(P)).to(spots_NKP.dtype)


def _down(before: int, after: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU())


def _head(dim: int, values: int) -> nn.Module:
    return nn.Sequential(nn.Linear(dim, dim // 2), nn.GELU(), nn.Linear(dim // 2, values))


def _places(H: int, W: int, like: Tensor) -> Tensor:
    """(H·W, 6): x, y, their squares, and two waves, of the cells of a map."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, H, device=like.device),
        torch.linspace(-1, 1, W, device=like.device),
        indexing="ij",
    )
    columns = [x, y, x**2, y**2, torch.sin(torch.pi * x), torch.sin(torch.pi * y)]
    return torch.stack(columns, -1).flatten(0, 1).to(like.dtype)


def load_probe(pack: Pack, device="cpu", dtype=torch.float32) -> Probe:
    """The pack's probe, for reading. Raises RequestError where the pack has none."""
    if not pack.has("probe"):
        raise RequestError(
            f"pack {pack.name} has no probe to measure with; "
            f"train one: vldm train probe --pack {pack.folder} --minutes 10"
        )
    folder = pack.path(PARTS["probe"]).parent
    probe = Probe.from_pretrained(
        folder, use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False
    )
    return probe.eval().requires_grad_(False).to(device, dtype)
