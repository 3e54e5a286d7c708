"""A clip goes on."""

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
from vldm_cli.api.packs import LoadedPack, check_moves, device_of
from vldm_cli.api.remarks import check_material
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.origins.licences import licence_remark
from vldm_cli.runs.events import ProgressEvent, reporter
from vldm_cli.runs.result import Video
from vldm_cli.stages.running import AS_USUAL, Running
from vldm_cli.video.numbers import whole

if TYPE_CHECKING:
    from vldm_cli.pipelines.extend.job import ExtendJob


def extend(
    clip: str | Path,
    out: str | Path | None = None,
    *,
    frames: int = 96,
    prompt: str | None = None,
    negative: str | None = None,
    only_new: bool = False,
    pack: str | Path | LoadedPack | None = None,
    seed: int | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    context_guidance: float | None = None,
    replacement: bool = False,
    device: str = "auto",
    gpus: int | str | None = None,
    workers: int | None = None,
    ray: str | None = None,
    dtype: str = "auto",
    running: Running = AS_USUAL,
    crf: int | None = None,
    encoder: str | None = None,
    fps: Fraction | str | float | None = None,
    preview: str | Path | None = None,
    resume: bool = True,
    force: bool = False,
    on_progress: Callable[[ProgressEvent], object] | None = None,
) -> Video:
    """Continues a clip from its last frames, which stay as they are (METHOD.md §4).

    frames: how many to add, 1 to 10000. prompt, negative: what happens, and what the new frames do not show; only_new:
    leave the clip's own frames out. pack, seed, steps, crf, encoder and the guidance weights (of the text, and of the
    frames before): None for those that made the clip, if vldm did, or else the pack's defaults. The rest is as in
    `upscale`.

    Raises RequestError, with nothing written, for what cannot be served, and RunError when it breaks: what is finished
    is kept and the same call goes on.
    """
    from vldm_cli.pipelines.extend.run import run

    lent = lend(gpus, workers, ray, device, dtype, running, "extend")
    device, dtype = lent.here(pack)
    with lent.pool() as pool:
        job = prepare(
            clip,
            out,
            frames=frames,
            prompt=prompt,
            negative=negative,
            only_new=only_new,
            pack=pack,
            seed=seed,
            steps=steps,
            guidance=guidance,
            context_guidance=context_guidance,
            replacement=replacement,
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
    frames: int,
    prompt: str | None,
    negative: str | None,
    only_new: bool,
    pack: str | Path | Choice | LoadedPack | None,
    seed: int | None,
    steps: int | None,
    guidance: float | None,
    context_guidance: float | None,
    replacement: bool,
    device: str,
    dtype: str,
    running: Running,
    crf: int | None,
    encoder: str | None,
    fps: Fraction | str | float | None,
    preview: str | Path | None,
    resume: bool,
    force: bool,
    kept: Kept | None = None,
) -> ExtendJob:
    """The job of `extend`, with everything checked and nothing written. kept: what other videos were made with.
    Raises RequestError."""
    kept = kept or Kept()
    frames, seed, steps, crf, guidance, context_guidance = check(
        frames=frames,
        seed=seed,
        steps=steps,
        crf=crf,
        guidance=guidance,
        context_guidance=context_guidance,
    )
    model = None if pack is None else kept.pack(pack, device, dtype, running)
    preview = None if preview is None else Path(preview)
    opened, out = clips.prepare(clip, out, "extended", encoder, fps, preview, force)

    from vldm_cli.pipelines.extend.maker import maker
    from vldm_cli.pipelines.extend.settings import Memory, Options, heard_of

    memory = Memory.of(opened)
    model = model or kept.pack(maker(memory) or "toyland", device, dtype, running)
    check_moves(model.pack)
    asked = Options(frames, memory.prompt if prompt is None else prompt, negative, only_new, seed, steps)
    warning = check_material(
        model.pack,
        opened.path.name,
        memory.pack == model.name,
        heard_of(asked.prompt or "", memory, model.pack.manifest)[0] or asked.prompt or "",
        (memory.negative if negative is None else negative) or "",
    )
    chosen, number = device_of(model, device, dtype)

    from vldm_cli.pipelines.extend.job import make_job

    asked = replace(
        asked,
        guidance=guidance,
        context_guidance=context_guidance,
        replacement=replacement,
        crf=crf,
        encoder=encoder,
        device=chosen,
        dtype=number,
        running=model.running,
    )
    job = make_job(
        opened,
        model.pack,
        out,
        asked,
        memory=memory,
        preview=preview,
        resume=resume,
        force=force,
        models=model.models,
    )
    said = filter(None, (warning, licence_remark(model.pack)))
    job = replace(job, warnings=[*said, *job.warnings])
    clips.check_place(job)
    return job


def check_named(
    kept: Kept,
    *,
    pack: str | Path | Choice | LoadedPack | None,
    device: str,
    dtype: str,
    running: Running,
    **others: object,
) -> None:
    """That the pack can be opened and makes videos, where one is named. Raises RequestError."""
    if pack is not None:
        check_moves(kept.pack(pack, device, dtype, running).pack)


def check(
    *,
    frames: int,
    seed: int | None,
    steps: int | None,
    crf: int | None,
    guidance: float | None,
    context_guidance: float | None,
    **others: object,
) -> tuple[int, int | None, int | None, int | None, float | None, float | None]:
    """The same options, of those that hold for any clip. Raises RequestError."""
    from vldm_cli.pipelines.generate.request import MAX_FRAMES

    return (
        whole("--frames", frames, 1, MAX_FRAMES),
        checks.seed_of(seed),
        checks.steps_of(steps),
        None if crf is None else checks.crf_of(crf),
        checks.weight_of("--guidance", guidance),
        checks.weight_of("--context-guidance", context_guidance),
    )
