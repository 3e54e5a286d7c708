"""What the probe's answers are held to: the clip's attributes, and on the way there where everything is."""

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.measure.probe.attributes import OBJECT, SCENE
from vldm_cli.measure.probe.probe import Answers

# Presence has ten questions a clip, most with the answer no; what is taught of single frames, of cells and of the
# camera only helps.
PRESENCE, FRAME, SPOTS, MIDDLES, PLACE, CAMERA = 12.0, 0.5, 1.0, 2.0, 2.0, 5.0
# What is learned slowest counts twice.
SLOW = {"motion": 2.0, "camera": 2.0, "material": 2.0}
# Seen less than the first share an object is not in a frame, seen more than the second it is; between them nobody asks.
GONE, HERE = 0.05, 0.3
# Cells nearer to an object's middle than the first are its own, cells beyond the second are not; in radii.
INSIDE, OUTSIDE = 0.75, 1.3
# Cells nearer to an object's middle than the first are its middle, or the cell is in which it lies; cells beyond the
# second are not, though they may be the object's: it ends at 1, and where two of a colour meet, neither has its middle.
CENTRAL, APART, AROUND = 0.35, 0.65, 1.2
# A usual change of the camera from one keyframe to the next: radians and world units.
TURN, WAY = 0.05, 0.3


def losses(answers: Answers, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The loss, and its parts worth watching, for the truth of a batch of clips (`measure.truth`)."""
    scene, objects = batch["scene"].long(), batch["objects"].long()
    there, asked = (objects[:, :, 0] == 1).float(), objects[:, :, 0] >= 0
    each = {"presence": PRESENCE * _yes_no(answers.presence_BK, there, asked)}
    for i, name in enumerate(SCENE):
        each[name] = SLOW.get(name, 1.0) * cross_entropy(answers.scene[name], scene[:, i])
    for i, name in enumerate(OBJECT, 1):
        each[name] = SLOW.get(name, 1.0) * cross_entropy(answers.object[name], objects[:, :, i])
    each["relation"] = cross_entropy(answers.relation_BKKV, batch["relations"].long())
    places = batch["places"].float()
    seen = places[..., 3]
    asked = (seen >= 0) & ((seen < GONE) | (seen > HERE))
    each["frame presence"] = (
        FRAME * PRESENCE * _yes_no(answers.frame_presence_BTK, (seen > HERE).float(), asked)
    )
    shapes = torch.where(seen > HERE, objects[:, None, :, 1], -1)
    each["frame shape"] = FRAME * cross_entropy(answers.frame_shape_BTKV, shapes)
    each["spots"] = SPOTS * _spots(answers.spots_BTKHW, places)
    if answers.middles_BTKHW is not None:
        each["middles"] = MIDDLES * _middles(
            answers.middles_BTKHW, batch["things"].float(), batch["colours"].long()
        )
    each["place"] = PLACE * _mean(
        F.smooth_l1_loss(answers.frame_place_BTK3.float(), places[..., :3], beta=0.1, reduction="none").sum(
            -1
        ),
        seen > GONE,
    )
    each["way"] = CAMERA * _camera(answers.camera_BT5, batch["camera"].float(), scene[:, 0] == 0)
    worth_watching = ("shape", "material", "motion", "camera", "place", "spots", "middles")
    shown = {name: value.detach() for name, value in each.items() if name in worth_watching}
    return {"loss": cast(Tensor, sum(each.values())), **shown}  # of more than nothing


def cross_entropy(logits: Tensor, codes: Tensor) -> Tensor:
    """Mean over the codes that are not −1; 0 where there are none. Waits for nothing on the GPU."""
    total = F.cross_entropy(logits.float().flatten(0, -2), codes.flatten(), ignore_index=-1, reduction="sum")
    return total / (codes >= 0).sum().clamp_min(1)


def _yes_no(logits: Tensor, truth: Tensor, asked: Tensor) -> Tensor:
    return _mean(F.binary_cross_entropy_with_logits(logits.float(), truth, reduction="none"), asked)


def _mean(values: Tensor, asked: Tensor) -> Tensor:
    return (values * asked).sum() / asked.sum().clamp_min(1)


def _spots(logits_BTKHW: Tensor, places_BTK4: Tensor) -> Tensor:
    """Each cell's colour: the mean over the objects' own cells, and over all others."""
    away, seen = _away(logits_BTKHW, places_BTK4), places_BTK4[..., None, None, 3]
    inside = (away < INSIDE) & (seen > GONE)
    # where two discs meet nobody asks whose cell it is
    shared = inside.sum(2, keepdim=True) > 1
    outside = (seen == 0) | ((away > OUTSIDE) & (seen >= 0))
    values = F.binary_cross_entropy_with_logits(logits_BTKHW.float(), inside.float(), reduction="none")
    return 0.5 * _mean(values, inside & ~shared) + 3 * _mean(values, outside)


def _middles(logits_BTKHW: Tensor, things_BTO4: Tensor, colours_BO: Tensor) -> Tensor:
    """Which cells are the middle of an object of each colour: the mean over middles, over cells around them, and over
    all others."""
    away, seen = _away(logits_BTKHW, things_BTO4), things_BTO4[..., None, None, 3]
    H = logits_BTKHW.shape[-2]
    cell = 0.75 * (2 / H) / things_BTO4[..., 2, None, None].clamp_min(1e-3)  # of a radius
    own = F.one_hot(colours_BO.clamp_min(0), logits_BTKHW.shape[2]).bool() & (colours_BO >= 0)[..., None]

    def of_colour(cells_BTOHW: Tensor) -> Tensor:
        return torch.einsum("btohw,bok->btkhw", cells_BTOHW.float(), own.float()) > 0

    inside = of_colour((away < torch.maximum(cell, cell.new_tensor(CENTRAL))) & (seen > HERE))
    unclear = of_colour((away < torch.maximum(2 * cell, cell.new_tensor(APART))) & (seen > 0)) & ~inside
    around = of_colour((away < AROUND) & (seen > GONE)) & ~inside & ~unclear
    values = F.binary_cross_entropy_with_logits(logits_BTKHW.float(), inside.float(), reduction="none")
    return _mean(values, inside) + _mean(values, around) + _mean(values, ~(inside | unclear | around))


def _away(like_BTKHW: Tensor, places_BTN4: Tensor) -> Tensor:
    """(B, T, N, H, W): how far each cell is from the middle of each disc, in its radii."""
    H, W = like_BTKHW.shape[-2:]
    y = (torch.arange(H, device=like_BTKHW.device) * 2 + 1 - H) / H
    x = (torch.arange(W, device=like_BTKHW.device) * 2 + 1 - W) / W
    place = places_BTN4[..., None, None]
    away = ((x - place[..., 0, :, :]) * W / H).square() + (y[:, None] - place[..., 1, :, :]).square()
    return away.sqrt() / place[..., 2, :, :].clamp_min(1e-3)


def _camera(estimate_BT5: Tensor, since_BT5: Tensor, asked_B: Tensor) -> Tensor:
    usual = since_BT5.new_tensor([TURN, TURN, WAY, WAY, WAY])
    change = since_BT5.diff(dim=1) / usual
    values = F.smooth_l1_loss(estimate_BT5[:, 1:].float(), change, reduction="none").mean(-1)
    return _mean(values, asked_B[:, None].expand_as(values))
