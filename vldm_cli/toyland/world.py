"""The names and palettes of Toyland: every attribute a scene can have, and what it looks like.

The order of each tuple is the integer code used in `SceneBatch`; never reorder one, only append.
Colours are display RGB in [0, 1].
"""

import hashlib
from functools import cache

COLOURS = {
    "red": (0.86, 0.09, 0.12),
    "orange": (1.00, 0.50, 0.04),
    "yellow": (0.98, 0.86, 0.12),
    "green": (0.06, 0.56, 0.22),
    "blue": (0.10, 0.30, 0.90),
    "purple": (0.47, 0.14, 0.72),
    "pink": (1.00, 0.52, 0.74),
    "white": (0.96, 0.96, 0.96),
    "black": (0.09, 0.09, 0.11),
    "brown": (0.43, 0.24, 0.11),
}
# The second colour of stripes, checks and spots: white on dark colours, a deep shade on light ones.
SECOND = {
    "red": (0.98, 0.94, 0.90),
    "orange": (0.42, 0.17, 0.02),
    "yellow": (0.40, 0.30, 0.02),
    "green": (0.94, 0.97, 0.90),
    "blue": (0.93, 0.95, 1.00),
    "purple": (0.95, 0.90, 1.00),
    "pink": (1.00, 0.97, 0.98),
    "white": (0.25, 0.27, 0.32),
    "black": (0.78, 0.78, 0.80),
    "brown": (0.95, 0.87, 0.74),
}
SHAPES = ("ball", "cube", "cylinder", "cone", "pyramid", "ring")
MATERIALS = ("matte", "shiny", "striped", "checkered")
SIZES = ("small", "large")
RELATIONS = ("left of", "right of", "behind", "in front of")
# What the second object is to the first one, where the first is that to the second.
INVERSE = {"left of": "right of", "right of": "left of", "behind": "in front of", "in front of": "behind"}
GROUNDS = ("grass", "sand", "snow", "water", "stone", "wooden floor", "checkered floor")
SKIES = ("day", "sunset", "night", "overcast")
MOTIONS = (
    "stands still",
    "bounces",
    "rolls left",
    "rolls right",
    "slides left",
    "slides right",
    "spins",
    "falls",
    "rises",
    "jumps",
    "orbits",
    "grows",
    "shrinks",
)
CAMERAS = ("still", "orbiting", "zooming in", "zooming out", "panning left", "panning right", "rising")
FAMILIES = ("objects", "driving")
TIMES = ("day", "sunset", "night")
TRAFFIC = ("empty", "light", "heavy")
ROADSIDES = ("trees", "houses", "cacti")
WEATHERS = ("clear", "foggy")
COURSES = ("straight", "bending left", "bending right", "overtaking")

# Sky palettes: zenith, horizon, far hills, sunlight, ambient light, how dark shadows are, cloud colour and amount.
SKY_LOOKS = {
    "day": dict(
        zenith=(0.25, 0.53, 0.90),
        horizon=(0.80, 0.90, 0.98),
        hills=(0.52, 0.66, 0.74),
        sun=(0.62, 0.60, 0.56),
        ambient=(0.46, 0.48, 0.52),
        shadow=0.85,
        cloud=(1.0, 1.0, 1.0),
        clouds=0.75,
        disc=(1.0, 0.98, 0.86),
        disc_size=0.0,
    ),
    "sunset": dict(
        zenith=(0.35, 0.27, 0.55),
        horizon=(1.00, 0.62, 0.32),
        hills=(0.45, 0.26, 0.42),
        sun=(0.68, 0.48, 0.32),
        ambient=(0.42, 0.36, 0.41),
        shadow=0.85,
        cloud=(0.98, 0.52, 0.48),
        clouds=0.6,
        disc=(1.0, 0.90, 0.55),
        disc_size=0.085,
    ),
    "night": dict(
        zenith=(0.025, 0.035, 0.13),
        horizon=(0.12, 0.16, 0.34),
        hills=(0.05, 0.07, 0.17),
        sun=(0.36, 0.39, 0.47),
        ambient=(0.29, 0.31, 0.40),
        shadow=0.8,
        cloud=(0.18, 0.21, 0.38),
        clouds=0.3,
        disc=(0.95, 0.95, 0.88),
        disc_size=0.06,
    ),
    "overcast": dict(
        zenith=(0.58, 0.61, 0.66),
        horizon=(0.80, 0.81, 0.83),
        hills=(0.58, 0.61, 0.65),
        sun=(0.26, 0.26, 0.26),
        ambient=(0.74, 0.75, 0.77),
        shadow=0.7,
        cloud=(0.70, 0.72, 0.76),
        clouds=0.9,
        disc=(1.0, 1.0, 1.0),
        disc_size=0.0,
    ),
}
# Ground looks. `low`, `high`: the two colours that soft waves of the `waves` lengths (world units) mix.
# Tiles: `tile` = (length along x, width along y), `shift` of each next row, `tone` by tile, `seam` darkness,
# `check`: share of the third colour on every other tile. `drift`: how fast the waves move (water).
GROUND_LOOKS = {
    "grass": dict(low=(0.30, 0.58, 0.20), high=(0.50, 0.75, 0.30), waves=(4.6, 3.1, 2.2, 1.5)),
    "sand": dict(low=(0.84, 0.70, 0.45), high=(0.97, 0.87, 0.65), waves=(5.5, 3.6, 1.5, 1.5)),
    "snow": dict(low=(0.80, 0.87, 0.95), high=(0.98, 0.99, 1.0), waves=(6.0, 4.2, 3.0, 2.4)),
    "water": dict(low=(0.05, 0.33, 0.62), high=(0.22, 0.62, 0.82), waves=(4.0, 2.7, 2.0, 1.6), drift=1.0),
    "stone": dict(
        low=(0.50, 0.51, 0.54),
        high=(0.64, 0.64, 0.66),
        waves=(5.0, 3.4, 2.4, 1.9),
        tile=(2.1, 1.5),
        shift=0.5,
        tone=0.10,
        seam=0.45,
    ),
    "wooden floor": dict(
        low=(0.62, 0.39, 0.20),
        high=(0.74, 0.50, 0.28),
        waves=(6.0, 4.0, 3.0, 2.0),
        tile=(5.2, 0.95),
        shift=0.37,
        tone=0.13,
        seam=0.50,
    ),
    "checkered floor": dict(
        low=(0.90, 0.88, 0.83),
        high=(0.94, 0.92, 0.88),
        waves=(6.0, 5.0, 4.0, 3.0),
        tile=(1.5, 1.5),
        check=1.0,
        other=(0.20, 0.23, 0.30),
    ),
}


@cache
def is_withheld(colour: str, shape: str, motion: str) -> bool:
    """Whether the (colour, shape, motion) triple is kept out of training: one in ten, by a stable hash."""
    digest = hashlib.sha256(f"{colour}|{shape}|{motion}".encode()).digest()
    return int.from_bytes(digest[:4], "little") % 10 == 0
