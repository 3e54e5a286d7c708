"""The probe: a small video network that reads a Toyland clip's attributes off its frames.

It is asked by colour: ten queries, "the red object", "the orange object" … look for their object in every frame by
attention, and an eleventh looks at the scene. What each found, and where, is then followed through time. Frames are
looked at one by one up to there, so that colour and shape can be read from every frame alone (object identity). How
the picture moves from frame to frame is found by matching neighbouring frames, which tells the camera.

In training it is also told where each object is and how the camera goes (`truth`), for an answer such as "bounces"
teaches little about where to look.
"""

from dataclasses import dataclass

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional as F

from vldm_cli.errors import RequestError
from vldm_cli.measure.probe.attributes import COLOUR_NAMES, OBJECT, SCENE
from vldm_cli.measure.probe.layers import (
    Block,
    Change,
    Crop,
    Look,
    Movement,
    Relate,
    down,
    found_in_cells,
    head,
    highest,
    middles,
    seldom,
)
from vldm_cli.packs.contents import Kind
from vldm_cli.packs.models import prepare_model
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.values import Each, Schema, Whole
from vldm_cli.toyland.world import RELATIONS

FRAMES = 8
QUERIES = len(COLOUR_NAMES) + 1
# x, y and radius of an object; the camera's turn to the right and upwards, its way right, up and forward.
PLACE, CAMERA = 3, 5
# Widths, in a new probe, of what compares objects with themselves, and of what finds the middle of each.
CHANGE, COUNTING = 48, 32


@dataclass(frozen=True)
class Answers:
    """Logits. presence_BK, and by name object_BKV and scene_BV, of the clip, relation_BKKV of its objects to each
    other; frame_presence_BTK and frame_shape_BTKV of single frames; spots_BTKHW, an object of that colour being in that
    cell, and middles_BTKHW, the middle of one (None of a probe that cannot count). Estimates: frame_place_BTK3, x, y
    (the frame's edges at ±1) and radius (in half heights) of each object; camera_BT5, the camera's change since the
    frame before, in the units of `probe_losses`. Features for Fréchet distances: clip_BF of the clip, frame_BTF of each
    frame alone."""

    presence_BK: Tensor
    object: dict[str, Tensor]
    scene: dict[str, Tensor]
    relation_BKKV: Tensor
    frame_presence_BTK: Tensor
    frame_shape_BTKV: Tensor
    frame_place_BTK3: Tensor
    camera_BT5: Tensor
    spots_BTKHW: Tensor
    middles_BTKHW: Tensor | None
    clip_BF: Tensor
    frame_BTF: Tensor


class Probe(ModelMixin, ConfigMixin):
    """Frames (B, T, 3, H, W) in [−1, 1], T ≤ 8, and their distance in frames → Answers. 1.1 M parameters.

    change: width of what compares each object with itself in the next frame; counting: of what finds the middle of
    each, by which they are counted; 0 for a probe without it, as they were."""

    @register_to_config
    def __init__(
        self,
        widths: tuple[int, ...] = (24, 48, 80, 96),
        dim: int = 96,
        heads: int = 6,
        layers: int = 2,
        change: int = 0,
        counting: int = 0,
    ):
        super().__init__()
        a, b, c, d = widths
        self.stem = nn.Sequential(nn.Conv2d(3, a, 4, 2, 1), nn.SiLU(), down(a, b), Block(b))
        self.middle = nn.Sequential(down(b, c), Block(c))
        self.coarse = nn.Sequential(down(c, d), Block(d))
        self.lateral = nn.Conv2d(d, c, 1)
        self.spot = seldom(c, len(COLOUR_NAMES))
        self.looks = nn.ModuleList(Look(c, dim, heads) for _ in range(2))
        self.crop = Crop(b, dim)
        self.queries = nn.Parameter(torch.randn(QUERIES, dim) * 0.5)
        self.movement = Movement(b, d)
        self.from_frame = nn.Linear(c + d, dim)
        self.from_movement = nn.Linear(d, dim)
        self.time = nn.Parameter(torch.randn(FRAMES, dim) * 0.5)
        self.rate = nn.Linear(1, dim)
        self.follow = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(dim, 4, 2 * dim, 0.0, "gelu", batch_first=True, norm_first=True)
                for _ in range(layers)
            )
        )
        self.out = nn.LayerNorm(dim)
        self.presence = nn.Linear(dim, 1)
        self.object_heads = nn.ModuleDict({k: head(dim, len(v)) for k, v in OBJECT.items()})
        self.scene_heads = nn.ModuleDict({k: nn.Linear(dim + d, len(v)) for k, v in SCENE.items()})
        self.relate = Relate(dim, len(RELATIONS))
        self.frame_presence = nn.Linear(1, 1)
        nn.init.constant_(self.frame_presence.weight, 1.0)
        nn.init.constant_(self.frame_presence.bias, 0.0)
        self.frame_shape = nn.Linear(dim, len(OBJECT["shape"]))
        self.frame_place = nn.Linear(dim, PLACE)
        nn.init.zeros_(self.frame_place.weight)
        nn.init.zeros_(self.frame_place.bias)
        self.from_place = nn.Linear(PLACE, dim)
        self.camera = nn.Linear(d, CAMERA)
        self.compare = Change(dim, change) if change else None
        self.middles = found_in_cells(c, counting, len(COLOUR_NAMES)) if counting else None

    def forward(self, x_BTCHW: Tensor, frame_step) -> Answers:
        """frame_step: frames at 24 a second from one frame to the next, an int or (B,)."""
        B, T = x_BTCHW.shape[:2]
        x = x_BTCHW.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        finest = self.stem(x)
        fine = self.middle(finest)
        coarse = self.coarse(fine)
        fine = fine + F.interpolate(self.lateral(coarse), size=fine.shape[-2:], mode="nearest")
        spots = self.spot(F.silu(fine))
        found = self.queries.expand(B * T, -1, -1)
        for look in self.looks:
            found = look(found, fine, spots.flatten(2))
        # how it looks there; where it is is learned by itself
        frame_place = middles(spots) + self.frame_place(found[:, :-1])
        closer = self.crop(finest, frame_place.detach()) + self.from_place(frame_place)
        found = found + F.pad(closer, (0, 0, 0, 1))
        whole = torch.cat([fine.mean((2, 3)), coarse.mean((2, 3))], -1).unflatten(0, (B, T))
        found = found.unflatten(0, (B, T))

        movement = self.movement(F.avg_pool2d(finest, 2, ceil_mode=True).unflatten(0, (B, T)))
        since = F.pad(movement, (0, 0, 1, 0))  # nothing came before the first frame
        step_B = torch.as_tensor(frame_step, device=x.device).expand(B)
        rate = self.rate((step_B.to(x.dtype).log2() / 4 - 0.5)[:, None])
        shared = self.from_frame(whole) + self.from_movement(since) + rate[:, None] + self.time[:T]
        tokens = (found + shared[:, :, None]).transpose(1, 2).flatten(0, 1)
        followed = self.follow(tokens).unflatten(0, (B, QUERIES))
        told = self.out(followed.mean(2))
        objects, scene = told[:, :-1], told[:, -1]
        moved = since.sum(1) / max(1, T - 1)
        seen_and_moved = torch.cat([scene, moved], -1)
        moving = objects
        if self.compare is not None:
            half = F.avg_pool2d(x, 2, ceil_mode=True).unflatten(0, (B, T))
            moving = objects + self.compare(half, frame_place.detach().unflatten(0, (B, T)))
        frame_presence = self.frame_presence(highest(spots.flatten(2))[..., None])[..., 0]
        return Answers(
            presence_BK=self.presence(objects)[..., 0],
            object={
                name: answer(moving if name == "motion" else objects)
                for name, answer in self.object_heads.items()
            },
            scene={name: answer(seen_and_moved) for name, answer in self.scene_heads.items()},
            relation_BKKV=self.relate(objects),
            frame_presence_BTK=frame_presence.unflatten(0, (B, T)),
            frame_shape_BTKV=self.frame_shape(found[:, :, :-1]),
            frame_place_BTK3=frame_place.unflatten(0, (B, T)),
            camera_BT5=self.camera(since),
            spots_BTKHW=spots.unflatten(0, (B, T)),
            middles_BTKHW=None if self.middles is None else self.middles(fine).unflatten(0, (B, T)),
            clip_BF=torch.cat([scene, objects.mean(1), moved], -1),
            frame_BTF=torch.cat([whole, found[:, :, -1]], -1),
        )


_SIZES: Schema = {
    "widths": Each(Whole(8, 1024), 4, 4),
    "dim": Whole(8, 1024),
    "heads": Whole(1, 64),
    "layers": Whole(1, 16),
    "change": Whole(0, 1024),
    "counting": Whole(0, 1024),
}


def _with_grids(probe: Probe) -> None:
    for look in probe.modules():
        if isinstance(look, (Crop, Change)):
            look.grid = look.new_grid()


def grown(probe: Probe) -> Probe:
    """The probe with what compares objects with themselves and what counts them; one that has both is as it was. To
    everything else it answers as before."""
    if probe.compare is not None and probe.middles is not None:
        return probe
    sizes = {name: probe.config[name] for name in _SIZES}
    larger = Probe(**sizes | {"change": sizes["change"] or CHANGE, "counting": sizes["counting"] or COUNTING})
    larger.load_state_dict({**larger.state_dict(), **probe.state_dict()})
    return larger.to(next(probe.parameters()).dtype)


def load_probe(pack: Pack, device="cpu", dtype=torch.float32) -> Probe:
    """The pack's probe, for reading. Raises RequestError where the pack has none."""
    if not pack.has("probe"):
        raise RequestError(
            f"pack {pack.name} has no probe to measure with; "
            f"train one: vldm train probe --pack {pack.folder} --minutes 10"
        )
    probe = prepare_model(pack, "probe", Probe, Kind(_SIZES, (), "Probe"), _with_grids).load()
    return probe.eval().requires_grad_(False).to(device, dtype)
