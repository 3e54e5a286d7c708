"""Frames that go on from one that is given, a picture or a clip's last frame: it stays what it is, and the first made
ones get its colours."""

from collections.abc import Callable, Iterator
from itertools import chain

from torch import Tensor

from vldm_cli.pipelines.extend.match import Match, fading
from vldm_cli.runs.units import Units
from vldm_cli.stages.source import Source

UNIT = "join"


class Joined:
    """The source of frames (3, H, W) in [−1, 1] whose item 0 is `given` and whose others are those of `made`, which has
    made one in the place of item 0 too. `fade`: for how many frames the given one's colours fade out. They are found
    once and kept in the journal: on the first frame that is shown, or with `same` on the one of the same moment."""

    def __init__(
        self, made: Source, given: Callable[[], Tensor], journal: Units, fade: int, same: bool = False
    ) -> None:
        self.made, self.given, self.journal, self.fade = made, given, journal, max(2, fade)
        self.anchor = 0 if same else 1

    def __call__(self, start: int) -> Iterator[Tensor]:
        """Frames start, start + 1, …: the same ones wherever one starts."""
        if start == 0:
            yield self.given()
            start = 1
        unit = self.journal.load(UNIT, 0)
        if unit is None:
            stream = self.made(self.anchor)
            seen_CHW = next(stream, None)
            if seen_CHW is None:  # the given frame is all
                return
            match = Match.of(seen_CHW.float().cpu(), self.given())
            unit = {"gain": match.gain_C, "shift": match.shift_C}
            self.journal.save(UNIT, 0, unit)
            if start > 1:
                stream = self.made(start)
            elif self.anchor == 1:
                stream = chain([seen_CHW], stream)
        else:
            stream = self.made(start)
        match = Match(unit["gain"], unit["shift"])
        for frame, x_CHW in enumerate(stream, start - 1):
            yield match(x_CHW.float(), fading(frame, self.fade))
