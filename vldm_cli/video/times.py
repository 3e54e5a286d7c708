"""When each frame is shown: whole ticks of a clock, exactly as the file has them, never averaged."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

SLOWEST_CLOCK, FASTEST_CLOCK = 10_000, 480_000
_COMMON = [Fraction(n * 1000, d) for n in (24, 25, 30, 48, 50, 60, 120) for d in (1000, 1001)]


@dataclass(frozen=True)
class Times:
    """Frame i is shown from ticks[i] / clock seconds on; the last one until `end`. ticks[0] is 0; `start` is when
    that is, in seconds after the beginning of the file (sound may begin earlier)."""

    clock: int
    ticks: array
    end: int
    start: Fraction = Fraction(0)

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def seconds(self) -> Fraction:
        """From the first frame's beginning to the last one's end."""
        return Fraction(self.end, self.clock)

    @property
    def constant(self) -> bool:
        step = self.length(0)
        return all(self.length(i) == step for i in range(len(self)))

    @property
    def fps(self) -> Fraction:
        """The rate; the mean one where it varies."""
        return len(self) / self.seconds

    @property
    def shortest(self) -> Fraction:
        """Seconds for which the frame is shown that is shown least."""
        return Fraction(min(self.length(i) for i in range(len(self))), self.clock)

    def length(self, i: int) -> int:
        """Ticks for which frame i is shown."""
        return (self.ticks[i + 1] if i + 1 < len(self) else self.end) - self.ticks[i]

    def split(self, factor: int, slow: bool = False) -> "Times":
        """`factor` frames in each one's place; with `slow` each of them as long as the one was."""
        ticks = array("q")
        for i, tick in enumerate(self.ticks):
            length = self.length(i)
            ticks.extend(tick * factor + k * length for k in range(factor))
        if slow:
            return Times(self.clock, ticks, self.end * factor, self.start * factor)
        return _limited(Times(self.clock * factor, ticks, self.end * factor, self.start))


def exact(
    ticks: Iterable[int], last: int, base: Fraction, start: Fraction, rate: str | None, coarse: bool
) -> Times:
    """Times from a file's own ticks of `base` seconds. `rate` is what ffmpeg prints for the stream.

    With `coarse` (Matroska counts milliseconds) times that are those of an exact rate, rounded, become that rate.
    Frames at the same or an earlier time than the one before, as damaged files have, come one tick later.
    """
    ticks = array("q", ticks)
    for i in range(1, len(ticks)):
        ticks[i] = max(ticks[i], ticks[i - 1] + 1)
    first = ticks[0]
    ticks = array("q", (tick - first for tick in ticks))
    lengths = sorted(b - a for a, b in pairwise(ticks))
    last = (
        last
        if last > 0
        else (lengths[len(lengths) // 2] if lengths else max(1, round(Fraction(1, 25) / base)))
    )
    begins = max(Fraction(0), first * base - start)
    if coarse and base.denominator <= 1000:
        for fps in _rates(rate):
            step = 1 / (fps * base)
            if all(abs(tick - i * step) <= 1 for i, tick in enumerate(ticks)):
                return constant(len(ticks), fps, begins)
    times = Times(base.denominator, array("q", (t * base.numerator for t in ticks)), 0, begins)
    return _limited(Times(times.clock, times.ticks, (ticks[-1] + last) * base.numerator, begins))


def constant(count: int, fps: Fraction, start: Fraction = Fraction(0)) -> Times:
    """`count` frames at exactly `fps`."""
    step = fps.denominator
    return _limited(Times(fps.numerator, array("q", (i * step for i in range(count))), count * step, start))


def _rates(rate: str | None) -> list[Fraction]:
    """The exact rates that ffmpeg prints like that."""
    if rate is None or rate.endswith("k") or not float(rate):
        return []
    near = [fps for fps in _COMMON if abs(fps - Fraction(rate)) < Fraction(6, 1000)]
    return near or [Fraction(rate)]


def _limited(times: Times) -> Times:
    """The same on a clock that is fine enough for what is written beside it and coarse enough for microseconds."""
    clock = times.clock
    if clock > FASTEST_CLOCK:
        new = 240_000
        ticks = array("q", (round(Fraction(tick * new, clock)) for tick in times.ticks))
        return Times(new, ticks, round(Fraction(times.end * new, clock)), times.start)
    factor = -(-SLOWEST_CLOCK // clock)
    if factor == 1:
        return times
    return Times(
        clock * factor, array("q", (t * factor for t in times.ticks)), times.end * factor, times.start
    )
