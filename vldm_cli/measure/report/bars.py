"""What Toyland's measurements are held to, each with what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vldm_cli.measure.probe.english import THREE
from vldm_cli.measure.probe.prompts import DRIVING, ONE, TWO

# Attribute → least share read as asked, for one object.
ONE_BARS = {
    **dict.fromkeys(("colour", "ground", "sky"), 0.97),
    **dict.fromkeys(("shape", "motion", "size"), 0.92),
    "camera": 0.97,
    "material": 0.88,
}
TWO_BAR, TWO_MOTION, DRIVING_BAR, WITHHELD_GAP = 0.80, 0.92, 0.90, 0.05
SPINS_BAR, FLICKER_BAR = 0.90, 10.0
PROBE_BARS = {ONE: 0.97, TWO: 0.92}
ENGLISH_BARS = {ONE: 0.95, TWO: 0.90, THREE: 0.80}
FRECHET_BAR, FRECHET_OR_ABLATIONS = 2.0, 3.0
WEIGHTS_MIB = 64.0
PATTERN_BAR = 2.0
# Pixels at 256×160.
OUTLINE_BARS, BALLS_BAR, CLOSE_BAR = {"keyframes": 0.33, "videos": 0.40}, 0.35, 0.90
ROAD = ("time", "traffic", "roadside", "course")


@dataclass(frozen=True)
class Bar:
    """One measure and its bar; `most`: the bar is a highest value and not a lowest one. value None: not measured."""

    name: str
    value: float | None
    bar: float
    most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it holds; None where nothing was measured."""
        if self.value is None:
            return None
        return self.value <= self.bar if self.most else self.value >= self.bar

    @property
    def margin(self) -> float | None:
        """By how much it is better than the bar; below 0: by how much it misses it."""
        if self.value is None:
            return None
        return round(self.bar - self.value if self.most else self.value - self.bar, 4)

    def as_dict(self) -> dict:
        return {
            "name": self.name,
            "value": self.value,
            "bar": self.bar,
            "most": self.most,
            "margin": self.margin,
            "met": self.met,
        }


def bars(table: dict) -> list[Bar]:
    """All bars, from the table of `quality.measure_quality`; of sections that were not measured, without a value."""
    asked = table.get("faithfulness", {})
    made, shares = asked.get("made", {}), asked.get("of what the probe reads", {})
    out = [
        Bar(f"probe, {group}: {name}", entry["share"], PROBE_BARS[group])
        for group, entries in table.get("probe", {}).items()
        if group in PROBE_BARS
        for name, entry in entries.items()
    ]
    out += [Bar(f"one object: {name}", _share(made, ONE, name), bar) for name, bar in ONE_BARS.items()]
    out += [
        Bar(
            f"two objects: {name}, of what the probe reads",
            value,
            TWO_MOTION if name == "motion" else TWO_BAR,
        )
        for name, value in shares.get(TWO, {}).items()
    ]
    out.append(Bar("fixed prompts: what spins is read so", _at(asked, "spins", "made"), SPINS_BAR))
    out.append(Bar("withheld triples: points below seen ones", _gap(table), WITHHELD_GAP, most=True))
    out += [Bar(f"driving: {name}", _share(made, DRIVING, name), DRIVING_BAR) for name in ROAD]
    read = table.get("english", {}).get("of what the probe reads", {})
    out += [
        Bar(f"plain English, {group}: {name}, of what the probe reads", value, bar)
        for group, bar in ENGLISH_BARS.items()
        for name, value in read.get(group, {"all": None}).items()
    ]
    ratio, lowest = _at(table, "frechet", "video", "made / floor"), _lowest(table.get("ablations", ()))
    out.append(Bar("Fréchet video distance / its floor", ratio, FRECHET_BAR, most=True))
    if lowest is not None:
        out.append(
            Bar(
                "Fréchet video distance / its floor, or the ablations' lowest",
                ratio,
                max(FRECHET_OR_ABLATIONS, lowest),
                most=True,
            )
        )
    still = _at(table, "clips", "background flicker", "made / rendered")
    out.append(
        Bar("videos: flicker of a background that rests, times the render's", still, FLICKER_BAR, most=True)
    )
    last = _at(table, "long", "made", "faithfulness", "last / first")
    out.append(Bar("long videos: faithfulness, last / first", last, 0.95))
    drift = _at(table, "long", "made", "colour drift")
    out.append(Bar("long videos: colour drift, of 255", drift, 2.0, most=True))
    # of interpolated latents, which is what it decodes: encoded ones have no flicker that it could take away
    out += _against_image(table.get("decoder"), "decoder", "flicker", ", interpolated")
    out.append(Bar("autoencoder: PSNR in dB", _at(table, "decoder", "image", "psnr"), 36.0))
    out += _against_image(table.get("upscaler"), "upscaler", "warping error")
    out += _outlines(table)
    out.append(Bar("the pack's files but the probe, MiB", table["pack"].get("mib"), WEIGHTS_MIB, most=True))
    return out


def _outlines(table: dict) -> list[Bar]:
    out = []
    for kind, bar in OUTLINE_BARS.items():
        distance = _at(table, "outlines", kind, "distance")
        out.append(
            Bar(f"outlines, {kind}: mean distance to the nearest render's, px", distance, bar, most=True)
        )
        close = _at(table, "outlines", kind, "close")
        out.append(Bar(f"outlines, {kind}: within .6 px of the nearest render's", close, CLOSE_BAR))
    balls = _at(table, "outlines", "keyframes", "balls")
    out.append(Bar("outlines, keyframes: roughness of balls, px", balls, BALLS_BAR, most=True))
    made, best = (_at(table, "outlines", kind, "pattern") for kind in ("keyframes", "autoencoder"))
    times = round(made / best, 3) if made is not None and best else None
    return [
        *out,
        Bar("patterns over the keyframes: change, times the autoencoder's", times, PATTERN_BAR, most=True),
    ]


def _at(table: dict, *keys: str) -> float | None:
    found: Any = table
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _lowest(ablations: Sequence[dict]) -> float | None:
    """The lowest Fréchet video distance of the ablations' temporal layers, in floors of their own."""
    ratios = [
        row["video distance"] / part["layers"]["floor"]["video distance"]
        for part in ablations
        if "layers" in part
        for row in part["layers"]["rows"].values()
    ]
    return round(min(ratios), 3) if ratios else None


def _share(groups: dict, group: str, name: str) -> float | None:
    entry = groups.get(group, {}).get(name)
    return entry["share"] if entry else None


def _against_image(table: dict | None, name: str, measure: str, kind: str = "") -> list[Bar]:
    times = gain = None
    if table is not None:
        image, temporal = table[f"image{kind}"], table[f"temporal{kind}"]
        if image[measure] is not None and temporal[measure]:
            times = round(image[measure] / temporal[measure], 3)
        gain = round(temporal["psnr"] - image["psnr"], 3)
    return [
        Bar(f"{name}: {measure}, times lower than frame by frame", times, 1.5),
        Bar(f"{name}: PSNR gained over frame by frame, dB", gain, 0.0),
    ]


def _gap(table: dict) -> float | None:
    """How much less is read as asked of withheld triples than of seen ones, over the attributes of the triple and the
    group of one object, where the first object is the whole of it."""
    seen, rare = (table.get(key, {}).get("made", {}) for key in ("faithfulness", "withheld"))
    pairs = [(_share(seen, ONE, name), _share(rare, ONE, name)) for name in ("colour", "shape", "motion")]
    gaps = [a - b for a, b in pairs if a is not None and b is not None]
    return round(sum(gaps) / len(pairs), 4) if len(gaps) == len(pairs) else None
