"""Drawings that frames of a video follow (SparseCtrl, Guo et al. 2023, arXiv:2311.16933, §3.2): which frame each is
for, light lines on dark as what reads them was trained. No torch."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vldm_cli.errors import RequestError, shown
from vldm_cli.packs.abilities import Abilities
from vldm_cli.packs.manifest import Manifest

MOST = 100


@dataclass(frozen=True)
class Sketch:
    """frame: its number in the video. picture: uint8 (H, W, 3) of the video's size before upscaling, light lines on
    dark. name: for sentences. turned: it was dark lines on light. Make one with `Sketch.of`."""

    frame: int
    picture: np.ndarray
    name: str
    turned: bool

    @classmethod
    def of(cls, frame: int, picture: np.ndarray, name: str) -> "Sketch":
        """Of a drawing of either kind: most of it is ground."""
        turned = bool(picture.mean() > 127.5)
        return cls(frame, 255 - picture if turned else picture, name, turned)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(np.ascontiguousarray(self.picture).data).hexdigest()


def nearest(frame: int, step: int, frames: int) -> int:
    """The number of the keyframe that a frame's sketch is for; there is one every `step` frames."""
    return min((frame + (step - 1) // 2) // step, (frames - 1) // step)


def check(
    sketches: Sequence[Sketch], manifest: Manifest, frames: int, step: int, size: tuple[int, int], image: bool
) -> None:
    """Raises RequestError for sketches that a video of so many frames and that (height, width) cannot follow. image:
    its first frame is given."""
    if not sketches:
        return
    check_follows(manifest)
    if len(sketches) > MOST:
        raise RequestError(f"--sketch was given {len(sketches)} times; {MOST} is the most")
    places: dict[int, Sketch] = {}
    for sketch in sketches:
        if sketch.frame >= frames:
            raise RequestError(
                f"--sketch {sketch.name}: the video has no frame {sketch.frame}; its last one is {frames - 1}"
            )
        if sketch.picture.shape != (*size, 3) or sketch.picture.dtype != np.uint8:
            raise RequestError(
                f"--sketch {sketch.name} must be an RGB picture of {size[1]}x{size[0]} pixels, not "
                f"{shown(sketch.picture.shape)}"
            )
        place = nearest(sketch.frame, step, frames)
        if place == 0 and image:
            raise RequestError(
                f"--sketch {sketch.name} is for frame 0, which --image gives; name another frame, as in FILE@{step}"
            )
        if place in places:
            other = places[place]
            raise RequestError(
                f"--sketch {other.name} and {sketch.name} are both for the keyframe {place * step}; there is one every "
                f"{step} frames, so give sketches further apart"
            )
        places[place] = sketch


def check_follows(manifest: Manifest) -> None:
    """Raises RequestError for a pack whose keyframes follow no sketches."""
    if not Abilities.of(manifest).sketches:
        raise RequestError(
            f"pack {manifest.name} follows no sketches; use --pack sd15-sketch, or --motion sd15-sketch with an image "
            "model of Stable Diffusion 1.5"
        )


def remarks(sketches: Sequence[Sketch], step: int, frames: int) -> list[str]:
    """What is to be told of them."""
    said = []
    for sketch in sketches:
        if sketch.turned:
            said.append(f"{sketch.name} is of dark lines on light; taken as light lines on dark")
        at = nearest(sketch.frame, step, frames) * step
        if at != sketch.frame:
            said.append(f"{sketch.name} is followed by frame {at}, the keyframe nearest to {sketch.frame}")
    return list(dict.fromkeys(said))
