"""One attempt at a file, the same for every command: where it may be written, its journal, and what is said when it
breaks: what is saved, and that the same command goes on."""

import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import torch

from vldm_cli.errors import RequestError, RunError, ran_out
from vldm_cli.runs import interrupt
from vldm_cli.runs.folder import is_bare, is_delivered, run_folder, stored_plan
from vldm_cli.runs.journal import Journal, dissolve
from vldm_cli.runs.lock import Lock
from vldm_cli.runs.memory import reset_peak
from vldm_cli.runs.progress import Clock
from vldm_cli.video.ffmpeg import ffmpeg_exe
from vldm_cli.video.kinds import open_container
from vldm_cli.video.read import metadata_of
from vldm_cli.video.stored import SETTINGS

Made = TypeVar("Made")


def check_out(out: Path, resume: bool, force: bool, metadata: dict | None = None) -> None:
    """Raises RequestError when the file cannot or must not be written; an unknown suffix included. metadata: what is
    stored in the file that is to be made, by which a finished one is known where its run has left nothing else."""
    open_container(out)
    ffmpeg_exe()  # that it can be run is known before anything is made
    if not out.parent.is_dir():
        raise RequestError(f"there is no folder {out.parent}; make it or name another place with --out")
    folder = run_folder(out)
    if resume and (is_delivered(folder, out) or (is_bare(folder) and holds(out, metadata))):
        return
    if not force:
        _refuse_existing(out)
    if out.is_dir() and any(path.suffix != ".png" and path.name != SETTINGS for path in out.iterdir()):
        raise RequestError(f"{out} holds more than PNG frames and is not replaced; name another --out")


def seed_of(asked: int | None, out: Path, resume: bool, known_as: Callable[[dict], dict]) -> int:
    """The seed that was asked for; or the one of the interrupted run of the same request; or a drawn one.

    known_as(plan): the identity that this request would have with the seed of that plan.
    """
    if asked is not None:
        return asked
    if resume:
        stored = stored_plan(run_folder(out))
        if stored is not None and isinstance(stored.get("seed"), int) and stored == known_as(stored):
            return stored["seed"]
        if is_bare(run_folder(out)):  # all is made and told, but for the folder, which is still there
            seed = (metadata_of(out) or {}).get("seed")
            if type(seed) is int and 0 <= seed < 2**63:
                return seed
    return secrets.randbelow(2**31)


def holds(out: Path, metadata: dict | None) -> bool:
    """Whether a video stands there in which just that is stored, beside other things."""
    stored = metadata_of(out)
    if not metadata or not stored:
        return False
    return all(
        key in stored and stored[key] == value for key, value in json.loads(json.dumps(metadata)).items()
    )


def tidy(out: Path) -> None:
    """Removes what is left of a run whose file is in its place; nothing where it is not, or another is at it."""
    folder = run_folder(out)

    def is_left() -> bool:
        return is_delivered(folder, out) or (out.exists() and is_bare(folder))

    if is_left():
        with suppress(RequestError):  # another process has it
            lock = Lock(folder)
            dissolve(folder, lock) if is_left() else lock.close()


def attempt(
    out: Path,
    identity: dict,
    work: Callable[[Journal], Made],
    *,
    resume: bool,
    force: bool = False,
    metadata: dict | None = None,
    device: torch.device,
    clock: Clock,
    remedy: str,
    remarks: list[str] | None = None,
) -> Made | None:
    """What `work` returns, whose journal goes when it has delivered `out`; None when only that was left to do.

    force: what stands there may be replaced. metadata: as for `check_out`. remedy: what to do when memory runs out.
    remarks: gets what is to be said to the person of a run that goes well.
    Raises RequestError, with nothing written, when another process is at it or it cannot be served, and RunError when
    it breaks: what is finished is then kept.
    """
    folder = run_folder(out)
    reset_peak(device)
    interrupt.release()
    with Journal(folder, identity, resume, out, None if force else lambda: holds(out, metadata)) as journal:
        made = None
        if journal.outdated and remarks is not None:
            remarks.append(f"what was saved in {folder} was of another pack, rate or vldm; it is begun anew")
        if journal.lost and remarks is not None:
            remarks.append(f"what was saved in {folder} is damaged; it is begun anew")
        if journal.recoded and remarks is not None:
            remarks.append(
                f"vldm's code has changed since {out} was begun: what was finished then stays as it is, and the rest "
                "is computed by the code of now; --fresh makes all of it anew"
            )
        try:
            if not journal.delivered:
                if not force:
                    _refuse_existing(out)
                with torch.inference_mode():
                    made = work(journal)
        except BaseException as error:
            told = _told(error, journal, f"{_stage(clock)}on {device}", remedy)
            if not journal.keeps:
                with suppress(OSError):  # it is of no use, and why it broke is what counts
                    journal.remove()
            if told is error:
                raise
            raise told from error
        try:
            journal.remove()
        except OSError as error:
            raise RunError(f"{out} is whole, but {folder} cannot be removed ({error.strerror})") from error
    return made


def _told(error: BaseException, journal: Journal, where: str, remedy: str) -> BaseException:
    """The exception for the person: what is saved is said with it."""
    saved = "nothing was finished by then, so the same command begins anew"
    if journal.keeps:
        saved = f"what is finished is kept in {journal.folder} and the same command goes on from there"
    lacking = ran_out(error)
    if lacking == "memory":
        return RunError(f"memory ran out {where}; {saved} ({remedy})")
    if lacking:
        return RunError(f"too few open files are allowed here (`ulimit -n 256` gives more); {saved}")
    if isinstance(error, RunError) or (isinstance(error, RequestError) and journal.keeps):
        return RunError(f"{error}; {saved}")
    if isinstance(error, OSError):  # a disk that is full or gone, where no one has a better word for it
        at = f" at {error.filename}" if error.filename else ""
        return RunError(f"{error.strerror or error}{at}; {saved}")
    return error


def _stage(clock: Clock) -> str:
    return f"in the stage {clock.failed_in} " if clock.failed_in else ""


def _refuse_existing(out: Path) -> None:
    if os.path.lexists(out):
        raise RequestError(f"{out} exists; name another --out or add --force to replace it")
