"""`vldm generate`: text (or text and a first frame) → video."""

import secrets
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

Text = Annotated[str, typer.Argument(metavar="PROMPT", help="What the video shows.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        help="The file: .mp4, .webm, .gif, .webp, or a folder for PNG frames. Default: named after the prompt.",
    ),
]


def generate(
    prompt: Text,
    out: Out = None,
    frames: Annotated[int, typer.Option(help="How many frames, 1 to 10000.")] = 240,
    image: Annotated[Path | None, typer.Option(help="A picture that is the first frame.")] = None,
    negative: Annotated[str, typer.Option(metavar="TEXT", help="What the video does not show.")] = "",
    variations: Annotated[int, typer.Option(help="So many videos, each of another seed.")] = 1,
    upscale: Annotated[bool, typer.Option(help="Four times the width and height at the end.")] = True,
    interpolation: Annotated[
        int, typer.Option(metavar="1|4|16", help="Frames from one keyframe to the next.")
    ] = 16,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Size before upscaling; default: the pack's.")
    ] = None,
    pack: Annotated[str, typer.Option(help="The model: a pack's name or folder.")] = "toyland",
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same video; default: drawn.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; default: the pack's.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the text.")] = None,
    context_guidance: Annotated[
        float | None, typer.Option(help="How closely to follow the frames before.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:N, mps or cpu.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    crf: Annotated[int, typer.Option(help="Quality of the file, 0 (best) to 51.")] = 16,
    fps: Annotated[str | None, typer.Option(help="Frame rate, such as 24 or 24000/1001.")] = None,
    preview: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="A contact sheet, refreshed meanwhile.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only the plan.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Go on where the same command stopped, or start over.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Settings, and tracebacks.")] = False,
) -> None:
    """Make a video from text, or from text and a first frame. Interrupted, the same command goes on."""
    from vldm_cli.commands import checks
    from vldm_cli.commands import device as devices
    from vldm_cli.commands.console import Console
    from vldm_cli.commands.remarks import check_prompt
    from vldm_cli.errors import RequestError
    from vldm_cli.packs.pack import Pack
    from vldm_cli.stages.request import GenerateRequest, resolve

    console = Console(quiet, verbose, as_json)
    if not 1 <= variations <= 1000:
        raise RequestError(f"--variations {variations} is not between 1 and 1000")
    opened = Pack.open(pack)
    request = GenerateRequest(
        prompt=prompt,
        out=out or checks.default_out(prompt, variations),
        frames=frames,
        negative=negative,
        seed=seed,
        fps=checks.parse_fps(fps),
        steps=steps,
        guidance=guidance,
        context_guidance=context_guidance,
        interpolation=interpolation,
        upscale=upscale,
        size=checks.parse_size(size),
        crf=crf,
        preview=preview,
        resume=resume,
        force=force,
    )
    # Everything that can be refused is refused here, the light checks first, with nothing written.
    warning = check_prompt(opened, prompt, negative)
    settings = resolve(request, opened.manifest)
    outs = checks.numbered(request.out, variations)
    for path in outs:
        checks.check_name(path, settings.fps)
    done = {path for path in outs if resume and _delivered(path, variations > 1)}
    for path in outs:
        checks.check_out(path, force or path in done)
    checks.check_preview(preview)
    if image is not None:
        from vldm_cli.video.read import read_image

        request = replace(request, image=read_image(image, (settings.height, settings.width)))
    request = replace(request, device=devices.choose_device(device))
    request = replace(request, dtype=devices.choose_dtype(dtype, request.device))
    if warning:
        console.warn(warning)
    console.detail(f"{request.device}, {request.dtype}: {resolve(request, opened.manifest).as_dict()}")
    if dry_run:
        _show_plan(console, request, opened, variations)
    else:
        _make(console, request, opened, outs, warning)


def _delivered(out: Path, one_of_many: bool) -> bool:
    """Whether an existing file may be the work of this very command, which then has nothing to do for it: its run
    was interrupted while tidying up, or while making the variations after it. The run itself looks closer."""
    run = out.with_name(f".{out.name}.vldm")
    return out.exists() and ((run / "delivered.json").exists() or one_of_many)


def _show_plan(console, request, pack, variations: int) -> None:
    from vldm_cli.commands.console import clock, size
    from vldm_cli.stages.request import plan_of, resolve

    settings = resolve(request, pack.manifest)
    plan = plan_of(settings, pack.manifest, request.device)
    table = {
        **plan.as_dict(),
        "out": str(request.out),
        "fps": str(settings.fps),
        "pack": {"name": pack.name, "hash": pack.manifest.hash},
        "device": request.device,
        "dtype": request.dtype,
        "variations": variations,
    }
    windows = {"keyframes": len(plan.keyframe_windows), "decode": len(plan.decode_windows)}
    windows |= {level.stage: len(level.windows) for level in plan.levels}
    windows["upscale"] = len(plan.upscale_windows)
    height, width = plan.out_size
    lines = [
        f"{request.out}: {plan.frames} frames of {width}x{height} at {settings.fps} fps"
        + (f", {variations} variations of it" if variations > 1 else ""),
        f"{plan.keyframes} keyframes, one every {plan.keyframe_step} frames",
    ]
    for stage, seconds in plan.estimated_seconds.items():
        calls = f"{plan.calls[stage]} denoiser calls" if stage in plan.calls else ""
        cut = f"{windows[stage]} windows" if stage in windows else f"{len(plan.segments)} segments"
        lines.append(f"{stage:<14}{cut:>14}{calls:>22}   about {clock(seconds)}")
    total = variations * table["estimated_total_seconds"]
    lines.append(f"about {clock(total)} on {request.device} ({request.dtype}), ")
    lines[-1] += f"{size(plan.estimated_peak_bytes)} of memory at the most"
    console.result(table, "\n".join(lines))


def _make(console, request, pack, outs: list[Path], warning: str | None) -> None:
    """One video, or several variations with the same models."""
    from vldm_cli.commands.failures import Interrupted
    from vldm_cli.errors import RunError
    from vldm_cli.stages.chain import generate as run
    from vldm_cli.stages.models import Models

    again = shlex.join(["vldm", *sys.argv[1:]])
    models = Models(pack, request.device, request.dtype)
    first_seed = request.seed if len(outs) == 1 else _first_seed(request, pack, outs[0])
    results = []
    for number, out in enumerate(outs):
        one = replace(request, out=out, seed=None if first_seed is None else first_seed + number)
        if len(outs) > 1 and _is_made(one, pack):
            console.note(f"{out} is made already")
            results.append({"out": str(out), "seed": one.seed, "made_before": True})
            continue
        if len(outs) > 1:
            console.note(f"{out}: variation {number + 1} of {len(outs)}, seed {one.seed}")
        progress = console.progress()
        try:
            with progress:
                result = run(one, pack, progress, models)
        except KeyboardInterrupt as error:
            saved = f"{progress.frames} of {one.frames} frames of {out} are saved"
            raise Interrupted(f"interrupted; {saved}; go on with: {again}") from error
        except RunError as error:
            raise RunError(f"{error}; go on with: {again}") from error
        for text in result.warnings:
            if not (warning or "").startswith(text):
                console.warn(text)
        results.append(as_table(result))
        if not console.as_json:
            console.result({}, in_words(result))
    if console.as_json:
        console.result(results[0] if len(outs) == 1 else {"variations": results}, "")


def _first_seed(request, pack, first_out: Path) -> int:
    """The seed of the first variation: the one asked for, the one of the interrupted command, or a drawn one."""
    from vldm_cli.stages.journal import run_folder, stored_plan

    if request.seed is not None:
        return request.seed
    if request.resume:
        before = _metadata(first_out) or stored_plan(run_folder(first_out)) or {}
        if _same(before, request, pack) and isinstance(before.get("seed"), int):
            return before["seed"]
    return secrets.randbelow(2**31)


def _is_made(request, pack) -> bool:
    """Whether the variation's file is there, made by the same request. Raises RequestError for anybody else's."""
    from vldm_cli.errors import RequestError

    if not request.out.exists():
        return False
    before = _metadata(request.out) if request.resume else None
    if before and before.get("seed") == request.seed and _same(before, request, pack):
        return True
    if request.force:
        return False
    raise RequestError(f"{request.out} exists; name another --out or add --force to replace it")


def _metadata(out: Path) -> dict | None:
    from vldm_cli.errors import RequestError
    from vldm_cli.video.read import video_info

    try:
        return video_info(out)["metadata"] if out.exists() else None
    except RequestError:  # no video at all: nothing that we made
        return None


def _same(before: dict, request, pack) -> bool:
    from vldm_cli.stages.request import resolve

    settings = resolve(request, pack.manifest).as_dict()
    return before.get("settings") == settings and before.get("pack", {}).get("hash") == pack.manifest.hash


def as_table(result) -> dict:
    """The JSON object of CLI.md for one finished video."""
    first = result.first_segment_seconds
    return {
        "out": str(result.out),
        "frames": result.frames,
        "fps": str(result.fps),
        "width": result.width,
        "height": result.height,
        "seconds": {
            "wall": result.total_seconds,
            "first_segment": None if first is None else round(first, 3),
            "stages": result.seconds,
        },
        "seed": result.seed,
        "prompt": result.prompt,
        "pack": result.pack,
        "settings": result.settings,
        "device": result.device,
        "peak_memory_bytes": result.peak_memory_bytes,
        "warnings": result.warnings,
    }


def in_words(result) -> str:
    """The same in a line."""
    from vldm_cli.commands.console import clock

    return (
        f"{result.out}: {result.frames} frames of {result.width}x{result.height} at {result.fps} fps, "
        f"seed {result.seed}, made in {clock(result.total_seconds)}"
    )
