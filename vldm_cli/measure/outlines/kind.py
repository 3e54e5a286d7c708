"""What an object may look like, whose outline is to be fitted: its shape, and what its motion may do to it."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from vldm_cli.measure.outlines.shapes import PITCH, ROLL, SIZE, SQUASH, TURN, X, Y

PARAMETERS = 7
# What the renderer can have.
PITCHES, SQUASHES, TURNS = (0.02, 0.65), (0.66, 1.02), (-0.8, 0.8)


@dataclass(frozen=True)
class Kind:
    """A shape and what may be done to it: of `turns` (the vertical axis) and `rolls` the starts, one where it cannot be
    seen; free: of the parameters of `shapes`."""

    shape: str
    tilted: bool
    free: tuple[int, ...]
    turns: tuple[float, ...]
    rolls: tuple[float, ...]

    @classmethod
    def of(cls, shape: str, motion: str) -> "Kind":
        """What the renderer does to a shape in this motion."""
        rolls = motion.startswith("rolls")
        free = [X, Y, SIZE]
        turns: tuple[float, ...] = (0.0,)
        turned: tuple[float, ...] = (0.0,)
        tilted = shape == "ring" or (shape == "cylinder" and rolls)
        if shape != "ball":
            free.append(PITCH)
        if rolls and shape in ("cube", "pyramid", "cone"):
            free += [TURN, ROLL]
            turns = (-0.25, 0.25)
            turned = _around(4, np.pi / 2) if shape == "cube" else _around(8, 2 * np.pi)
        elif shape in ("cube", "pyramid"):
            free.append(TURN)
            turns = _around(4, np.pi / 2)
        elif tilted:
            free.append(TURN)
            turns = (-0.25, 0.25) if rolls else _around(8, np.pi)
        if motion in ("bounces", "jumps"):
            free.append(SQUASH)
        return cls(shape, tilted, tuple(free), turns, turned)

    @property
    def bounds(self) -> tuple[list[float], list[float]]:
        """The least and the most of each parameter that the renderer can have."""
        limits = {PITCH: PITCHES, SQUASH: SQUASHES}
        if ROLL in self.free or (self.tilted and self.shape == "cylinder"):
            limits[TURN] = TURNS
        low, high = zip(*(limits.get(j, (-np.inf, np.inf)) for j in range(PARAMETERS)), strict=True)
        return list(low), list(high)

    @property
    def starts(self) -> list[tuple[float, float, float]]:
        """(pitch, turn, roll) of each start."""
        pitches = (0.14,) if self.shape == "ball" else (0.12, 0.3)
        return list(product(pitches, self.turns, self.rolls))


def _around(n: int, period: float) -> tuple[float, ...]:
    return tuple(float(period * k / n) for k in range(n))
