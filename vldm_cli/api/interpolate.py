"""More frames between the frames of a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vldm_cli.api import checks
from vldm_cli.api import clip as clips
from vldm_cli.api.kept import Kept
from vldm_cli.api.lent import lend
from vldm_cli.api.packs import LoadedPack, device_of
from vldm_cli.errors import RequestError
from vldm_cli.pipelines.interpolate.names import AUTO, BY_MOTION, ENGINES, REFINED
from vldm_cli.runs.events import ProgressEvent, reporter
from vldm_cli.runs.result import Video
from vldm_cli.stages.running import AS_USUAL, Running
from vldm_cli.video.encoders import X264
from vldm_cli.video.numbers import choice

if TYPE_CHECKING:
    from vldm_cli.pipelines.clip.job import Job


def interpolate(
    clip: str | Path,
    out: str | Path | None = None,
    *,
    factor: int = 2,
    slow: bool = False,
    engine: str = "auto",
    refiner: str | Path | None = None,
    pack: str | Path | LoadedPack | None = None,
    seed: int | None = None,
    device: str = "auto",
    gpus: int | str | None = None,
    workers: int | None = None,
    ray: str | None = None,
    dtype: str = "auto",
    running: Running = AS_USUAL,
    crf: int = 16,
    encoder: str = X264,
    fps: Fraction | str | float | None = None,
    preview: str | Path | None = None,
    resume: bool = True,
    force: bool = False,
    on_progress: Callable[[ProgressEvent], object] | None = None,
) -> Video:
    """Makes frames between a clip's own, which stay as they are; it lasts as long as before (METHOD.md §5).

    factor: 2, 4, 8 or 16 frames for each one. slow: keep the frame rate, which makes slow motion. engine: "motion"
    followed through the pixels; "refined" by a small network after that; "diffusion" by the pack that made the clip, of
    frames 4 or 16 of its frame steps apart; "auto": what fits. refiner: a network of your own in place of vldm's
    (`vldm train refiner`). pack, seed: of diffusion, as dtype and running are; None for the clip's own. The rest is as
    in `upscale`.

    Raises RequestError, with nothing written, for what cannot be served, and RunError when it breaks: what is finished
    is kept and the same call goes on.
    """
    from vldm_cli.pipelines.clip.run import run

    lent = lend(gpus, workers, ray, device, dtype, running, "interpolate")
    device, number = lent.here(pack)
    dtype = dtype if engine in BY_MOTION else number  # motion has no use for one, and none is made up for it
    with lent.pool() as pool:
        job = prepare(
            clip,
            out,
            factor=factor,
            slow=slow,
            engine=engine,
            refiner=refiner,
            pack=pack,
            seed=seed,
            device=device,
            dtype=dtype,
            running=running,
            crf=crf,
            encoder=encoder,
            fps=fps,
            preview=preview,
            resume=resume,
            force=force,
        )
        return run(job, job.clip.fingerprint(), reporter(on_progress), pool)


def prepare(
    clip: str | Path,
    out: str | Path | None,
    *,
    factor: int,
    slow: bool,
    engine: str,
    refiner: str | Path | None,
    pack: str | Path | LoadedPack | None,
    seed: int | None,
    device: str,
    dtype: str,
    running: Running,
    crf: int,
    encoder: str,
    fps: Fraction | str | float | None,
    preview: str | Path | None,
    resume: bool,
    force: bool,
    kept: Kept | None = None,
) -> Job:
    """The job of `interpolate`, with everything checked and nothing written. kept: what other videos were made with.
    Raises RequestError."""
    asked = check(
        factor=factor,
        engine=engine,
        pack=pack,
        seed=seed,
        device=device,
        dtype=dtype,
        running=running,
        crf=crf,
        refiner=refiner,
    )
    factor, seed, crf, chosen, number = asked
    ending = f"slow{factor}" if slow else f"i{factor}"
    preview = None if preview is None else Path(preview)
    opened, out = clips.prepare(clip, out, ending, encoder, fps, preview, force)

    from vldm_cli.pipelines.interpolate.engine import pack_for, remark
    from vldm_cli.pipelines.interpolate.job import make_job

    kept = kept or Kept()
    used = None if pack is None else kept.pack(pack, chosen, number, running)
    named = None if used is None else used.pack
    model = pack_for(opened, engine, named, factor)
    unused = of_diffusion(pack, seed, running) if model is None else []
    network = None
    if engine == REFINED or (engine == AUTO and model is None):
        network = kept.refiner(None if refiner is None else Path(refiner))
    if model and not used:
        used = kept.of(model, chosen, number, running)
    job = make_job(
        opened,
        out,
        factor,
        slow,
        chosen,
        crf=crf,
        encoder=encoder,
        pack=model,
        refiner=network,
        seed=seed,
        dtype=number,
        running=used.running if used else running,
        models=used.models if used and model else None,
        preview=preview,
        resume=resume,
        force=force,
    )
    if unused:
        job = replace(job, warnings=[remark(opened, named, factor, unused), *job.warnings])
    clips.check_place(job)
    return job


def check(
    *,
    factor: int,
    engine: str,
    pack: str | Path | LoadedPack | None,
    seed: int | None,
    device: str,
    dtype: str,
    running: Running,
    crf: int,
    refiner: str | Path | None = None,
    **others: object,
) -> tuple[int, int | None, int, str, str]:
    """(factor, seed, crf, device, number format) of options that hold for any clip. Raises RequestError."""
    factor = choice("--factor", factor, (2, 4, 8, 16))
    if engine not in ENGINES:
        raise RequestError(f"--engine {engine:.40} is none of {', '.join(ENGINES)}")
    if refiner is not None and engine != REFINED:
        raise RequestError("--refiner is for --engine refined; name that too, or leave --refiner out")
    if engine in BY_MOTION:
        for option in of_diffusion(pack, seed, running, dtype):
            raise RequestError(f"{option} is for --engine diffusion, not for {engine}; leave it out")
    return factor, checks.seed_of(seed), checks.crf_of(crf), *device_of(pack, device, dtype, running)


def check_named(
    kept: Kept,
    *,
    engine: str,
    refiner: str | Path | None,
    pack: str | Path | LoadedPack | None,
    device: str,
    dtype: str,
    running: Running,
    **others: object,
) -> None:
    """That the pack and the network that make the frames can be opened, where it is known before a clip is which these
    are. Raises RequestError."""
    if pack is not None:
        kept.pack(pack, *device_of(pack, device, dtype, running), running)
    if engine == REFINED:
        kept.refiner(None if refiner is None else Path(refiner))


def of_diffusion(pack: object, seed: int | None, running: Running, dtype: str = "auto") -> list[str]:
    """Which options that diffusion alone has a use for were given."""
    given = {"--pack": pack, "--seed": seed, "--dtype": None if dtype == "auto" else dtype}
    return [*(option for option, value in given.items() if value is not None), *running.options]
