"""A clip, two or four times as wide and as high."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vldm_cli.api import checks
from vldm_cli.api import clip as clips
from vldm_cli.api.packs import LoadedPack, device_of, loaded
from vldm_cli.errors import RequestError
from vldm_cli.runs.events import ProgressEvent, reporter
from vldm_cli.runs.result import Video
from vldm_cli.video.numbers import choice, real

if TYPE_CHECKING:
    from vldm_cli.pipelines.clip.job import Job


def upscale(
    clip: str | Path,
    out: str | Path | None = None,
    *,
    scale: int = 4,
    pack: str | Path | LoadedPack = "toyland",
    noise: float | None = None,
    space: str | None = None,
    tile: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    prompt: str = "",
    negative: str = "",
    guidance: float | None = None,
    device: str = "auto",
    dtype: str = "auto",
    crf: int = 16,
    fps: Fraction | str | float | None = None,
    preview: str | Path | None = None,
    resume: bool = True,
    force: bool = False,
    on_progress: Callable[[ProgressEvent], object] | None = None,
) -> Video:
    """Upscales a clip; its times, sound, subtitles and tags are kept (METHOD.md §7).

    clip: a video, GIF, WebP, picture or folder of pictures; out: the file, by default one named after the clip in this
    folder. scale: 2 or 4. noise: how much detail may be invented, 0 to below 1; space: "pixel", "latent" or "frame",
    where the model works; steps: of denoising; None for what the pack has. prompt, negative, guidance: what the clip
    shows, what it does not, and how closely to follow that, of an upscaler that reads text. tile: side of the tiles in
    pixels of the clip, smaller ones need less memory. seed: None for a drawn one. device and dtype: as in `load_pack`,
    where `pack` is not loaded. crf: quality of the file, 0 (best) to 51. fps: frames a second of a folder of pictures.
    preview: a .png, a contact sheet that is refreshed meanwhile. resume: go on with the same interrupted call. force:
    replace an existing file, and take HDR video as if it were not.

    Raises RequestError, with nothing written, for what cannot be served, and RunError when it breaks: what is finished
    is kept and the same call goes on.
    """
    from vldm_cli.pipelines.clip.run import run

    job = prepare(
        clip,
        out,
        scale=scale,
        pack=pack,
        noise=noise,
        space=space,
        tile=tile,
        steps=steps,
        seed=seed,
        prompt=prompt,
        negative=negative,
        guidance=guidance,
        device=device,
        dtype=dtype,
        crf=crf,
        fps=fps,
        preview=preview,
        resume=resume,
        force=force,
    )
    return run(job, job.clip.fingerprint(), reporter(on_progress))


def prepare(
    clip: str | Path,
    out: str | Path | None,
    *,
    scale: int,
    pack: str | Path | LoadedPack,
    noise: float | None,
    space: str | None,
    tile: int | None,
    steps: int | None,
    seed: int | None,
    prompt: str,
    negative: str,
    guidance: float | None,
    device: str,
    dtype: str,
    crf: int,
    fps: Fraction | str | float | None,
    preview: str | Path | None,
    resume: bool,
    force: bool,
) -> Job:
    """The job of `upscale`, with everything checked and nothing written. Raises RequestError."""
    from vldm_cli.packs.manifest import SPACES

    scale = choice("--scale", scale, (2, 4))
    if space is not None and space not in SPACES:
        raise RequestError(f"--space {space:.40} is none of {', '.join(SPACES)}")
    noise = None if noise is None else real("--noise", noise, 0, 1, below=True)
    steps, seed, crf = checks.steps_of(steps), checks.seed_of(seed), checks.crf_of(crf)
    tile = checks.tile_of(tile)
    guidance = checks.weight_of("--guidance", guidance)
    chosen, number = device_of(pack, device, dtype)
    model = loaded(pack, chosen, number)
    if model.pack.upscaling is not model.pack:
        model = loaded(model.pack.upscaling.folder, chosen, number)
    preview = None if preview is None else Path(preview)
    # Last, because every frame of the clip is decoded once.
    opened, out = clips.prepare(clip, out, f"x{scale}", crf, fps, preview, force)

    from vldm_cli.pipelines.upscale.job import Options, make_job

    defaults = model.pack.manifest.defaults
    if (prompt or negative or guidance is not None) and (space or defaults.upscale_space) != "frame":
        raise RequestError(
            f"pack {model.name}'s upscaler reads no text; leave out --prompt, --negative and --guidance"
        )
    asked = Options(
        scale=scale,
        space=space or defaults.upscale_space,
        noise=defaults.upscale_noise if noise is None else noise,
        steps=steps or defaults.upscale_steps,
        tile=tile,
        seed=seed,
        prompt=prompt,
        negative=negative,
        guidance=defaults.upscale_guidance if guidance is None else guidance,
        device=chosen,
        dtype=number,
    )
    job = make_job(
        opened,
        model.pack,
        out,
        asked,
        crf=crf,
        preview=preview,
        resume=resume,
        force=force,
        models=model.models,
    )
    clips.check_place(job)
    return job
