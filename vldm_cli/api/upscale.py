"""A clip, two or four times as wide and as high; or as many times as a network that somebody has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vldm_cli.api import checks
from vldm_cli.api import clip as clips
from vldm_cli.api.device import choose_device, choose_dtype
from vldm_cli.api.packs import LoadedPack, device_of, loaded
from vldm_cli.errors import RequestError
from vldm_cli.runs.events import ProgressEvent, reporter
from vldm_cli.runs.result import Video
from vldm_cli.video.numbers import choice, real, whole

if TYPE_CHECKING:
    from vldm_cli.pipelines.clip.job import Job


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
    folder. scale: 2 or 4 (None: 4). pack: None for toyland. noise: how much detail may be invented, 0 to below 1;
    space: "pixel", "latent" or "frame", where the model works; steps: of denoising; None for what the pack has. prompt,
    negative, guidance: what the clip shows, what it does not, and how closely to follow that, of an upscaler that reads
    text. tile: side of the tiles in pixels of the clip, smaller ones need less memory. seed: None for a drawn one.
    device and dtype: as in `load_pack`, where `pack` is not loaded. crf: quality of the file, 0 (best) to 51. fps:
    frames a second of a folder of pictures. preview: a .png, a contact sheet that is refreshed meanwhile. resume: go on
    with the same interrupted call. force: replace an existing file, and take HDR video as if it were not.

    model: in place of a pack a super-resolution network for pictures, a .safetensors or .pth that spandrel knows, or
    the name of one of Real-ESRGAN's, such as "realesrgan-x4plus" (needs `vldm[models]`). Then scale is 1 to the
    network's own (None: that), layers a file of temporal layers for it (None: those that come with vldm, if there are
    any for it), steady, 0 to 1, without such layers how much of the frame before is kept where it agrees (None: 1; 0:
    the network alone, without layers too), and what is of packs is left out: pack, noise, space, steps, seed, prompt,
    negative, guidance.

    Raises RequestError, with nothing written, for what cannot be served, and RunError when it breaks: what is finished
    is kept and the same call goes on.
    """
    from vldm_cli.pipelines.clip.run import run

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
    scale: int | None,
    pack: str | Path | LoadedPack | None,
    model: str | Path | None,
    steady: float | None,
    layers: str | Path | None,
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

    crf, tile = checks.crf_of(crf), checks.tile_of(tile)
    preview = None if preview is None else Path(preview)
    if model is not None:
        given = {
            "--pack": pack,
            "--noise": noise,
            "--space": space,
            "--steps": steps,
            "--seed": seed,
            "--prompt": prompt or None,
            "--negative": negative or None,
            "--guidance": guidance,
        }
        return _by_network(
            clip,
            out,
            Path(model),
            given,
            scale=scale,
            steady=steady,
            layers=None if layers is None else Path(layers),
            tile=tile,
            device=device,
            dtype=dtype,
            crf=crf,
            fps=fps,
            preview=preview,
            resume=resume,
            force=force,
        )
    for option, value in (("--steady", steady), ("--layers", layers)):
        if value is not None:
            raise RequestError(f"{option} is for a network that --model names; leave it out")
    scale = choice("--scale", 4 if scale is None else scale, (2, 4))
    pack = "toyland" if pack is None else pack
    if space is not None and space not in SPACES:
        raise RequestError(f"--space {space:.40} is none of {', '.join(SPACES)}")
    noise = None if noise is None else real("--noise", noise, 0, 1, below=True)
    steps, seed = checks.steps_of(steps), checks.seed_of(seed)
    guidance = checks.weight_of("--guidance", guidance)
    chosen, number = device_of(pack, device, dtype)
    used = loaded(pack, chosen, number)
    if used.pack.upscaling is not used.pack:
        used = loaded(used.pack.upscaling.folder, chosen, number)
    # Last, because every frame of the clip is decoded once.
    opened, out = clips.prepare(clip, out, f"x{scale}", crf, fps, preview, force)

    from vldm_cli.pipelines.upscale.job import Options, make_job

    defaults = used.pack.manifest.defaults
    if (prompt or negative or guidance is not None) and (space or defaults.upscale_space) != "frame":
        raise RequestError(
            f"pack {used.name}'s upscaler reads no text; leave out --prompt, --negative and --guidance"
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
        used.pack,
        out,
        asked,
        crf=crf,
        preview=preview,
        resume=resume,
        force=force,
        models=used.models,
    )
    clips.check_place(job)
    return job


def _by_network(
    clip: str | Path,
    out: str | Path | None,
    model: Path,
    given: Mapping[str, object],
    *,
    scale: int | None,
    steady: float | None,
    layers: Path | None,
    tile: int | None,
    device: str,
    dtype: str,
    crf: int,
    fps: Fraction | str | float | None,
    preview: Path | None,
    resume: bool,
    force: bool,
) -> Job:
    """The job where a network for pictures does it. given: options that it has no use for, and what they were told."""
    from vldm_cli.packs.network import LARGEST, open_network
    from vldm_cli.packs.networks.layers import layers_for, open_layers, shipped_layers

    for option, value in given.items():
        if value is not None:
            raise RequestError(
                f"{option} does not go with --model, a network without pack, noise, steps and text; leave one out"
            )
    scale = None if scale is None else whole("--scale", scale, 1, LARGEST)
    steady = None if steady is None else real("--steady", steady, 0, 1)
    chosen = choose_device(device)
    if dtype != "auto":
        choose_dtype(dtype, chosen)
    network = open_network(model)
    found = None
    if layers is not None:
        found = open_layers(layers, network.network, network.name)
    elif steady is None or steady == 1:
        found = layers_for(network.network, shipped_layers())
    opened, out = clips.prepare(clip, out, f"x{scale or network.scale}", crf, fps, preview, force)

    from vldm_cli.pipelines.upscale.network_job import make_job, number_format

    job = make_job(
        opened,
        network,
        out,
        scale=scale,
        steady=steady,
        layers=found,
        tile=tile,
        device=chosen,
        dtype=number_format(dtype, network, chosen),
        crf=crf,
        preview=preview,
        resume=resume,
        force=force,
    )
    clips.check_place(job)
    return job
