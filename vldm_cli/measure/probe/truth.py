"""What a rendered clip shows, as the probe is taught it: only what can be read off it.

A question that the clip does not answer has no right answer: attributes of an object that is hidden or out of the
frame, a motion or a camera in a clip too short to tell, a motion that is over before the clip begins. Such codes
are −1.
"""

import numpy as np
import torch
from torch import Tensor

from vldm_cli.measure.probe.attributes import (
    COLOUR_NAMES,
    OBJECT,
    SCENE,
    encode,
    encode_relations,
    mirror,
    mirror_relations,
)
from vldm_cli.toyland.batch import SceneBatch
from vldm_cli.toyland.scene import MAX_OBJECTS
from vldm_cli.toyland.sight import settled, sight

# A clip shorter than this (seconds) does not show which motion it is.
SHORT = 3.0
# An object is there to be read where so much of it is seen in some frame, and in the mean over the frames.
SEEN_ONCE, SEEN_MEAN = 0.5, 0.25
MOTION, CAMERA = 1 + list(OBJECT).index("motion"), list(SCENE).index("camera")
# Signs of the camera's turn to the right and upwards and its way right, up and forward in a mirrored clip.
MIRROR_CAMERA = (-1, 1, -1, 1, 1)


def truth(scenes: SceneBatch, times_BT: np.ndarray, aspect: float) -> dict[str, Tensor]:
    """What clips of B scenes at these times (seconds) show, in frames `aspect` times as wide as high.

    scene (B, 9), objects (B, 10, 5), relations (B, 10, 10): codes of `attributes`, int8, −1 where there is nothing to
    answer. places (B, T, 10, 4) float16: of the object of each colour x and y (the frame's edges at ±1), the radius of
    its disc in half heights, and the share of it that is seen, −1 where that is not asked for. things (B, T, 3, 4)
    float16: the same of each object, 0 seen where there is none; colours (B, 3) int8: its colour, −1 for none. camera
    (B, T, 5) float16: its turn to the right and upwards (radians), its way right, up and forward (world units) since
    the first frame.
    """
    times = np.asarray(times_BT, float)
    described = [scenes.describe(i) for i in range(len(scenes))]
    scene, objects = encode(described)
    relations = encode_relations(described)
    seen = sight(scenes, times, aspect)
    over, camera_over = settled(scenes, times[:, 0])
    short = times[:, -1] - times[:, 0] < SHORT
    scene[torch.as_tensor(short | camera_over), CAMERA] = -1
    share_BK = seen.visible_BTK.mean(1)
    hidden = (seen.visible_BTK.max(1) < SEEN_ONCE) | (share_BK < SEEN_MEAN)
    places = np.zeros((*times.shape, len(COLOUR_NAMES), 4))
    there = (np.arange(MAX_OBJECTS) < scenes.count_B[:, None]) & (scenes.family_B == 0)[:, None]
    same = (scenes.colour_BK[:, :, None] == scenes.colour_BK[:, None]) & there[:, None]
    for k in range(MAX_OBJECTS):
        several = same[:, k].sum(-1) > 1
        clip = np.flatnonzero(there[:, k])
        colour = scenes.colour_BK[clip, k]
        places[clip, :, colour, :2] = seen.place_BTK2[clip, :, k]
        places[clip, :, colour, 2] = seen.radius_BTK[clip, :, k]
        places[clip, :, colour, 3] = np.where(several[clip, None], -1, seen.visible_BTK[clip, :, k])
        clip = np.flatnonzero(there[:, k] & ~several & hidden[:, k])
        colour = scenes.colour_BK[clip, k]
        objects[clip, colour] = relations[clip, colour] = relations[clip, :, colour] = -1
        clip = np.flatnonzero(there[:, k] & (short | over[:, k]))
        objects[clip, scenes.colour_BK[clip, k], MOTION] = -1
    seen_BTK = seen.visible_BTK * there[:, None]
    things = np.concatenate([seen.place_BTK2, seen.radius_BTK[..., None], seen_BTK[..., None]], -1)
    return {
        "scene": scene,
        "objects": objects,
        "relations": relations,
        "places": torch.as_tensor(places).clamp(-8, 8).half(),
        "things": torch.as_tensor(things).clamp(-8, 8).half(),
        "colours": torch.as_tensor(np.where(there, scenes.colour_BK, -1)).to(torch.int8),
        "camera": torch.as_tensor(seen.camera_BT5).clamp(-60, 60).half(),
    }


def mirrored(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The truth of the mirrored clips."""
    scene, objects = mirror(batch["scene"], batch["objects"])
    flip = torch.ones_like(batch["places"][..., :1])
    signs, to_the_side = batch["camera"].new_tensor(MIRROR_CAMERA), torch.cat([-flip, flip, flip, flip], -1)
    return {
        "scene": scene,
        "objects": objects,
        "relations": mirror_relations(batch["relations"]),
        "places": batch["places"] * to_the_side,
        "things": batch["things"] * to_the_side[:, :, :1],
        "camera": batch["camera"] * signs,
    }
