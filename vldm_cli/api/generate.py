"""Text, or text and a first frame, to a video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vldm_cli.api import checks
from vldm_cli.api.lent import lend
from vldm_cli.api.packs import LoadedPack, loaded
from vldm_cli.api.preview import check_preview
from vldm_cli.api.request import asked, complete
from vldm_cli.api.sketches import with_frames
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.origins.licences import licence_remark
from vldm_cli.runs.events import ProgressEvent, reporter
from vldm_cli.runs.folder import DELIVERED, is_bare, run_folder
from vldm_cli.runs.naming import numbered
from vldm_cli.runs.progress import Progress
from vldm_cli.runs.result import Video
from vldm_cli.stages.running import AS_USUAL, Running
from vldm_cli.video.encoders import X264, check_encoder, try_encoder

if TYPE_CHECKING:
    import numpy as np

    from vldm_cli.api.sketches import Drawing
    from vldm_cli.pipelines.generate.request import GenerateRequest
    from vldm_cli.pipelines.generate.settings import Settings
    from vldm_cli.runs.pool.pool import Pool
    from vldm_cli.stages.plan import Plan


def generate(
    prompt: str,
    out: str | Path | None = None,
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
    """Makes a video from text, or from text and a first frame (METHOD.md §1 to §6).

    out: the file (.mp4, .mov, .mkv, .webm, .gif, .webp, or a name without suffix for a folder of PNGs), by default one
    named after the prompt in this folder. frames: 1 to 10000, by default 240 where the pack can. image: the first
    frame: a picture's file, or uint8 (H, W, 3) RGB of the size before or after upscaling. sketch: drawings that
    keyframes follow, of packs that can: files, "FILE@FRAME", or (file or picture of the size before upscaling, frame).
    negative: what the video does not show. as_written: the prompt to the letter, where the pack's reader would say it
    in the words that its model knows best. upscale: four times the width and height at the end. interpolation: 1, 4 or
    16 frames from one keyframe to the next, any number up to 64 where motion fills them in. between: what does, the
    pack's "model" or "motion"; None for what the pack has. size: before upscaling, (height, width) or "WIDTHxHEIGHT".
    seed: the same one gives the same video; None for a drawn one. steps: of denoising; guidance, context_guidance:
    weights of the text and of the frames before; fps: frames a second, exactly if given as a Fraction or as
    "24000/1001"; None for what the pack has. device, dtype and running: as in `load_pack`, where `pack` is not loaded.
    gpus ("all" or so many), workers (processes on the CPU) and ray ("auto", "local" or "HOST:PORT"): who makes it,
    where it is not this process alone; the bytes are the same. crf: quality of the file, 0 (best) to 51. encoder: what
    encodes H.264, "x264", or "nvenc" for an NVIDIA GPU's, whose bytes are its own. preview: a .png, a contact sheet
    that is refreshed meanwhile. resume: go on with the same interrupted call. force: replace an existing file.

    Raises RequestError, with nothing written, for what cannot be served, and RunError when it breaks: what is finished
    is kept and the same call goes on.
    """
    lent = lend(gpus, workers, ray, device, dtype, running, "generate")
    device, dtype = lent.here(pack)
    with lent.pool() as pool:
        job = prepare(
            prompt,
            out,
            frames=frames,
            pack=pack,
            image=image,
            sketch=sketch,
            negative=negative,
            as_written=as_written,
            variations=1,
            upscale=upscale,
            interpolation=interpolation,
            between=between,
            replacement=replacement,
            size=size,
            seed=seed,
            steps=steps,
            guidance=guidance,
            context_guidance=context_guidance,
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
        if pool is not None:
            pool.expect(job.pack.coming(job.plan))
        return job.make(job.request, reporter(on_progress), pool)


@dataclass(frozen=True)
class GenerateJob:
    """A request that can be served, of one video or of several variations. `request` is complete but for the seeds;
    `outs` are the variations' files; `warnings` are about the prompt, the size and the rate, and the pack's licence."""

    request: GenerateRequest
    pack: LoadedPack
    outs: list[Path]
    warnings: list[str]

    @property
    def settings(self) -> Settings:
        """All that decides the frames, but the seed."""
        from vldm_cli.pipelines.generate.settings import resolve

        return resolve(self.request, self.pack.pack.manifest)

    @property
    def plan(self) -> Plan:
        """What is computed for one video."""
        from vldm_cli.pipelines.generate.settings import plan_of

        return plan_of(self.settings, self.pack.pack.manifest, self.request.device)

    @property
    def sketched(self) -> list[int]:
        """The numbers of the keyframes that follow a sketch."""
        from vldm_cli.pipelines.generate.sketches import nearest

        step, frames = self.plan.keyframe_step, self.plan.frames
        return sorted(nearest(sketch.frame, step, frames) for sketch in self.request.sketches)

    def variations(self) -> list[tuple[GenerateRequest, bool]]:
        """Each video's request, and whether it is made already: of neighbouring seeds where there are several.

        Raises RequestError where a name is taken: all of them are looked at before the first video is made."""
        from vldm_cli.api.variations import first_seed, is_made

        request, pack, many = self.request, self.pack.pack, len(self.outs) > 1
        seed = first_seed(request, pack, self.outs[0]) if many else request.seed
        sheets = _sheets(request.preview, len(self.outs))
        requests = [
            replace(request, out=out, preview=sheet, seed=None if seed is None else seed + number)
            for number, (out, sheet) in enumerate(zip(self.outs, sheets, strict=True))
        ]
        return [(one, many and is_made(one, pack)) for one in requests]

    def check_places(self) -> None:
        """That videos can be made where they are to lie. Raises RequestError for what a run would refuse there; a dry
        run asks, for a run does so itself."""
        from vldm_cli.pipelines.generate.settings import identity
        from vldm_cli.runs.attempt import check_out
        from vldm_cli.runs.folder import stored_plan
        from vldm_cli.runs.journal import check_kept

        settings, plan, manifest = self.settings, self.plan, self.pack.pack.manifest
        for one, made_before in self.variations():
            if made_before:
                continue
            folder = run_folder(one.out)
            check_out(one.out, one.resume, one.force)
            seed = (stored_plan(folder) or {}).get("seed", 0) if one.seed is None else one.seed
            check_kept(folder, identity(settings, plan, manifest, seed), one.resume)

    def make(
        self, request: GenerateRequest, progress: Progress | None = None, pool: Pool | None = None
    ) -> Video:
        """One of the videos, or the rest of it, by the workers of a pool if there is one. Raises RequestError and
        RunError."""
        from vldm_cli.pipelines.generate.run import generate

        return generate(request, self.pack.pack, progress, self.pack.models, pool)


def prepare(
    prompt: str,
    out: str | Path | None,
    *,
    pack: str | Path | Choice | LoadedPack,
    image: str | Path | np.ndarray | None,
    sketch: Sequence[Drawing],
    variations: int,
    seed: int | None,
    device: str,
    dtype: str,
    running: Running,
    resume: bool,
    force: bool,
    **others: Any,
) -> GenerateJob:
    """The job of `generate`: everything that can be refused is refused here, the light checks first, with nothing
    written. others: as `asked` takes them. Raises RequestError."""
    from vldm_cli.api.variations import are_ours
    from vldm_cli.pipelines.generate.settings import plan_of, resolve
    from vldm_cli.pipelines.generate.sketches import remarks

    checks.check_variations(variations, seed)
    opened = loaded(pack, device, dtype, running)
    name = Path("video.mp4" if out is None else out)
    request, warning = asked(prompt, name, opened, seed=seed, resume=resume, force=force, **others)
    if out is None:

        def ours(files: list[Path]) -> bool:
            # the number format and the first frame are among what makes a video what it is
            return are_ours(complete(request, opened, image, sketch), opened.pack, files)

        request = replace(request, out=checks.default_out(prompt, variations, ours))
    outs = numbered(request.out, variations)
    settings = resolve(request, opened.pack.manifest)
    for path in outs:
        checks.check_name(path, settings.fps)
        check_encoder(settings.encoder, path)
    done = {path for path in outs if resume and _delivered(path, variations > 1)}
    for path in outs:
        checks.check_out(path, force or path in done)
    for sheet in _sheets(request.preview, variations):
        check_preview(sheet, force, [image, *(named for named, _ in with_frames(sketch))])
    request = complete(request, opened, image, sketch)
    try_encoder(settings.encoder, *plan_of(settings, opened.pack.manifest).out_size)
    said = remarks(request.sketches, settings.interpolation, settings.frames)
    about = "; ".join([*filter(None, [warning]), *said])
    return GenerateJob(request, opened, outs, [*filter(None, [about, licence_remark(opened.pack)])])


def _sheets(preview: Path | None, variations: int) -> Sequence[Path | None]:
    """A contact sheet for each of the variations, named as they are."""
    return [None] * variations if preview is None else numbered(preview, variations)


def _delivered(out: Path, one_of_many: bool) -> bool:
    """Whether an existing file may be the work of this very command, which then has nothing to do for it: its run
    was interrupted while tidying up, or while making the variations after it. The run itself looks closer."""
    run = run_folder(out)
    return out.exists() and (one_of_many or (run / DELIVERED).exists() or is_bare(run))
