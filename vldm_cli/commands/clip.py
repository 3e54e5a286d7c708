"""What `upscale` and `interpolate` share: options of commands on a clip, their plan and their run."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

File = Annotated[
    Path, typer.Argument(metavar="CLIP", help="A video, GIF or WebP, a picture, or a folder of pictures.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        help="The file: .mp4, .webm, .gif, .webp, or a folder for PNG frames. Default: named after the clip.",
    ),
]
Crf = Annotated[int, typer.Option(help="Quality of the file, 0 (best) to 51.")]
Fps = Annotated[str | None, typer.Option(help="Frame rate of a folder of pictures, which has none (24).")]
Preview = Annotated[
    Path | None, typer.Option(metavar="FILE.png", help="A contact sheet, refreshed meanwhile.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only the plan.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Resume = Annotated[
    bool, typer.Option("--resume/--fresh", help="Go on where the same command stopped, or start over.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace an existing file; take HDR video as if it were not.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Settings, and tracebacks.")]
Device = Annotated[str, typer.Option(help="auto, cuda, cuda:N, mps or cpu.")]


def prepare(
    file: Path, out: Path | None, ending: str, crf: int, fps: str | None, preview: Path | None, force: bool
):
    """(the opened clip, the output's name): what can be refused without a model is refused here."""
    from vldm_cli.commands import checks
    from vldm_cli.errors import RequestError
    from vldm_cli.video.clip import open_clip
    from vldm_cli.video.write import open_container

    if not 0 <= crf <= 51:
        raise RequestError(f"--crf {crf} is not between 0 (no loss) and 51")
    rate = checks.parse_fps(fps)
    out = out or default_out(file, ending)
    kind = open_container(out)
    checks.check_preview(preview)
    if "\0" in str(file):
        raise RequestError("the clip's name holds a zero byte; give another name")
    clip = open_clip(file, force, rate, keep_rotation=kind == "mp4")
    if rate is not None and not clip.pictures:
        raise RequestError(f"--fps is for folders of pictures; {file} has times of its own, which are kept")
    return clip, out


def default_out(file: Path, ending: str) -> Path:
    """A name in this folder made from the clip's, with a number where that is taken."""
    stem = file.absolute().stem[:60] or "clip"
    out, number = Path(f"{stem}-{ending}.mp4"), 2
    while out.exists() and not out.with_name(f".{out.name}.vldm").exists():
        out, number = Path(f"{stem}-{ending}-{number}.mp4"), number + 1
    return out


def check_place(job) -> None:
    """That the output's name and place can be used. Raises RequestError."""
    from vldm_cli.commands import checks
    from vldm_cli.stages.clip_run import check_out
    from vldm_cli.stages.journal import is_delivered, run_folder

    checks.check_name(job.out, job.times.fps)
    check_out(job)
    done = job.resume and is_delivered(run_folder(job.out), job.out)
    checks.check_out(job.out, job.force or done)


def show_plan(console, job, lines: list[str]) -> None:
    """`--dry-run`: what would be made, on stdout."""
    from vldm_cli.commands.console import clock, size

    table = {
        "out": str(job.out),
        "frames": len(job.times),
        "fps": str(job.times.fps),
        "width": job.raw.width,
        "height": job.raw.height,
        "settings": {**job.settings, "crf": job.crf},
        "device": str(job.device),
        "warnings": job.warnings,
        **job.plan,
    }
    rate = job.times.fps
    varied = "" if job.times.constant else " on average"
    head = f"{job.out}: {len(job.times)} frames of {job.raw.width}x{job.raw.height} at "
    head += f"{rate if rate.denominator in (1, 1001) else f'{float(rate):.3f}'} fps{varied}"
    cost = f"about {clock(job.plan['estimated_total_seconds'])} on {job.device}, "
    cost += f"{size(job.plan['estimated_peak_bytes'])} of memory at the most"
    for words in job.warnings:
        console.warn(words)
    console.result(table, "\n".join([head, *lines, cost]))


def make(console, job) -> None:
    """Runs the job, with progress, and says what came out."""
    from vldm_cli.commands.console import clock
    from vldm_cli.stages.clip_run import run

    result = run_job(console, job, run, len(job.times))
    seed = "" if job.seed is None else f"seed {job.seed}, "
    text = f"{result.out}: {result.frames} frames of {result.width}x{result.height}, "
    text += f"{float(job.times.seconds):.3f} s, {seed}made in {clock(result.total_seconds)}"
    console.result(result.as_table(), text)


def run_job(console, job, run, frames: int):
    """The result of run(job, fingerprint of its clip, progress), with the job's warnings and then those that it added.

    frames: how many the run makes. Raises Interrupted and RunError that say what is saved and how to go on.
    """
    from vldm_cli.commands.failures import Interrupted
    from vldm_cli.errors import RunError

    again = shlex.join(["vldm", *sys.argv[1:]])
    for words in job.warnings:
        console.warn(words)
    progress = console.progress()
    try:
        with progress:
            result = run(job, job.clip.fingerprint(), progress)
    except KeyboardInterrupt as error:
        saved = f"{progress.frames} of {frames} frames of {job.out} are saved"
        raise Interrupted(f"interrupted; {saved}; go on with: {again}") from error
    except RunError as error:
        raise RunError(f"{error}; go on with: {again}") from error
    for words in result.warnings[len(job.warnings) :]:
        console.warn(words)
    return result
