"""What stands where vldm writes what made a file: its own words, or anybody's, of any shape."""

import json
import re
from fractions import Fraction
from pathlib import Path

from vldm_cli.video.numbers import rate_of, whole_of

# How folders begin in which something is tried out, in the folder of a run.
TRIAL = "trial-"
SETTINGS = "settings.json"  # beside the frames of a PNG folder
_ON_CLIPS = ("extend", "interpolate", "upscale")


def parsed(text: str | None) -> dict | None:
    """The table in a comment that calls itself vldm's; None for anybody else's. What is in it may be anything."""
    return own(_table(text))


def own(table: dict | None) -> dict | None:
    """The table if it calls itself vldm's."""
    return table if table is not None and "vldm" in table else None


def beside_frames(folder: Path) -> dict | None:
    """The table beside the frames of a folder, whoever has written it; None where there is none."""
    path = folder / SETTINGS
    try:  # what is no file could be waited for
        return _table(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError):
        return None


def _table(text: str | None) -> dict | None:
    try:
        table = json.loads(text or "")
    except (ValueError, RecursionError):  # a thousand brackets are no words of ours either
        return None
    return table if isinstance(table, dict) else None


def whole(table: dict | None) -> dict | None:
    """The table if it has all that vldm writes, each entry as it writes it; None where it is another's or damaged."""
    if table is None or not {"vldm", "pack", "seed", "settings"} <= table.keys():
        return None
    if not _text(table["vldm"]) or not _is_pack(table["pack"]):
        return None
    seed, settings = table.get("seed"), table.get("settings")
    if not isinstance(settings, dict) or not all(_is_plain(value) for value in settings.values()):
        return None
    if any(name in settings and rate_in(table, name) is None for name in ("fps", "pictures_fps")):
        return None
    if not all(fits(settings[name]) for name, fits in _BY_CHOICE.items() if name in settings):
        return None
    if not (seed is None or _number(seed)) or not isinstance(table.get("prompt", ""), str):
        return None
    sound = _of_a_clip(table, settings) if "clip" in table else _generated(table, settings)
    return table if sound else None


def rate_in(table: object, name: str = "fps") -> Fraction | None:
    """The frame rate of that name among the settings of such a table; None where there is none that can be one."""
    settings = table.get("settings") if isinstance(table, dict) else None
    try:
        return rate_of(settings.get(name)) if isinstance(settings, dict) else None
    except ValueError:
        return None


def _of_a_clip(table: dict, settings: dict) -> bool:
    if not _text(table["clip"]) or table.get("command") not in _ON_CLIPS:
        return False
    if table["command"] != "extend":
        return True
    weights = all(_real(settings.get(key)) for key in ("guidance", "context_guidance"))
    words = all(isinstance(settings.get(key), str) for key in ("prompt", "negative"))
    return weights and words and _number(settings.get("frames")) and _flag(settings.get("only_new"))


def _generated(table: dict, settings: dict) -> bool:
    numbers = ("frames", "width", "height", "interpolation", "crf", "keyframe_steps")
    return (
        _number(table.get("seed"))
        and table.get("pack") is not None
        and all(isinstance(settings.get(key), str) for key in ("prompt", "negative", "dtype"))
        and all(_number(settings.get(key)) for key in numbers)
        and all(_real(settings.get(key)) for key in ("guidance", "context_guidance"))
        and rate_in(table) is not None
        and _flag(settings.get("upscale"))
        and isinstance(settings.get("image_sha256", False), str | None)
        and _sketches(settings.get("sketches", []))
    )


def _sketches(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, str) and re.fullmatch("[0-9]{1,8}:[0-9a-f]{64}", one) for one in value
    )


def _is_pack(value: object) -> bool:
    return value is None or (
        isinstance(value, dict) and _text(value.get("name")) and _text(value.get("hash"))
    )


def _is_plain(value: object) -> bool:
    each = value if isinstance(value, list) else [value]
    return all(isinstance(one, str | bool | None) or _number(one) or _real(one) for one in each)


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _number(value: object) -> bool:
    return whole_of(value, 0, 2**63 - 1) is not None


def _real(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    )  # and so neither infinite nor NaN


# Settings that are told where they are not as usual, of whichever command.
_BY_CHOICE = {
    "fast": _texts,
    **dict.fromkeys(("memory", "encoder", "between", "read"), _text),
    **dict.fromkeys(("as_written", "replacement", "slow"), _flag),
}
