"""A video as it is made, frames in memory and no file."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vldm_cli.api.packs import LoadedPack, loaded
from vldm_cli.api.request import asked, complete
from vldm_cli.packs.origins.licences import licence_remark
from vldm_cli.runs.events import ProgressEvent, reporter
from vldm_cli.stages.running import AS_USUAL, Running
from vldm_cli.video.numbers import LAST_SEED, whole

if TYPE_CHECKING:
    import numpy as np

    from vldm_cli.api.sketches import Drawing


class Stream(Iterator["np.ndarray"]):
    """Batches of finished frames, uint8 (N, H, W, 3) RGB, each made when it is asked for.

    `frames` in all, `width`×`height` pixels, to be shown `fps` a second; `seed` gives them again; `warnings` are
    sentences. `close()`, leaving a `with` block or forgetting the stream frees all that it holds.
    """

    def __init__(
        self,
        batches: Generator[np.ndarray, None, None],
        frames: int | None,
        fps: Fraction,
        size: tuple[int, int],
        seed: int,
        warnings: list[str],
    ) -> None:
        self._batches = batches
        self.frames, self.fps, self.seed, self.warnings = frames, fps, seed, warnings
        self.height, self.width = size

    def __next__(self) -> np.ndarray:
        return next(self._batches)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the stream: no more batches come."""
        self._batches.close()


def stream(
    prompt: str,
    *,
    frames: int | None = None,
    pack: str | Path | LoadedPack = "toyland",
    image: str | Path | np.ndarray | None = None,
    sketch: Sequence[Drawing] = (),
    negative: str = "",
    as_written: bool = False,
    upscale: bool | None = None,
    interpolation: int | None = None,
    between: str | None = None,
    replacement: bool = False,
    size: tuple[int, int] | str | None = None,
    seed: int | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    context_guidance: float | None = None,
    device: str = "auto",
    dtype: str = "auto",
    running: Running = AS_USUAL,
    fps: Fraction | str | float | None = None,
    on_progress: Callable[[ProgressEvent], object] | None = None,
) -> Stream:
    """The frames that `generate` would encode, as they are finished: the same chain and options, and no file.

    An iterator of uint8 arrays (N, H, W, 3), RGB: 6 frames first, then 24 at a time. A batch is made when it is asked
    for, in memory that depends on the window and not on the length. Nothing is written and nothing can be resumed.

    Raises RequestError now for what cannot be served; iterating raises RunError when memory runs out.
    """
    from vldm_cli.pipelines.generate.settings import check_first_frame, plan_of, resolve

    opened = loaded(pack, device, dtype, running)
    opened.running.check(opened.device)
    drawn = secrets.randbelow(2**31) if seed is None else whole("--seed", seed, 0, LAST_SEED)
    request, warning = asked(
        prompt,
        Path(),  # there is none, and nothing here looks at it
        opened,
        frames=frames,
        negative=negative,
        as_written=as_written,
        seed=drawn,
        fps=fps,
        steps=steps,
        guidance=guidance,
        context_guidance=context_guidance,
        interpolation=interpolation,
        between=between,
        replacement=replacement,
        upscale=upscale,
        size=size,
    )
    request = complete(request, opened, image, sketch)

    from vldm_cli.pipelines.generate.making import REMEDY
    from vldm_cli.pipelines.generate.sketches import remarks
    from vldm_cli.pipelines.generate.stream import stream as batches
    from vldm_cli.runs.memory import check_fits

    settings = resolve(request, opened.pack.manifest)
    check_first_frame(settings, opened.pack.manifest)
    plan = plan_of(settings, opened.pack.manifest, request.device)
    # what cannot be served is refused now, not at the first frame
    check_fits(plan.estimated_peak_bytes, opened.models.device, REMEDY)
    opened.models.prepare_for(plan)
    drawings = request.sketches
    made = batches(settings, plan, opened.models, drawn, request.image, reporter(on_progress), drawings)
    said = [
        *filter(None, [warning, licence_remark(opened.pack)]),
        *opened.models.remarks,
        *remarks(drawings, settings.interpolation, settings.frames),
    ]
    return Stream(made, plan.frames, settings.fps, plan.out_size, drawn, said)
