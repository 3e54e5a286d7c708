"""`interpolate` put together: a clip and options become a job for `clip_run`, by motion, or by a pack's diffusion."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.clip.job import Job
from vldm_cli.pipelines.interpolate.clip import AREA, HELD, REFINING, SPEED, STAGE, InterpolateClip
from vldm_cli.pipelines.interpolate.names import MOTION, REFINED
from vldm_cli.stages.costs import BASE, RATES
from vldm_cli.stages.running import AS_USUAL, Running
from vldm_cli.video.carry import packed
from vldm_cli.video.clip import Clip
from vldm_cli.video.encoders import X264
from vldm_cli.video.kinds import open_container
from vldm_cli.video.segments import stored_look

if TYPE_CHECKING:
    from vldm_cli.packs.refiner import OpenedRefiner
    from vldm_cli.stages.models import Models


def make_job(
    clip: Clip,
    out: Path,
    factor: int,
    slow: bool,
    device: str,
    *,
    crf: int,
    encoder: str = X264,
    pack: Pack | None = None,
    refiner: OpenedRefiner | None = None,
    seed: int | None = None,
    dtype: str = "float32",
    models: Models | None = None,
    running: Running = AS_USUAL,
    preview: Path | None = None,
    resume: bool = True,
    force: bool = False,
) -> Job:
    """`pack`: the one whose interpolation makes the frames between (see `engine.pack_for`), None: motion does, and
    `refiner` after it; `seed` None: the clip's own. Raises RequestError where there is nothing to make or the file
    cannot hold it."""
    if clip.frames < 2:
        raise RequestError(
            f"{clip.path} has one frame, so there is nothing between; give a clip of at least two"
        )
    kind = open_container(out)
    rgb = kind in ("gif", "webp", "png")
    network = None if refiner is None else refiner.network
    source = InterpolateClip(clip, factor, torch.device(device), rgb, network)
    engine = {"engine": MOTION if refiner is None else REFINED}
    if refiner is not None:
        engine |= {"refiner_sha256": refiner.sha256, **({"refiner": refiner.name} if refiner.given else {})}
    look, said = stored_look(clip.look, kind, clip.height, clip.width)
    baggage = packed(clip.report, kind, Fraction(factor if slow else 1))
    times = clip.times.split(factor, slow)
    if kind == "gif" and not slow and times.fps > 50:
        raise RequestError(
            f"a GIF shows at most 50 frames a second, not {float(times.fps):.3g}; use .mp4 or --slow"
        )

    area, made = clip.height * clip.width, (clip.frames - 1) * (factor - 1)
    device_type = source.device.type
    seconds = made * area / AREA / SPEED[device_type] * (REFINING if refiner else 1)
    seconds += len(times) * area / RATES[device_type]["write"] / 40_960
    job = Job(
        clip=clip,
        out=out,
        command="interpolate",
        settings={"factor": factor, "slow": slow, **engine},
        make=source.make,
        raw=source.raw,
        look=look,
        times=times,
        baggage=baggage,
        stages=(STAGE,),
        crf=crf,
        encoder=encoder,
        device=source.device,
        remedy="use --device cpu or a smaller clip",
        preview=preview,
        resume=resume,
        force=force,
        warnings=[*clip.warnings, *baggage.remarks, *said],
        plan={
            "engine": engine["engine"],
            "known": clip.frames,
            "made": made,
            "estimated_total_seconds": round(seconds, 3),
            "estimated_peak_bytes": BASE[device_type] // 3 + HELD * area * source.workers,
        },
    )
    if pack is None:
        return job
    # diffusers takes five seconds to import on slow cores, and motion needs none of it
    from vldm_cli.pipelines.interpolate.diffusion import by_diffusion
    from vldm_cli.stages.models import Models

    return by_diffusion(job, models or Models(pack, device, dtype, running), seed, factor)
