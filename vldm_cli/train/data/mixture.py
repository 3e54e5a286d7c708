"""Several sources of training data at once, each with its share of the examples."""

from pathlib import Path

import numpy as np

from vldm_cli.errors import RequestError
from vldm_cli.video.numbers import MOST_SHARE


def shares(data: str) -> dict[str, float]:
    """`--data` → name → share of the examples, adding up to 1.

    "toyland", one folder, or several such with commas between them, each with `=SHARE` or counting 1:
    `toyland=0.3,photos=0.5,clips=0.2`. Raises RequestError for a folder that is none, and for shares that are none.
    """
    if data == "toyland" or (data and Path(data).expanduser().is_dir()):
        return {data: 1.0}
    found: dict[str, float] = {}
    for word in data.split(","):
        name, equals, number = (x.strip() for x in word.rpartition("="))
        name, number = (name, number) if equals else (number, "1")
        if name in found:
            raise RequestError(f"--data names {name!s:.60} twice")
        if not name or (name != "toyland" and not Path(name).expanduser().is_dir()):
            raise RequestError(
                f"--data {name!s:.80} is neither toyland nor a folder; name a folder of clips or images"
            )
        try:
            found[name] = float(number)
        except ValueError:
            found[name] = 0.0
        if not 0 < found[name] <= MOST_SHARE:
            raise RequestError(
                f"--data {word.strip():.60}: a share is a number above 0, such as {name:.40}=0.3"
            )
    whole = sum(found.values())
    return {name: share / whole for name, share in found.items()}


class Mixture:
    """Sources with shares that add up to 1: every example comes from one of them, drawn by its share."""

    def __init__(self, sources: list[tuple]):
        self.sources = [source for source, _ in sources]
        self.shares = np.array([share for _, share in sources])

    def check(self, frames: int, frame_steps: dict[int, float]) -> None:
        """Raises RequestError if one of the sources has no clip that is long enough."""
        for source in self.sources:
            source.check(frames, frame_steps)

    def clips(self, seed: int, n: int, frames: int, frame_steps: dict[int, float]):
        """n clips in random order."""
        import torch

        from vldm_cli.train.data.batches import Clips

        parts, rng = [], np.random.default_rng(seed)
        for source, count in zip(self.sources, rng.multinomial(n, self.shares), strict=True):
            if count:
                parts.append(source.clips(_seed(rng), int(count), frames, frame_steps))
        order = rng.permutation(n)
        captions = [caption for part in parts for caption in part.captions]
        step_B, late_B = (torch.cat([getattr(p, name) for p in parts]) for name in ("frame_step_B", "late_B"))
        index = torch.from_numpy(order).to(step_B.device)
        video_BTCHW = torch.cat([part.video_BTCHW for part in parts])[index]
        return Clips(
            video_BTCHW, [captions[i] for i in order], step_B[index], late_B[index], _outlines(parts, index)
        )

    def patches(self, seed: int, n: int, frames: int, patch: int, scale: int) -> list:
        """n patches, source by source."""
        found, rng = [], np.random.default_rng(seed)
        for source, count in zip(self.sources, rng.multinomial(n, self.shares), strict=True):
            if count:
                found += source.patches(_seed(rng), int(count), frames, patch, scale)
        return found


def _outlines(parts: list, index):
    """Those of the sources that know theirs; elsewhere there are none."""
    import torch

    known = next((part.outlines_BTHW for part in parts if part.outlines_BTHW is not None), None)
    if known is None:
        return None
    found = [
        known.new_zeros(len(part.captions), *known.shape[1:])
        if part.outlines_BTHW is None
        else part.outlines_BTHW
        for part in parts
    ]
    return torch.cat(found)[index]


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**62))
