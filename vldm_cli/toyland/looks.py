"""What an object scene looks like, as numbers per scene: colours, light, sky, and the waves and tiles of the ground."""

import numpy as np

from vldm_cli.toyland import layout as lay
from vldm_cli.toyland.world import (
    COLOURS,
    GROUND_LOOKS,
    GROUNDS,
    MATERIALS,
    MOTIONS,
    SECOND,
    SHAPES,
    SKIES,
    SKY_LOOKS,
)

FIRST_COLOURS = np.array(list(COLOURS.values()))
SECOND_COLOURS = np.array([SECOND[c] for c in COLOURS])
WAVE_SHARES = np.array([0.42, 0.30, 0.18, 0.10])


def _table(looks: dict, key: str, default=None) -> np.ndarray:
    return np.array([np.asarray(look.get(key, default), float) for look in looks.values()])


SKY_TABLE = {key: _table(SKY_LOOKS, key) for key in SKY_LOOKS["day"]}
GROUND_TABLE = {
    key: _table(GROUND_LOOKS, key, default)
    for key, default in dict(
        low=None, high=None, waves=None, tile=(4.0, 4.0), shift=0.0, tone=0.0, seam=0.0, check=0.0,
        other=(0, 0, 0), drift=0.0,
    ).items()
}  # fmt: skip
PLAIN = [MATERIALS.index(m) for m in ("matte", "shiny")]
ROUND = [SHAPES.index(s) for s in ("ball", "cylinder", "cone", "ring")]
# The share of plain round things that wear spots, by what they do.
SPOTTED = np.array(
    [{"spins": 1.0, "rolls": 1.0, "slides": 0.5, "stands": 0.3}.get(m.split()[0], 0.0) for m in MOTIONS]
)
assert tuple(SKY_LOOKS) == SKIES and tuple(GROUND_LOOKS) == GROUNDS and len(SHAPES) == 6


def looks(scenes) -> dict[str, np.ndarray]:
    """Arrays of B rows each: everything `cast.cast` needs beside the poses."""
    dice = scenes.dice_BD
    sky = {f"sky_{key}": values[scenes.sky_B] for key, values in SKY_TABLE.items()}
    ground = {f"ground_{key}": values[scenes.ground_B] for key, values in GROUND_TABLE.items()}
    side = np.where(dice[:, lay.SUN] < 0.5, -1.0, 1.0)
    spread = np.abs(dice[:, lay.SUN] - 0.5) * 2
    low = scenes.sky_B == SKIES.index("sunset")
    azimuth = side * np.deg2rad(np.where(low, 62, 28) + 25 * spread)
    height = np.deg2rad(np.where(low, 33, 47) + 8 * dice[:, lay.WAVES])
    light = np.stack(
        [np.sin(azimuth) * np.cos(height), -np.cos(azimuth) * np.cos(height), np.sin(height)], -1
    )
    # The visible sun or moon hangs over the horizon on the light's side.
    disc = np.deg2rad(5 + 17 * dice[:, lay.DISC]) * side
    disc_up = np.deg2rad(np.where(low, 4.0, 6.5))
    disc_at = np.stack([np.sin(disc) * np.cos(disc_up), np.cos(disc) * np.cos(disc_up), np.sin(disc_up)], -1)

    # Four wave trains whose directions fan out from a random one (water runs, the others lie still).
    j = np.arange(4)
    turn = 2 * np.pi * dice[:, lay.GROUND_TURN, None]
    heading = turn + j * np.array([2.4])
    k_BJ = 2 * np.pi / ground.pop("ground_waves")
    waves = np.stack([k_BJ * np.cos(heading), k_BJ * np.sin(heading)], -1)
    phase = 2 * np.pi * np.mod(dice[:, lay.WAVES, None] * (j + 1) * 7.3 + dice[:, lay.GROUND_X, None], 1.0)
    tile_turn = np.deg2rad(60) * (dice[:, lay.GROUND_TURN] - 0.5)
    offset = 6 * np.stack([dice[:, lay.GROUND_X], dice[:, lay.GROUND_Y]], -1)
    return {
        **sky,
        **ground,
        "light": light,
        "disc_at": disc_at,
        "waves": waves,
        "wave_phase": phase,
        "wave_speed": ground["ground_drift"][:, None] * (0.9 + 0.25 * j),
        "tile_turn": np.stack([np.cos(tile_turn), np.sin(tile_turn)], -1),
        "tile_offset": offset,
        "hill_phase": 2 * np.pi * np.mod(dice[:, lay.HILLS, None] * np.array([1.0, 5.7, 11.3]), 1.0),
        "cloud_phase": 2 * np.pi * np.mod(dice[:, lay.CLOUDS, None] * np.array([1.0, 3.7, 9.1]), 1.0),
        "colour": FIRST_COLOURS[scenes.colour_BK],
        "second": SECOND_COLOURS[scenes.colour_BK],
        "shape": scenes.shape_BK.astype(float),
        "material": scenes.material_BK.astype(float),
        "spotted": spotted(scenes).astype(float),
    }


def spotted(scenes) -> np.ndarray:
    """(B, K) bool: which objects wear two spots of their second colour. Plain round things that spin or roll all do,
    or nobody could see it; some of those that rest or slide do too, or spots alone would say what moves."""
    motion_BK, die_BK = scenes.motion_BK, scenes.dice_BD[:, lay.HEIGHT_0 : lay.HEIGHT_2 + 1]
    plain = np.isin(scenes.material_BK, PLAIN) & np.isin(scenes.shape_BK, ROUND)
    return plain & (die_BK < SPOTTED[motion_BK])
