"""What commands on a clip share: what is refused before a model is loaded, their plan and their run."""

from collections.abc import Callable
from pathlib import Path

from vldm_cli.commands.options import OnClip


def prepare(file: Path, out: Path | None, ending: str, crf: int, common: OnClip):
    """(the opened clip, the output's name): what can be refused without a model is refused here."""
    from vldm_cli.commands import checks
    from vldm_cli.errors import RequestError
    from vldm_cli.video.clip import open_clip
    from vldm_cli.video.kinds import KINDS, open_container

    if not 0 <= crf <= 51:
        raise RequestError(f"--crf {crf} is not between 0 (no loss) and 51")
    rate = checks.parse_fps(common.fps)
    out = out or default_out(file, ending)
    kind = open_container(out)
    checks.check_preview(common.preview)
    if "\0" in str(file):
        raise RequestError("the clip's name holds a zero byte; give another name")
    clip = open_clip(file, common.force, rate, keep_rotation=KINDS[kind].turns)
    if rate is not None and not clip.pictures:
        raise RequestError(f"--fps is for folders of pictures; {file} has times of its own, which are kept")
    return clip, out


def default_out(file: Path, ending: str) -> Path:
    """A name in this folder made from the clip's, with a number where that is taken."""
    from vldm_cli.runs.naming import free_name

    stem = file.absolute().stem[:60] or "clip"
    return free_name(f"{stem}-{ending}")


def check_place(job) -> None:
    """That the output's name and place can be used. Raises RequestError."""
    from vldm_cli.commands import checks
    from vldm_cli.pipelines.clip.run import check_out

    checks.check_name(job.out, job.times.fps)
    check_out(job)
    checks.check_out(job.out, True)


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


def make(console, job, run: Callable, new: str = "", more: dict | None = None) -> None:
    """Runs the job, with progress, and says what came out; `new` and `more` go into the text and the JSON object."""
    from vldm_cli.commands.console import clock

    result = run_job(console, job, run)
    seed = "" if job.seed is None else f"seed {job.seed}, "
    text = f"{result.out}: {result.frames} frames of {result.width}x{result.height}, {new}"
    text += f"{float(job.times.seconds):.3f} s, {seed}made in {clock(result.total_seconds)}"
    console.result({**result.as_table(), **(more or {})}, text)


def run_job(console, job, run: Callable):
    """The result of run(job, fingerprint of its clip, progress), with the job's warnings and then those that it added.

    Raises Interrupted and RunError that say what is saved and how to go on.
    """
    from vldm_cli.commands.failures import going_on

    for words in job.warnings:
        console.warn(words)
    progress = console.progress()
    with going_on(lambda: f"{progress.frames} of {job.encoded} frames of {job.out} are saved"), progress:
        result = run(job, job.clip.fingerprint(), progress)
    for words in result.warnings[len(job.warnings) :]:
        console.warn(words)
    return result
