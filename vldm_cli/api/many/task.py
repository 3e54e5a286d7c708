"""One video of a list: what is to be made, as plain data that any process can be sent, and making it there."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vldm_cli.api import extend, interpolate, upscale
from vldm_cli.api.kept import NAMING, Kept
from vldm_cli.api.request import asked, complete
from vldm_cli.api.variations import is_made
from vldm_cli.errors import RequestError, RunError, unexpected
from vldm_cli.packs.choice import Choice
from vldm_cli.pipelines.interpolate.names import BY_MOTION
from vldm_cli.runs import command_line, interrupt
from vldm_cli.runs.progress import Progress
from vldm_cli.runs.result import Video
from vldm_cli.stages.running import Running

if TYPE_CHECKING:
    from vldm_cli.pipelines.clip.job import ClipJob
    from vldm_cli.pipelines.generate.request import GenerateRequest
    from vldm_cli.runs.pool.pool import Pool


@dataclass(frozen=True)
class Task:
    """A video that is asked for. index: from 1; where: the line of a file that asks for it, in words, or ""; command:
    its name; subject: the prompt, or the clip's file; options: what the command's `prepare` is told besides subject and
    output; told: what a line of a list says to ask for it again; machines: what was asked of where it is made and in
    which format, in place of what options have of that for this process, which may only direct others."""

    index: int
    where: str
    command: str
    subject: str
    out: Path
    options: dict[str, Any]
    told: dict[str, Any]
    machines: dict[str, Any]

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments of `vldm` that make this video alone."""
        words = [self.command]
        for name, value in {**self.options, **self.machines}.items():
            option = f"--{name.replace('_', '-')}"
            if isinstance(value, Choice):
                words += value.words() if value != Choice("toyland") else []
            elif isinstance(value, Running):
                words += value.words()
            elif name == "resume":
                words += [] if value else ["--fresh"]
            elif isinstance(value, bool):
                words += [option] if value else ["--no-upscale"] if name == "upscale" else []
            elif isinstance(value, tuple | list):
                words += [word for one in value for word in (option, str(one))]
            elif value is not None and (value not in ("", "auto") or name == "ray"):  # whose "auto" says much
                words += [option, str(value)]
        words += ["-o", str(self.out)]
        if self.subject.startswith("-"):  # no option all the same
            return (*words, "--", self.subject)
        return (words[0], self.subject, *words[1:])


@dataclass(frozen=True)
class Outcome:
    """What became of a task: a video; or it was made before, with that seed; or an error, in one sentence, and where in
    the code it came from."""

    task: Task
    video: Video | None = None
    seed: int | None = None
    error: str | None = None
    trace: str = ""

    @property
    def made_before(self) -> bool:
        """Whether there was nothing to do."""
        return self.video is None and self.error is None

    def as_table(self) -> dict[str, Any]:
        """The JSON object of `--json`."""
        told = {"index": self.task.index, "out": str(self.task.out)}
        if self.video is not None:
            return {**told, **self.video.as_table()}
        if self.error is not None:
            subject = "prompt" if self.task.command == "generate" else "clip"
            return {**told, subject: self.task.subject, "error": self.error}
        return {**told, "seed": self.seed, "made_before": True}


def make(task: Task, kept: Kept, progress: Progress | None = None, pool: Pool | None = None) -> Outcome:
    """Makes the video of a task in this process, or what is missing of it, or has the pool's workers make it. kept:
    what this process has opened for others. Whatever goes wrong is told, for others are to be made; a closed pipe and
    Ctrl-C alone are raised."""
    try:
        with command_line.told(task.words):
            return (
                _generated(task, kept, progress, pool)
                if task.command == "generate"
                else _of_clip(task, kept, progress, pool)
            )
    except BrokenPipeError:
        raise
    except (RequestError, RunError) as error:
        return Outcome(task, error=" ".join(str(error).split()), trace=traceback.format_exc())
    except Exception as error:  # a fault in one video is none of the others'
        return Outcome(task, error=unexpected(error), trace=traceback.format_exc())
    finally:
        interrupt.release()


def request_of(task: Task, kept: Kept) -> tuple[GenerateRequest, str | None]:
    """(the request of a task of `generate`, complete; the warning about it). Raises RequestError."""
    options = dict(task.options)
    image, sketch = options.pop("image"), options.pop("sketch", ())
    pack = kept.asked(options)
    options = {name: value for name, value in options.items() if name not in NAMING}
    request, warning = asked(task.subject, task.out, pack, **options)
    return complete(request, pack, image, sketch), warning


def job_of(task: Task, kept: Kept) -> tuple[ClipJob, bool]:
    """(the job of a task on a clip, whether its file is there already, made by the same one). Raises RequestError."""
    from vldm_cli.runs.attempt import holds
    from vldm_cli.video.read import metadata_of

    prepare = {"extend": extend.prepare, "interpolate": interpolate.prepare, "upscale": upscale.prepare}
    options, there = dict(task.options), task.out.exists() and not is_newer(Path(task.subject), task.out)
    if there and options["resume"]:
        seed = (metadata_of(task.out) or {}).get("seed") if _draws(options) else None
        seen = {**options, "seed": seed if options["seed"] is None else options["seed"], "force": True}
        job = prepare[task.command](Path(task.subject), task.out, **seen, kept=kept)  # type: ignore[operator]
        if holds(task.out, job.metadata):
            return job, True
    return prepare[task.command](Path(task.subject), task.out, **options, kept=kept), False  # type: ignore[operator]


def _draws(options: dict[str, Any]) -> bool:
    """Whether a seed is an option of what makes the frames: of networks for pictures and of motion it is none."""
    return options.get("model") is None and options.get("engine") not in BY_MOTION


def is_newer(clip: Path, out: Path) -> bool:
    """Whether a clip, or a picture of its folder, was written after the video that was made of it."""
    made = out.stat().st_mtime
    files = clip.iterdir() if clip.is_dir() else [clip]
    return any(file.stat().st_mtime > made for file in files if file.is_file())


def _generated(task: Task, kept: Kept, progress: Progress | None, pool: Pool | None) -> Outcome:
    from vldm_cli.pipelines.generate.run import generate as run

    request, _ = request_of(task, kept)
    pack = kept.asked(task.options)
    if is_made(request, pack.pack):
        return Outcome(task, seed=request.seed)
    return Outcome(task, run(request, pack.pack, progress, pack.models, pool))


def _of_clip(task: Task, kept: Kept, progress: Progress | None, pool: Pool | None) -> Outcome:
    from vldm_cli.pipelines.clip.run import run
    from vldm_cli.pipelines.extend.run import run as run_extend
    from vldm_cli.runs.attempt import tidy

    job, made = job_of(task, kept)
    if made:
        tidy(job.out)  # in case its run was stopped in its last moment
        return Outcome(task, seed=job.seed)
    work = run_extend if task.command == "extend" else run
    return Outcome(task, work(job, job.clip.fingerprint(), progress, pool))  # type: ignore[arg-type]
