"""A clip, two or four times as wide and as high; or as many times as a network that somebody has."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vldm_cli.api import clip as clips
from vldm_cli.api.kept import Kept
from vldm_cli.api.lent import lend
from vldm_cli.api.packs import LoadedPack
from vldm_cli.api.upscaling import ByNetwork, ByPack, check
from vldm_cli.runs.events import ProgressEvent, reporter
from vldm_cli.runs.result import Video
from vldm_cli.stages.running import AS_USUAL, Running
from vldm_cli.video.encoders import X264

if TYPE_CHECKING:
    from vldm_cli.pipelines.clip.job import Job
    from vldm_cli.video.clip import Clip

CRF = 16


def upscale(
    clip: str | Path,
    out: str | Path | None = None,
    *,
    scale: int | None = None,
    pack: str | Path | LoadedPack | None = None,
    model: str | Path | None = None,
    steady: float | None = None,
    layers: str | Path | None = None,
    noise: float | None = None,
    space: str | None = None,
    tile: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    prompt: str = "",
    negative: str = "",
    guidance: float | None = None,
    device: str = "auto",
    gpus: int | str | None = None,
    workers: int | None = None,
    ray: str | None = None,
    dtype: str = "auto",
    running: Running = AS_USUAL,
    crf: int = CRF,
    encoder: str = X264,
    fps: Fraction | str | float | None = None,
    preview: str | Path | None = None,
    resume: bool = True,
    force: bool = False,
    on_progress: Callable[[ProgressEvent], object] | None = None,
) -> Video:
    """Upscales a clip; its times, sound, subtitles and tags are kept (METHOD.md §7).

    clip: a video, GIF, WebP, picture or folder of pictures; out: the file, by default one named after the clip in this
    folder. scale: 2 or 4 (None: 4). pack: None for toyland. noise: how much detail may be invented, 0 to below 1;
    space: "pixel", "latent" or "frame", where the model works; steps: of denoising; None for what the pack has. prompt,
    negative, guidance: what the clip shows, what it does not, and how closely to follow that, of an upscaler that reads
    text. tile: side of the tiles in pixels of the clip, smaller ones need less memory. seed: None for a drawn one.
    device and dtype: as in `load_pack`, where `pack` is not loaded. gpus, workers, ray: as in `generate`. crf: quality
    of the file, 0 (best) to 51; encoder: as in `generate`. fps: frames a second of a folder of pictures. preview: a
    .png, a contact sheet that is refreshed meanwhile. resume: go on with the same interrupted call. force: replace an
    existing file, and take HDR video as if it were not.

    model: in place of a pack a super-resolution network for pictures, a .safetensors or .pth that spandrel knows, or
    the name of one of Real-ESRGAN's, such as "realesrgan-x4plus" (needs `vldm[models]`). Then scale is 1 to the
    network's own (None: that), layers a file of temporal layers for it (None: those that come with vldm, if there are
    any for it), steady, 0 to 1, without such layers how much of the detail before is kept where frames agree (None:
    0.5; 0: the network alone, without layers too), and what is of packs is left out: pack, noise, space, steps, seed,
    prompt, negative, guidance, running.

    Raises RequestError, with nothing written, for what cannot be served, and RunError when it breaks: what is finished
    is kept and the same call goes on.
    """
    from vldm_cli.pipelines.clip.run import run

    lent = lend(gpus, workers, ray, device, dtype, running, "upscale")
    device, dtype = lent.here(pack, network=model is not None)
    with lent.pool() as pool:
        job = prepare(
            clip,
            out,
            scale=scale,
            pack=pack,
            model=model,
            steady=steady,
            layers=layers,
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
    encoder: str,
    fps: Fraction | str | float | None,
    preview: str | Path | None,
    resume: bool,
    force: bool,
    kept: Kept | None = None,
    **others: Any,
) -> Job:
    """The job of `upscale`, with everything checked and nothing written. kept: what other videos were made with;
    others: as `check` takes them. Raises RequestError."""
    asked = check(kept or Kept(), **others)
    preview = None if preview is None else Path(preview)
    # Last, because every frame of the clip is decoded once.
    opened, out = clips.prepare(clip, out, f"x{asked.scale}", encoder, fps, preview, force)
    job = _job(opened, out, asked, encoder=encoder, preview=preview, resume=resume, force=force)
    clips.check_place(job)
    return job


def jobs(
    pack: str | None, model: str | None, *, steady: float | None, tile: int | None, device: str, dtype: str
) -> Callable[[Path, Path], Job]:
    """jobs(clip, out): what `upscale` would do with nothing else given, models as they were the time before. Raises
    RequestError."""
    kept = Kept()
    asked: dict[str, Any] = {
        **dict.fromkeys(("scale", "layers", "noise", "space", "steps", "guidance")),
        "pack": pack,
        "model": model,
        "steady": steady,
        "tile": tile,
        "seed": 0 if model is None else None,
        "prompt": "",
        "negative": "",
        "device": device,
        "dtype": dtype,
        "running": AS_USUAL,
        "crf": CRF,
    }
    check(kept, **asked)  # before anything is made to be upscaled

    def make(clip: Path, out: Path) -> Job:
        return prepare(
            clip, out, encoder=X264, fps=None, preview=None, resume=False, force=True, kept=kept, **asked
        )

    return make


def _job(
    clip: Clip,
    out: Path,
    asked: ByPack | ByNetwork,
    *,
    encoder: str,
    preview: Path | None,
    resume: bool,
    force: bool,
) -> Job:
    if isinstance(asked, ByPack):
        from vldm_cli.pipelines.upscale.job import make_job

        return make_job(
            clip,
            asked.used.pack,
            out,
            asked.options,
            crf=asked.crf,
            encoder=encoder,
            preview=preview,
            resume=resume,
            force=force,
            models=asked.used.models,
        )

    from vldm_cli.pipelines.upscale.network_job import make_job as make_network_job

    return make_network_job(
        clip,
        asked.network,
        out,
        scale=asked.scale,
        steady=asked.steady,
        layers=asked.layers,
        tile=asked.tile,
        device=asked.device,
        dtype=asked.dtype,
        crf=asked.crf,
        encoder=encoder,
        preview=preview,
        resume=resume,
        force=force,
    )
