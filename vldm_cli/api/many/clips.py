"""A folder of clips, a pattern of names, or several names become tasks.

A folder that holds pictures is one clip, made of them; one that holds none is a list of the videos, and of the folders
of pictures, in it. Clips are opened when it is their turn, because each is decoded once: before that, only their heads
are looked at, and what is named to make something of them. No torch where neither a pack nor a network is.
"""

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from vldm_cli.api import checks, extend, interpolate
from vldm_cli.api.kept import Kept
from vldm_cli.api.many.lists import FLAG, NUMBER, RATE, TEXT, Line, placed
from vldm_cli.api.many.places import check_folders
from vldm_cli.api.many.task import Task, is_newer
from vldm_cli.api.many.template import OF_CLIPS, Template, check_different, out_template
from vldm_cli.api.preview import check_sheet
from vldm_cli.api.upscaling import check as check_upscaling
from vldm_cli.errors import RequestError
from vldm_cli.pipelines.interpolate.names import BY_MOTION
from vldm_cli.stages.running import AS_USUAL
from vldm_cli.video.clip import check_head
from vldm_cli.video.encoders import X264, check_encoder, try_encoder
from vldm_cli.video.kinds import VIDEOS, open_container
from vldm_cli.video.picture import SUFFIXES as PICTURES
from vldm_cli.video.pictures import counted, pictures_in
from vldm_cli.video.read import metadata_of

_ALL = {
    **dict.fromkeys(("out", "preview", "encoder"), TEXT),
    **dict.fromkeys(("seed", "crf"), NUMBER),
    "fps": RATE,
}
# What a line can say for itself.
KNOWN: dict[str, dict[str, str]] = {
    "upscale": {
        **_ALL,
        **dict.fromkeys(("scale", "steady", "noise", "tile", "steps", "guidance"), NUMBER),
        **dict.fromkeys(("space", "prompt", "negative", "layers"), TEXT),
    },
    "interpolate": {**_ALL, "factor": NUMBER, "slow": FLAG, **dict.fromkeys(("engine", "refiner"), TEXT)},
    "extend": {
        **_ALL,
        **dict.fromkeys(("frames", "steps", "guidance", "context_guidance"), NUMBER),
        **dict.fromkeys(("prompt", "negative"), TEXT),
        **dict.fromkeys(("only_new", "replacement"), FLAG),
    },
}
# Options of a video that are none of how its frames are made.
_OF_THE_FILE = ("encoder", "fps", "preview", "resume", "force")
# What a video's settings say in another way, if at all.
_TOLD_OTHERWISE = {"pack", "model", "layers", "refiner", "device", "running", "fps"}
_ENDING = {"upscale": "upscaled", "interpolate": "interpolated", "extend": "extended"}


@dataclass
class Found:
    """Clips that were named. searched: folders that were looked through, and whether those below them were; others:
    how many other files were left alone there."""

    clips: list[Path] = field(default_factory=list)
    searched: list[tuple[Path, bool]] = field(default_factory=list)
    others: int = 0

    @property
    def lines(self) -> list[Line]:
        return [Line(str(clip), {"clip": str(clip)}) for clip in self.clips]


def found(names: Sequence[str | Path]) -> Found | None:
    """The clips of these names, in the order in which people count; None where it is one name of one clip. Raises
    RequestError for a pattern that nothing has, and for a folder with no clip in it."""
    all_of = Found()
    for name in names:
        path = Path(name)
        if "\0" in str(name):
            raise RequestError("the clip's name holds a zero byte; give another name")
        if path.is_dir() and not pictures_in(path):
            all_of.searched.append((path, False))
            _take(all_of, list(path.iterdir()), f"the folder {path}", any_kind=False)
        elif glob.has_magic(str(name)) and not os.path.lexists(path):
            above = [*takewhile(lambda part: not glob.has_magic(part), path.parts)]
            below = "**" in str(name) or len(above) + 1 < len(path.parts)
            all_of.searched.append((Path(*above), below))
            matches = [Path(match) for match in glob.glob(str(name), recursive=True)]
            _take(all_of, matches, f"the pattern {name}", any_kind=not glob.has_magic(path.suffix or "*"))
        else:
            all_of.clips.append(path)
    return None if len(names) == 1 and not all_of.searched else all_of


def _take(all_of: Found, paths: list[Path], where: str, any_kind: bool) -> None:
    clips, others = [], 0
    for path in paths:
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if pictures_in(path):
                clips.append(path)
        elif any_kind or path.suffix.lower() in VIDEOS | PICTURES:
            clips.append(path)
        else:
            others += 1
    if not clips:
        raise RequestError(
            f"there are neither pictures nor videos in {where}; name a clip, or a folder of clips"
        )
    all_of.clips += sorted(clips, key=lambda path: [counted(Path(part)) for part in path.parts])
    all_of.others += others


def tasks(
    command: str,
    lines: Sequence[Line],
    out: str | Path | None,
    *,
    preview: str | Path | None,
    options: dict[str, Any],
    machines: dict[str, Any],
    searched: Sequence[tuple[Path, bool]] = (),
) -> list[Task]:
    """A video for each clip. What a line says goes before `options`, which are those of `prepare`; `machines` are as a
    `Task` has them. Raises RequestError for names that are none, of two videos, or of a clip."""
    usual = "{name}.mp4" if out is not None else f"{{name}}-{_ENDING[command]}.mp4"
    whole_out = out_template(out, usual, OF_CLIPS)
    whole_preview = None if preview is None else Template(str(preview), "--preview", OF_CLIPS)
    made = []
    for index, line in enumerate(lines, 1):
        own = dict(line.told)
        clip = Path(own.pop("clip"))
        template = Template(own.pop("out"), f"{line.where}: out", OF_CLIPS) if "out" in own else whole_out
        sheet = whole_preview
        if "preview" in own:
            sheet = Template(own.pop("preview"), f"{line.where}: preview", OF_CLIPS)
        whole = clip.absolute()
        stem = whole.name if whole.is_dir() else whole.stem
        values: dict[str, int | str] = {"index": index, "name": stem}
        name = Path(template.fill(values))
        shown = None if sheet is None else Path(sheet.fill(values))
        told = {**line.told, "out": str(name), **({} if shown is None else {"preview": str(shown)})}
        mine = {**options, **own, "preview": shown}
        made.append(Task(index, line.where, command, str(clip), name, mine, told, machines))
    sheets = [(one.where, one.options["preview"], "--preview") for one in made if one.options["preview"]]
    check_different([*((one.where, one.out, "--out") for one in made), *sheets])
    _check_apart(made, searched)
    return _sparing(made) if command == "interpolate" else made


def _sparing(made: Sequence[Task]) -> list[Task]:
    """The same tasks of `interpolate`, where motion makes some and diffusion may make others: options of the whole
    command that are for these alone are not those others'."""
    by_motion = [task.options["engine"] in BY_MOTION for task in made]
    spared: list[Task] = []
    for task, motion in zip(made, by_motion, strict=True):
        # for workers the command has named a number format; an engine that only the line names has no use for it
        dropped: dict[str, Any] = {"dtype": "auto"} if motion and "engine" in task.told else {}
        if motion and not all(by_motion):
            dropped |= {"pack": None, "running": AS_USUAL, "dtype": "auto"}
            dropped |= {} if "seed" in task.told else {"seed": None}
        spared.append(replace(task, options={**task.options, **dropped}))
    return spared


def _check_apart(made: Sequence[Task], searched: Sequence[tuple[Path, bool]]) -> None:
    """That no output, and no contact sheet, is a clip, nor lies where the same command would take it for one."""
    clips = {os.path.realpath(task.subject) for task in made}
    folders = {clip for clip in clips if os.path.isdir(clip)}
    files = [(task, task.out, "--out") for task in made]
    files += [(task, task.options["preview"], "--preview") for task in made if task.options["preview"]]
    parents = {parent: os.path.realpath(parent) for parent in {file.parent for _, file, _ in files}}
    roots = [(folder, os.path.realpath(folder), below) for folder, below in searched]
    for task, file, option in files:
        parent = parents[file.parent]
        if os.path.join(parent, file.name) in clips:
            raise RequestError(f"{task.where} is to become {file}, a clip itself; name another {option}")
        if option == "--preview" and parent in folders:
            raise RequestError(
                f"{file} would lie among the frames of a clip; name another place with {option}"
            )
    for _, file, option in files:
        parent = parents[file.parent]
        for folder, root, below in roots:
            if parent == root or (below and Path(parent).is_relative_to(root)):
                raise RequestError(
                    f"{file} would lie among the clips, where the same command finds it again ({folder}); name "
                    f"another folder with {option}"
                )


def check(made: Sequence[Task], kept: Kept) -> None:
    """Raises RequestError, naming the clip, for the first one of which it can be told now that it cannot be served."""
    check_folders((one.out for one in made), "--out")
    check_folders((one.options["preview"] for one in made if one.options["preview"]), "--preview")
    for task in made:
        options = task.options
        try:
            if task.command == "upscale":
                check_upscaling(kept, **{k: v for k, v in options.items() if k not in _OF_THE_FILE})
            elif task.command == "interpolate":
                interpolate.check(**options)
                interpolate.check_named(kept, **options)
            else:
                extend.check(**options)
                extend.check_named(kept, **options)
            checks.parse_fps(options["fps"])
            open_container(task.out)
            if options["encoder"] is not None:
                check_encoder(options["encoder"], task.out)
                try_encoder(options["encoder"])
            checks.check_kind(task.out)
            if options["preview"] is not None:
                check_sheet(options["preview"], options["force"])
            check_head(Path(task.subject), options["force"])
            _check_there(task)
        except RequestError as error:
            raise placed(task.where, error) from error


def _check_there(task: Task) -> None:
    """That what stands under the name is the work of the same command, going by all that is told without opening the
    clip; the run itself looks closer."""
    if not os.path.lexists(task.out) or task.options["force"]:
        return
    clip = Path(task.subject)
    stored = metadata_of(task.out) if task.options["resume"] else None
    if stored is None or stored.get("command") != task.command or stored.get("clip") != clip.name:
        raise RequestError(f"{task.out} exists; name another --out or add --force to replace it")
    if is_newer(clip, task.out):
        raise RequestError(f"{task.out} is older than the clip; add --force to make it again")
    settings = stored.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    # what `extend` made without says nothing of it; of the others, those that it changes nothing of say nothing too
    usual: dict[str, Any] = {"fast": [], "memory": "high"} if task.command == "extend" else {}
    had = {"encoder": X264, **usual, **settings, "seed": stored.get("seed")}
    running = task.options["running"]
    given_up = {"fast": list(running.fast), "memory": running.lossy_memory or "high"}
    asked_for = {**task.options, **given_up}
    for name, asked in asked_for.items():
        if name in _TOLD_OTHERWISE or asked in (None, "", "auto"):
            continue
        if had.get(name) not in (None, asked):
            option = f"--{name.replace('_', '-')}"
            raise RequestError(
                f"{task.out} exists and was made with another {option}; name another --out or add --force to replace it"
            )
