"""What training looks at more than chance would have it: outlines, low noise, solids that roll or spin, plain
English.

Light: no torch."""

from dataclasses import dataclass, fields, replace

from vldm_cli.errors import RequestError
from vldm_cli.video.numbers import real

# Of the image LDM: how much more cells on outlines count, the share of examples at low noise, how many times as often
# solids roll; and of all parts that hear words, the share of captions in plain English.
OUTLINES, FINE, ROLLING, PLAIN = 3.0, 0.25, 2.5, 0.5
# The share of scenes of several objects in which these are alike, where captions are plain, for only those can count
# them, and for the probe, which is to tell.
REPEATED = 0.2
# How many times as often solids spin: that is rare beside resting, most of all among second objects.
SPINNING = {"probe": 3.0, "image": 1.0, "keyframes": 1.0}
READERS = ("image", "keyframes", "interpolation")


@dataclass(frozen=True)
class Emphasis:
    """See `emphasis`; as nothing at all by default."""

    outlines: float = 0.0
    fine: float = 0.0
    rolling: float = 1.0
    spinning: float = 1.0
    plain: float = 0.0
    repeated: float = 0.0

    @property
    def identity(self) -> dict[str, float]:
        """What must be the same when the run goes on; nothing where nothing is emphasised."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}


def emphasis(
    part: str,
    outlines: float | None = None,
    fine: float | None = None,
    rolling: float | None = None,
    plain: float | None = None,
    spinning: float | None = None,
) -> Emphasis:
    """The options of `vldm train` with the part's defaults. Raises RequestError for one that the part has no use for,
    and for numbers that make no sense."""
    given = {"--outlines": outlines, "--fine": fine, "--rolling": rolling}
    for name, number in given.items():
        if number is not None and part != "image":
            raise RequestError(f"{name} is for image, not for {part}; leave it out")
    if plain is not None and part not in READERS:
        raise RequestError(f"--plain is for {', '.join(READERS)}, not for {part}; leave it out")
    if spinning is not None and part not in SPINNING:
        raise RequestError(f"--spinning is for {', '.join(SPINNING)}, not for {part}; leave it out")
    for name, number, most in (("--fine", fine, 1), ("--plain", plain, 1), ("--outlines", outlines, 1000)):
        if number is not None:
            real(name, number, 0, most)
    for name, number in (("--rolling", rolling), ("--spinning", spinning)):
        if number is not None:
            real(name, number, 0, 1000, above=True)
    plainly = 0.0 if part not in READERS else PLAIN if plain is None else plain
    found = Emphasis(
        spinning=SPINNING.get(part, 1.0) if spinning is None else spinning,
        plain=plainly,
        repeated=REPEATED if plainly or part == "probe" else 0.0,
    )
    if part != "image":
        return found
    return replace(
        found,
        outlines=OUTLINES if outlines is None else outlines,
        fine=FINE if fine is None else fine,
        rolling=ROLLING if rolling is None else rolling,
    )
