"""A command on a clip: finished frames pulled segment by segment into a file that keeps all that the clip has.

The same journal, segments and order of work as in `chain`: an interrupted run goes on at its first missing segment
and ends with the same bytes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path

import torch

from vldm_cli import __version__
from vldm_cli.errors import RequestError, RunError
from vldm_cli.stages.journal import Journal, is_delivered, run_folder
from vldm_cli.stages.memory import is_out_of_memory, peak_bytes, reset_peak
from vldm_cli.stages.plan import SEGMENT
from vldm_cli.stages.preview import ContactSheet
from vldm_cli.stages.progress import Clock, Meter, NullProgress, Progress
from vldm_cli.video.assemble import assemble
from vldm_cli.video.carry import Baggage
from vldm_cli.video.clip import Clip
from vldm_cli.video.look import Look, Raw
from vldm_cli.video.segments import encode_frames
from vldm_cli.video.times import Times
from vldm_cli.video.write import SETTINGS, open_container

Make = Callable[[int, Clock, dict[str, Meter]], Iterator[bytes]]
"""make(start, clock, meters): finished frames start, start + 1, … as `Job.raw` describes them."""


@dataclass(frozen=True)
class Job:
    """What is made of a clip. `settings` is all that decides the frames (JSON-able); `stages` names the stages of
    `make`, whose progress is counted in finished frames; `baggage` and `times` are of the new file; `plan` holds
    numbers for `--dry-run`."""

    clip: Clip
    out: Path
    command: str
    settings: dict
    make: Make
    raw: Raw
    look: Look
    times: Times
    baggage: Baggage
    stages: tuple[str, ...]
    crf: int
    device: torch.device
    remedy: str
    pack: dict | None = None
    seed: int | None = None
    preview: Path | None = None
    resume: bool = True
    force: bool = False
    warnings: list[str] = field(default_factory=list)
    plan: dict = field(default_factory=dict)


@dataclass(frozen=True)
class ClipResult:
    """What was made; `seconds` by stage."""

    out: Path
    frames: int
    fps: Fraction
    width: int
    height: int
    seconds: dict[str, float]
    total_seconds: float
    first_segment_seconds: float | None
    seed: int | None
    pack: dict | None
    settings: dict
    device: str
    peak_memory_bytes: int | None
    warnings: list[str]

    def as_table(self) -> dict:
        """The JSON object of CLI.md."""
        first = self.first_segment_seconds
        return {
            "out": str(self.out),
            "frames": self.frames,
            "fps": str(self.fps),
            "width": self.width,
            "height": self.height,
            "seconds": {
                "wall": self.total_seconds,
                "first_segment": None if first is None else round(first, 3),
                "stages": self.seconds,
            },
            "seed": self.seed,
            "prompt": None,
            "pack": self.pack,
            "settings": self.settings,
            "device": self.device,
            "peak_memory_bytes": self.peak_memory_bytes,
            "warnings": self.warnings,
        }


def identity(job: Job, fingerprint: str) -> dict:
    """What the job's journal is known by."""
    return {
        "command": job.command,
        "clip": fingerprint,
        "frames": len(job.times),
        "out": open_container(job.out),
        "pack": job.pack,
        "seed": job.seed,
        "settings": {**job.settings, "crf": job.crf},
        "vldm": __version__,
    }


def run(job: Job, fingerprint: str, progress: Progress | None = None) -> ClipResult:
    """Makes the file, or goes on with the run that was interrupted. RequestError, with nothing written, where that
    is no place for it; RunError when it breaks: what is finished is then kept."""
    clock, progress = Clock(), progress or NullProgress()
    folder = run_folder(job.out)
    check_out(job)
    reset_peak(job.device)
    first, said = None, []
    with Journal(folder, identity(job, fingerprint), job.resume) as journal:
        try:
            with torch.inference_mode():
                if not (journal.resumed and is_delivered(folder, job.out)):
                    first, said = _make(job, journal, progress, clock)
        except RunError as error:
            raise RunError(f"{error}; {_saved(journal)}") from error
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise RunError(f"memory ran out on {job.device}; {_saved(journal)} ({job.remedy})") from error
        journal.remove()
    return ClipResult(
        out=job.out,
        frames=len(job.times),
        fps=job.times.fps,
        width=job.raw.width,
        height=job.raw.height,
        seconds={stage: round(seconds, 3) for stage, seconds in clock.seconds.items()},
        total_seconds=round(clock.elapsed, 3),
        first_segment_seconds=first,
        seed=job.seed,
        pack=job.pack,
        settings={**job.settings, "crf": job.crf},
        device=str(job.device),
        peak_memory_bytes=peak_bytes(job.device),
        warnings=[*job.warnings, *said],
    )


def _make(job: Job, journal: Journal, progress: Progress, clock: Clock) -> tuple[float | None, list[str]]:
    """All segments that are missing, then the file: seconds until the first segment of this run was on disk, and
    remarks from joining."""
    count, kind = len(job.times), open_container(job.out)
    meters = {stage: Meter(progress, stage, count) for stage in (*job.stages, "write")}
    meters["join"] = Meter(progress, "join", 2)
    sheet = ContactSheet(job.preview, count, journal) if job.preview else None
    firsts = range(0, count, SEGMENT)
    stream, first_seconds = None, None
    for index, start in enumerate(firsts):
        stop = min(start + SEGMENT, count)
        if journal.has_segment(index):
            if stream is not None:
                stream.close()
            stream = None
        else:
            if stream is None:
                stream = _seen(job, job.make(start, clock, meters), start, sheet, meters["write"])
            with clock.stage("write"):
                _segment(job, journal, index, start, islice(stream, stop - start), kind)
            first_seconds = clock.elapsed if first_seconds is None else first_seconds
            if sheet:
                sheet.write()
        for stage in (*job.stages, "write"):
            meters[stage].upto(stop)
        progress.finished(stop - start)
    with clock.stage("join"):
        joined = journal.joined(job.out.suffix)
        segments = [(journal.segment(index), start) for index, start in enumerate(firsts)]
        said = assemble(job.clip, segments, joined, kind, job.times, job.baggage, _metadata(job))
        meters["join"].upto(1)
        journal.deliver(joined, job.out)
        meters["join"].upto(2)
    return first_seconds, said


def _segment(job: Job, journal: Journal, index: int, start: int, frames: Iterator[bytes], kind: str) -> None:
    def write(path: Path) -> None:
        encode_frames(path, frames, job.raw, job.look, job.times, start, kind, job.crf)

    journal.make_segment(index, write)


def _seen(
    job: Job, frames: Iterator[bytes], start: int, sheet: ContactSheet | None, meter: Meter
) -> Iterator[bytes]:
    for number, frame in enumerate(frames, start):
        if sheet and number in sheet.shown:
            sheet.see(number, job.look.to_rgb(job.raw, frame))
        yield frame
        meter.upto(number + 1)


def _metadata(job: Job) -> dict:
    """What `vldm info` shows: nothing in it changes from run to run."""
    return {
        "vldm": __version__,
        "command": job.command,
        "clip": job.clip.path.name,
        "seed": job.seed,
        "pack": job.pack,
        "settings": {**job.settings, "crf": job.crf, "fps": str(job.times.fps)},
    }


def check_out(job: Job) -> None:
    """Raises RequestError when the file cannot or must not be written."""
    out = job.out
    if not out.parent.is_dir():
        raise RequestError(f"there is no folder {out.parent}; make it or name another place with --out")
    if out.exists() and out.samefile(job.clip.path):
        raise RequestError(f"{out} is the clip itself; name another --out")
    if job.resume and is_delivered(run_folder(out), out):
        return
    if out.exists() and not job.force:
        raise RequestError(f"{out} exists; name another --out or add --force to replace it")
    if out.is_dir() and any(path.suffix != ".png" and path.name != SETTINGS for path in out.iterdir()):
        raise RequestError(f"{out} holds more than PNG frames and is not replaced; name another --out")


def _saved(journal: Journal) -> str:
    return f"what is finished is kept in {journal.folder} and the same command goes on from there"
