"""`generate` without a file: the same chain, its finished frames handed out as they come."""

from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import islice
from typing import cast

import numpy as np
import torch
from torch import Tensor

from vldm_cli.errors import RunError
from vldm_cli.pipelines.generate.compose import Stages, as_image
from vldm_cli.pipelines.generate.settings import Settings
from vldm_cli.pipelines.generate.sketches import Sketch
from vldm_cli.runs.memory import is_out_of_memory
from vldm_cli.runs.progress import Clock, Meter, NullProgress, Progress
from vldm_cli.runs.units import NoUnits
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import Plan

_OF_A_FILE = ("write", "join")


def stream(
    settings: Settings,
    plan: Plan,
    models: Models,
    seed: int,
    image: np.ndarray | None = None,
    progress: Progress | None = None,
    sketches: Sequence[Sketch] = (),
) -> Generator[np.ndarray, None, None]:
    """Batches of finished frames, uint8 (N, H, W, 3) RGB: the ones that `generate` encodes, in its segments (6 frames,
    then 24 each). A batch is made when it is asked for, so memory depends on the windows and not on the length.

    image, sketches: as in `GenerateRequest`. There is no journal: the stages are pulled once, from their
    beginning, and hold what they need. Closing the generator frees all but `models`. Raises RunError when memory runs
    out.
    """
    clock, progress = Clock(), progress or NullProgress()
    totals = {stage: total for stage, total in plan.totals.items() if stage not in _OF_A_FILE}
    meters = {stage: Meter(progress, stage, total) for stage, total in totals.items()}
    speed = float(models.pack.manifest.video.fps / settings.fps)
    stages = Stages(settings, plan, models, seed, clock, NoUnits(), meters, speed=speed, sketches=sketches)
    # the chain's last source is a generator: closing it closes all that it pulls
    with closing(cast(Generator[Tensor, None, None], stages.frames(image)(0))) as frames:
        for start, stop in plan.segments:
            try:
                # Not around the yield: whoever asks has gradients of their own.
                with torch.inference_mode():
                    batch = np.stack([as_image(x_CHW) for x_CHW in islice(frames, stop - start)])
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                stage = f"in the stage {clock.failed_in} " if clock.failed_in else ""
                raise RunError(
                    f"memory ran out {stage}on {models.device} (a smaller size or no upscaling needs less)"
                ) from error
            for stage, done in plan.progress(stop).items():
                if stage in meters:
                    meters[stage].upto(done)
            progress.finished(len(batch))
            yield batch
            del batch  # the next one is made without it
    for stage, total in totals.items():
        meters[stage].upto(total)
