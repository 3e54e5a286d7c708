"""What commands on a clip share: their plan and their run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vldm_cli.commands import many
from vldm_cli.commands.options import OnClip


def one_clip(
    console,
    command: str,
    clips: Sequence[Path] | None,
    listed: Path | None,
    out: Path | None,
    common: OnClip,
    asked: dict[str, Any],
    machines: dict[str, Any],
    pool=None,
) -> Path | None:
    """The clip that a command is for; None where there are several, for each of which a video is then made. asked: the
    command's own options, as its `prepare` takes them; machines: as a `Task` has them; pool: workers, if there are."""
    options = {**asked, **common.for_job()}
    preview = options.pop("preview")
    dry_run, clips = common.dry_run, clips or ()
    if many.of_clips(
        console,
        command,
        clips,
        listed,
        out,
        preview=preview,
        dry_run=dry_run,
        options=options,
        machines=machines,
        pool=pool,
    ):
        return None
    return clips[0]


def show_plan(console, job, device: str, lines: list[str]) -> None:
    """`--dry-run`: what would be made, on stdout. device: that the job was made for."""
    from vldm_cli.commands.console import clock, counted, room, size
    from vldm_cli.commands.failures import only_told
    from vldm_cli.pipelines.clip.job import identity
    from vldm_cli.runs.folder import run_folder
    from vldm_cli.runs.here import Elsewhere
    from vldm_cli.runs.journal import check_kept
    from vldm_cli.runs.memory import check_fits

    check_kept(run_folder(job.out), identity(job, job.clip.fingerprint()), job.resume)
    if not isinstance(device, Elsewhere):
        device = str(job.device)
        with only_told(console.warn):
            check_fits(job.plan["estimated_peak_bytes"], job.device, job.remedy)
    table = {
        "out": str(job.out),
        "frames": len(job.times),
        "fps": str(job.times.fps),
        "width": job.raw.width,
        "height": job.raw.height,
        "settings": job.all_settings,
        "device": device,
        "warnings": job.warnings,
        **job.plan,
    }
    rate = job.times.fps
    varied = "" if job.times.constant else " on average"
    head = f"{job.out}: {counted(len(job.times), 'frame')} of {job.raw.width}x{job.raw.height} at "
    head += f"{rate if rate.denominator in (1, 1001) else f'{float(rate):.3f}'} fps{varied}"
    cost = f"about {clock(job.plan['estimated_total_seconds'])} on {device}, "
    cost += f"{size(job.plan['estimated_peak_bytes'])} of memory at the most"
    if (free := job.plan.get("free_bytes")) is not None:
        cost += f"\n{room(free, job.device, job.plan['memory'])}"
    for words in job.warnings:
        console.warn(words)
    console.result(table, "\n".join([head, *lines, cost]))


def make(console, job, run: Callable, new: str = "") -> None:
    """Runs the job, with progress, and says what came out; `new` goes into the text."""
    from vldm_cli.commands.console import clock, counted

    result = run_job(console, job, run)
    seed = "" if job.seed is None else f"seed {job.seed}, "
    text = f"{result.out}: {counted(result.frames, 'frame')} of {result.width}x{result.height}, {new}"
    text += f"{float(job.times.seconds):.3f} s, {seed}made in {clock(result.total_seconds)}"
    console.result(result.as_table(), text)


def run_job(console, job, run: Callable):
    """The result of run(job, fingerprint of its clip, progress), with the job's warnings and then those that it added.

    Raises Interrupted and RunError that say what is saved and how to go on.
    """
    from vldm_cli.commands.console import counted
    from vldm_cli.commands.failures import going_on

    for words in job.warnings:
        console.warn(words)
    progress = console.progress()
    with (
        going_on(lambda: f"{progress.frames} of {counted(job.encoded, 'frame')} of {job.out} are saved"),
        progress,
    ):
        result = run(job, job.clip.fingerprint(), progress)
    for words in result.warnings[len(job.warnings) :]:
        console.warn(words)
    return result
