"""What Toyland's measurements are held to, each with what was measured."""

from dataclasses import dataclass

from vldm_cli.measure.prompts import DRIVING, ONE, TWO

# Attribute → least share read as asked, for one object.
ONE_BARS = {
    **dict.fromkeys(("colour", "ground", "sky"), 0.97),
    **dict.fromkeys(("shape", "motion", "size"), 0.92),
    **dict.fromkeys(("camera", "material"), 0.88),
}
TWO_BAR, DRIVING_BAR, WITHHELD_GAP = 0.80, 0.90, 0.05
PROBE_BARS = {ONE: 0.97, TWO: 0.92}
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

    def as_dict(self) -> dict:
        return {"name": self.name, "value": self.value, "bar": self.bar, "most": self.most, "met": self.met}


def bars(table: dict) -> list[Bar]:
    """All bars, from the table of `quality.measure_quality`."""
    made, shares = table["faithfulness"]["made"], table["faithfulness"]["of what the probe reads"]
    out = [
        Bar(f"probe, {group}: {name}", entry["share"], PROBE_BARS[group])
        for group, entries in table["probe"].items()
        if group in PROBE_BARS
        for name, entry in entries.items()
    ]
    out += [Bar(f"one object: {name}", _share(made, ONE, name), bar) for name, bar in ONE_BARS.items()]
    out += [
        Bar(f"two objects: {name}, of what the probe reads", value, TWO_BAR)
        for name, value in shares.get(TWO, {}).items()
    ]
    out.append(Bar("withheld triples: points below seen ones", _gap(table), WITHHELD_GAP, most=True))
    out += [Bar(f"driving: {name}", _share(made, DRIVING, name), DRIVING_BAR) for name in ROAD]
    out.append(
        Bar("Fréchet video distance / its floor", table["frechet"]["video"]["made / floor"], 3.0, most=True)
    )
    long = table["long"]["made"]
    out.append(Bar("long videos: faithfulness, last / first", long["faithfulness"]["last / first"], 0.95))
    out.append(Bar("long videos: mean colour drift, of 255", long["colour drift"], 2.0, most=True))
    out += _against_image(table["decoder"], "decoder", "flicker")
    out.append(Bar("autoencoder: PSNR in dB", table["decoder"]["image"]["psnr"], 36.0))
    if "upscaler" in table:
        out += _against_image(table["upscaler"], "upscaler", "warping error")
    return out


def _share(groups: dict, group: str, name: str) -> float | None:
    entry = groups.get(group, {}).get(name)
    return entry["share"] if entry else None


def _against_image(table: dict, name: str, measure: str) -> list[Bar]:
    image, temporal = table["image"], table["temporal"]
    times = round(image[measure] / temporal[measure], 3) if temporal[measure] else None
    gain = round(temporal["psnr"] - image["psnr"], 3)
    return [
        Bar(f"{name}: {measure}, times lower than frame by frame", times, 1.5),
        Bar(f"{name}: PSNR gained over frame by frame, dB", gain, 0.0),
    ]


def _gap(table: dict) -> float | None:
    """How much less is read as asked of withheld triples than of seen ones, over the attributes of the triple and the
    group of one object, where the first object is the whole of it."""
    seen, rare = table["faithfulness"]["made"], table["withheld"]["made"]
    pairs = [(_share(seen, ONE, name), _share(rare, ONE, name)) for name in ("colour", "shape", "motion")]
    if any(value is None for pair in pairs for value in pair):
        return None
    return round(sum(a - b for a, b in pairs) / len(pairs), 4)
