"""Many videos in one command: lists of prompts (`vldm generate --prompts`) and of clips, and how they are told."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vldm_cli.commands.board import board
from vldm_cli.commands.console import Console, clock, counted
from vldm_cli.commands.failures import going_on
from vldm_cli.commands.streams import say
from vldm_cli.errors import RequestError, RunError, visible
from vldm_cli.runs import command_line


def of_prompts(
    console: Console,
    prompt: str | None,
    prompts: Path | None,
    out: Path | None,
    *,
    repeat: int | None,
    seeds: str | None,
    seed: int | None,
    preview: Path | None,
    dry_run: bool,
    options: dict[str, Any],
    machines: dict[str, Any],
    pool=None,
) -> None:
    """A video for every prompt and seed. options: those of every one, as `api.generate.prepare` takes them; machines:
    as a `Task` has them."""
    from vldm_cli.api.kept import Kept
    from vldm_cli.api.many import lists
    from vldm_cli.api.many import prompts as listed
    from vldm_cli.packs.origins.licences import licence_remark

    if prompt is not None and prompts is not None:
        raise RequestError("there is a PROMPT and there are --prompts; leave one out")
    lines = (
        [lists.Line("", {"prompt": prompt})]
        if prompts is None
        else lists.read(prompts, "prompt", listed.KNOWN)
    )
    tasks = listed.tasks(
        lines,
        out,
        preview=preview,
        seed=seed,
        seeds=None if seeds is None else numbers(seeds),
        repeat=1 if repeat is None else repeat,
        options=options,
        machines=machines,
    )
    kept = Kept()
    missing = listed.check(tasks, kept, run=not dry_run, pooled=pool is not None)
    if pool is not None and missing:
        pool.expect(kept.asked(options).coming())
    remark = licence_remark(kept.asked(options).pack)
    if remark:
        console.warn(remark)
    if missing and any("seed" not in line.told for line in lines) and seed is None and seeds is None:
        console.note("seeds are made of the prompts; --seed N gives others")
    for task in missing:
        heard = listed.heard(task, kept)
        if heard is not None:
            console.note(f'{_name(task)}: read as: "{heard}"')
    _do(console, tasks, missing, kept, prompts, dry_run, pool, told=remark)


def of_clips(
    console: Console,
    command: str,
    clips: Sequence[Path],
    listed: Path | None,
    out: Path | None,
    *,
    preview: Path | None,
    dry_run: bool,
    options: dict[str, Any],
    machines: dict[str, Any],
    pool=None,
) -> bool:
    """Whether these are several clips, or one and a name with places: there is a video for each then. options: those of
    every one, as the command's `prepare` takes them; machines: as a `Task` has them."""
    from vldm_cli.api.kept import Kept
    from vldm_cli.api.many import clips as many
    from vldm_cli.api.many import lists
    from vldm_cli.api.many.template import OF_CLIPS, has_place

    if listed is not None:
        if clips:
            raise RequestError("there is a CLIP and there are --clips; leave one out")
        lines, searched = lists.read(listed, "clip", many.KNOWN[command]), []
    elif not clips:
        raise RequestError(f"name a CLIP, or a list of them with --clips (see `vldm {command} --help`)")
    else:
        found = many.found(clips)
        if found is None:
            if not has_place(OF_CLIPS, out, preview):
                return False
            found = many.Found(list(clips))
        if found.others:
            console.note(f"left alone, by their names neither pictures nor videos: {found.others}")
        lines, searched = found.lines, found.searched
    tasks = many.tasks(
        command, lines, out, preview=preview, options=options, machines=machines, searched=searched
    )
    kept = Kept()
    many.check(tasks, kept)
    _do(console, tasks, tasks, kept, listed, dry_run, pool)
    return True


def numbers(text: str) -> list[int]:
    """ "1,2,3" as numbers. RequestError where they are none."""
    if not re.fullmatch(r"\s*[0-9]{1,19}\s*(,\s*[0-9]{1,19}\s*){0,9999}", text):
        raise RequestError(f"--seeds {text:.40} are no seeds; give whole numbers such as 1,2,3")
    return [int(number) for number in text.split(",")]


def _do(
    console: Console,
    tasks: Sequence,
    missing: Sequence,
    kept,
    given: Path | None,
    dry_run: bool,
    pool,
    told: str | None = None,
) -> None:
    """told: a warning of every video, which the person has been told already."""
    if dry_run:
        _show_plan(console, tasks, missing, kept)
    else:
        _make(console, tasks, missing, kept, given, pool, told)


def _show_plan(console: Console, tasks: Sequence, missing: Sequence, kept) -> None:
    from vldm_cli.api.many.lists import placed
    from vldm_cli.api.many.planned import planned
    from vldm_cli.commands.console import size

    seconds, peak, count = 0.0, 0, 0
    for task in missing:
        try:
            plan = planned(task, kept)
        except RequestError as error:
            raise placed(task.where, error) from error
        seed = "" if plan.get("seed") is None else f", seed {plan['seed']}"
        cost = f"about {clock(plan['estimated_total_seconds'])}"
        if plan["made_before"]:
            cost = "made already"
        else:
            count += 1
            seconds += plan["estimated_total_seconds"]
            peak = max(peak, plan["estimated_peak_bytes"])
        frames = counted(plan["frames"], "frame")
        console.result(plan, f"{plan['out']}: {frames} of {plan['width']}x{plan['height']}{seed}, {cost}")
    rest = f"; made already: {len(tasks) - count}" if count < len(tasks) else ""
    console.note(
        f"{counted(count, 'video')}, about {clock(seconds)}, {size(peak)} of memory at the most{rest}"
    )


def _make(
    console: Console, tasks: Sequence, missing: Sequence, kept, given: Path | None, pool, told: str | None
) -> None:
    """All that are missing, by the workers of a pool if there is one; RunError when some failed."""
    from vldm_cli.api.many.failed import Failed
    from vldm_cli.api.many.places import make_folders
    from vldm_cli.api.many.run import by_workers, in_turn
    from vldm_cli.api.many.task import Outcome

    make_folders((task.out for task in missing), "--out")
    make_folders((task.options["preview"] for task in missing if task.options["preview"]), "--preview")
    failed = Failed(tasks, command_line.words(), given)
    before = len(tasks) - len(missing)
    if before:
        console.note(f"{before} of {counted(len(tasks), 'video')} made already")
    left = {task.index for task in missing}
    for task in tasks:
        if console.as_json and task.index not in left:
            console.result(Outcome(task, seed=task.options["seed"]).as_table(), "")
    shown, errors = board(console, len(tasks), before), 0
    with going_on(lambda: f"{shown.done - errors} of {counted(len(tasks), 'video')} made"), shown:
        executor = in_turn(kept) if pool is None else by_workers(kept, pool)
        for outcome in executor(missing, lambda task: shown.begin(_name(task))):
            _tell(console, outcome, shown, told)
            if outcome.error is not None:
                errors += 1
                failed.add(outcome)
        failed.done()
        if errors:
            again = "--prompts" if tasks[0].command == "generate" else "--clips"
            raise RunError(
                f"{errors} of {counted(len(tasks), 'video')} failed; "
                f"{failed.path} says why and can be given as {again}"
            )
    if missing:
        console.note(f"{counted(len(tasks), 'video')} made, {clock(shown.spent)}")


def _tell(console: Console, outcome, shown, told: str | None) -> None:
    """What became of one video: its line on stdout, and on stderr that it is done, or why it failed."""
    name, video = _name(outcome.task), outcome.video
    if outcome.error is not None:
        shown.end(name, "failed")
        if console.verbose:
            say(outcome.trace)
        say(visible(f"vldm: {name}: {outcome.error}"))
    elif video is None:
        shown.end(name, "is made already")
    else:
        shown.end(name, f"made in {clock(video.total_seconds)}")
        for words in video.warnings:
            if words != told:
                console.warn(f"{name}: {words}")
    if console.as_json:
        console.result(outcome.as_table(), "")
    elif video is not None:
        seed = "" if video.seed is None else f", seed {video.seed}"
        frames = counted(video.frames, "frame")
        text = f"{name}: {frames} of {video.width}x{video.height} at {video.fps} fps{seed}"
        console.result({}, f"{text}, made in {clock(video.total_seconds)}")


def _name(task) -> str:
    """The video's name in one line."""
    return "\\n".join(str(task.out).splitlines())
