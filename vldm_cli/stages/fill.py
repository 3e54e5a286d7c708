"""Frames between decoded keyframes, made of their pixels by the motion between them: for packs whose model knows no
frame rate but its own, or cannot be told frames to go towards."""

from collections.abc import Iterator

from torch import Tensor

from vldm_cli.motion.between import Pair
from vldm_cli.runs.progress import Meter
from vldm_cli.stages.source import Source


class Fill:
    """The source of frames (3, H, W) in [−1, 1] from the source of keyframes, which pass through exactly. step: frames
    from one keyframe to the next; frames: how many there are. At a cut the nearer keyframe stands still."""

    def __init__(self, keyframes: Source, step: int, frames: int, meter: Meter) -> None:
        self.keyframes, self.step, self.frames, self.meter = keyframes, step, frames, meter

    def __call__(self, start: int) -> Iterator[Tensor]:
        """Frames start, start + 1, …: the same ones wherever one starts."""
        first, skip = divmod(start, self.step)
        stream = self.keyframes(first)
        known_CHW = next(stream)
        for number in range(first * self.step, self.frames, self.step):
            last = number + self.step >= self.frames
            following_CHW = known_CHW if number + 1 == self.frames else next(stream)
            stop = min(self.step, self.frames - number)
            for frame, x_CHW in enumerate(_between(known_CHW, following_CHW, range(skip, stop), self.step)):
                yield x_CHW
                self.meter.upto(number + skip + frame + 1)
            if last:
                return
            known_CHW, skip = following_CHW, 0


def _between(known_CHW: Tensor, following_CHW: Tensor, numbers: range, step: int) -> Iterator[Tensor]:
    """Frames of these numbers from the known one on, itself number 0."""
    pair = None
    for k in numbers:
        if k == 0:
            yield known_CHW
            continue
        if pair is None:
            planes = [[((x + 1) / 2).clamp(0, 1)[None].float()] for x in (known_CHW, following_CHW)]
            pair = Pair(*planes)
            cut = pair.is_cut()
        if cut:
            yield known_CHW if 2 * k <= step else following_CHW
        else:
            yield pair.at(k / step)[0][0] * 2 - 1
