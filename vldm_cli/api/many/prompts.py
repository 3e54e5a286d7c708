"""A list of prompts becomes tasks: seeds, names, and everything that can be refused before the first video is begun."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vldm_cli.api import checks
from vldm_cli.api.kept import Kept
from vldm_cli.api.many.lists import FLAG, NUMBER, RATE, TEXT, TEXTS, Line, placed
from vldm_cli.api.many.places import check_folders
from vldm_cli.api.many.task import Task, request_of
from vldm_cli.api.many.template import OF_PROMPTS, Template, check_different, out_template
from vldm_cli.api.preview import check_sheet, real_places
from vldm_cli.api.sketches import with_frames
from vldm_cli.api.variations import is_made
from vldm_cli.errors import RequestError
from vldm_cli.packs.reader import read
from vldm_cli.runs import command_line
from vldm_cli.runs.folder import run_folder
from vldm_cli.runs.naming import slug
from vldm_cli.video.encoders import check_encoder, try_encoder
from vldm_cli.video.numbers import LAST_SEED, whole

USUAL = "{index:04}-{prompt}-{seed}.mp4"
# What a line can say for itself.
KNOWN = {
    **dict.fromkeys(("out", "negative", "image", "between", "size", "preview", "encoder"), TEXT),
    **dict.fromkeys(
        ("seed", "frames", "interpolation", "steps", "guidance", "context_guidance", "crf"), NUMBER
    ),
    **dict.fromkeys(("upscale", "replacement", "as_written"), FLAG),
    "fps": RATE,
    "sketch": TEXTS,
}
MOST_REPEATS = 1000
MOST_VIDEOS = 100_000


def tasks(
    lines: Sequence[Line],
    out: str | Path | None,
    *,
    preview: str | Path | None,
    seed: int | None,
    seeds: Sequence[int] | None,
    repeat: int,
    options: dict[str, Any],
    machines: dict[str, Any],
) -> list[Task]:
    """The videos of a list, in its order. What a line says goes before `options`, which are those of `prepare`;
    `machines` are as a `Task` has them.

    A line that names no seed is made once for each of `seeds`, or `repeat` times: with `seed` and those after it, or
    with seeds that are made of the prompt, so that the same list gives the same videos. Raises RequestError for names
    that are none, or of two videos.
    """
    repeat = whole("--repeat", repeat, 1, MOST_REPEATS)
    given = [whole("--seeds", one, 0, LAST_SEED) for one in seeds or ()]
    if seed is not None and whole("--seed", seed, 0, LAST_SEED) + repeat - 1 > LAST_SEED:
        raise RequestError(
            f"--repeat {repeat} goes beyond the last seed, 2^63 − 1, from --seed {seed} on; lower it"
        )
    if seeds is not None and (seed is not None or repeat > 1):
        raise RequestError(
            f"--seeds does not go with {'--seed' if seed is not None else '--repeat'}; leave one out"
        )
    if len(set(given)) < len(given) or (seeds is not None and not given):
        raise RequestError("--seeds names a seed twice, or none; name each once, as in 1,2,3")
    if len(lines) * max(repeat, len(given)) > MOST_VIDEOS:
        raise RequestError(f"these are more than {MOST_VIDEOS} videos; cut the list into parts")
    whole_out = out_template(out, USUAL, OF_PROMPTS)
    whole_preview = None if preview is None else Template(str(preview), "--preview", OF_PROMPTS)
    made, seen = list[Task](), Counter[str]()
    for line in lines:
        own = dict(line.told)
        prompt = own.pop("prompt")
        if isinstance(own.get("sketch"), str):
            own["sketch"] = [own["sketch"]]
        template = Template(own.pop("out"), f"{line.where}: out", OF_PROMPTS) if "out" in own else whole_out
        sheet = whole_preview
        if "preview" in own:
            sheet = Template(own.pop("preview"), f"{line.where}: preview", OF_PROMPTS)
        for number in _seeds(line, own.pop("seed", None), prompt, seed, given, repeat, seen):
            index = len(made) + 1
            values: dict[str, int | str] = {"index": index, "prompt": slug(prompt), "seed": number}
            name = _path(template.fill(values))
            told = {**line.told, "seed": number, "out": str(name)}
            shown = None if sheet is None else _path(sheet.fill(values))
            told |= {} if shown is None else {"preview": str(shown)}
            mine = {**options, **own, "seed": number, "preview": shown}
            made.append(Task(index, line.where, "generate", prompt, name, mine, told, machines))
    named = [(one.where or f"video {one.index}", one) for one in made]
    sheets = [(where, one.options["preview"], "--preview") for where, one in named if one.options["preview"]]
    check_different([*((where, one.out, "--out") for where, one in named), *sheets])
    return made


def check(made: Sequence[Task], kept: Kept, run: bool = True, pooled: bool = False) -> list[Task]:
    """The tasks whose videos are not there yet. Raises RequestError, naming the line, for the first one that cannot be
    served. run: whether they are to be made now, so that models are looked at too; pooled: whether by workers, each of
    which looks at what its own machine has."""
    from vldm_cli.pipelines.generate.settings import check_first_frame, plan_of, resolve

    check_folders((one.out for one in made), "--out")
    check_folders((one.options["preview"] for one in made if one.options["preview"]), "--preview")
    # of all of them: a sheet of one video is not to spoil another's
    made_of = real_places(
        one
        for task in made
        for one in (
            task.options.get("image"),
            *(named for named, _ in with_frames(task.options.get("sketch") or ())),
        )
    )
    missing = []
    for task in made:
        try:
            request, _ = request_of(task, kept)
            pack = kept.asked(task.options)
            settings = resolve(request, pack.pack.manifest)
            check_first_frame(settings, pack.pack.manifest)
            checks.check_name(task.out, settings.fps)
            check_encoder(settings.encoder, task.out)
            checks.check_kind(task.out)
            if request.preview is not None:
                check_sheet(request.preview, request.force, made_of)
            if is_made(request, pack.pack):
                continue
            plan = plan_of(settings, pack.pack.manifest, request.device)
            try_encoder(settings.encoder, *plan.out_size)
            if run:
                _check_run(task, request, settings, plan, pack, pooled)
        except RequestError as error:
            raise placed(task.where, error) from error
        missing.append(task)
    return missing


def heard(task: Task, kept: Kept) -> str | None:
    """What the pack reads in the prompt; None where it takes it as it is."""
    if task.options.get("as_written"):
        return None
    return read(task.subject, kept.asked(task.options).pack.manifest.defaults)


def _check_run(task: Task, request, settings, plan, pack, pooled: bool) -> None:
    """What only models and folders of earlier runs tell."""
    from vldm_cli.pipelines.generate.making import REMEDY
    from vldm_cli.pipelines.generate.settings import identity
    from vldm_cli.runs.journal import is_outdated
    from vldm_cli.runs.memory import check_fits

    if not pooled:
        check_fits(plan.estimated_peak_bytes, pack.models.device, REMEDY)
    pack.models.scheduler(settings.scheduler)
    pack.models.prepare_for(plan)
    if request.resume:
        with command_line.told(task.words):
            is_outdated(run_folder(task.out), identity(settings, plan, pack.pack.manifest, request.seed))


def _seeds(
    line: Line,
    own: int | None,
    prompt: str,
    seed: int | None,
    given: Sequence[int],
    repeat: int,
    seen: Counter[str],
) -> Iterator[int]:
    """The seeds of a line's videos. seen: how often a prompt has been given one made of it."""
    if own is not None:
        try:
            yield whole("--seed", own, 0, LAST_SEED)
        except RequestError as error:
            raise placed(line.where, error) from error
    elif given:
        yield from given
    elif seed is not None:
        yield from range(seed, seed + repeat)
    else:
        for _ in range(repeat):
            yield seed_of(prompt, seen[prompt])
            seen[prompt] += 1


def seed_of(prompt: str, number: int) -> int:
    """The seed of a prompt that was given none, the `number`-th of those of this prompt."""
    words = f"{number} {prompt}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(words, digest_size=4).digest(), "big") >> 1


def _path(name: str) -> Path:
    return Path(name).expanduser() if name.startswith("~/") else Path(name)
