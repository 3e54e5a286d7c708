"""One attempt at a file, the same for every command: where it may be written, its journal, and what is said when it
breaks: what is saved, and that the same command goes on."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from vldm_cli.errors import RequestError, RunError
from vldm_cli.runs.journal import Journal, is_delivered, run_folder, stored_plan
from vldm_cli.runs.memory import is_out_of_memory, reset_peak
from vldm_cli.runs.progress import Clock
from vldm_cli.video.kinds import open_container
from vldm_cli.video.write import SETTINGS

Made = TypeVar("Made")


def check_out(out: Path, resume: bool, force: bool) -> None:
    """Raises RequestError when the file cannot or must not be written; an unknown suffix included."""
    open_container(out)
    if not out.parent.is_dir():
        raise RequestError(f"there is no folder {out.parent}; make it or name another place with --out")
    if resume and is_delivered(run_folder(out), out):
        return
    if out.exists() and not force:
        raise RequestError(f"{out} exists; name another --out or add --force to replace it")
    if out.is_dir() and any(path.suffix != ".png" and path.name != SETTINGS for path in out.iterdir()):
        raise RequestError(f"{out} holds more than PNG frames and is not replaced; name another --out")


def seed_of(asked: int | None, out: Path, resume: bool, known_as: Callable[[dict], dict]) -> int:
    """The seed that was asked for; or the one of the interrupted run of the same request; or a drawn one.

    known_as(plan): the identity that this request would have with the seed of that plan.
    """
    if asked is not None:
        return asked
    stored = stored_plan(run_folder(out)) if resume else None
    if stored is not None and isinstance(stored.get("seed"), int) and stored == known_as(stored):
        return stored["seed"]
    return secrets.randbelow(2**31)


def attempt(
    out: Path,
    identity: dict,
    work: Callable[[Journal], Made],
    *,
    resume: bool,
    device: torch.device,
    clock: Clock,
    remedy: str,
) -> Made | None:
    """What `work` returns, whose journal goes when it has delivered `out`; None when only that was left to do.

    remedy: what to do when memory runs out. Raises RequestError when another process is at it, and RunError when it
    breaks: what is finished is then kept.
    """
    folder = run_folder(out)
    reset_peak(device)
    made = None
    with Journal(folder, identity, resume) as journal:
        saved = f"what is finished is kept in {folder} and the same command goes on from there"
        try:
            with torch.inference_mode():
                if not (journal.resumed and is_delivered(folder, out)):
                    made = work(journal)
        except RunError as error:
            raise RunError(f"{error}; {saved}") from error
        except OSError as error:  # a disk that is full or gone, where no one has a better word for it
            at = f" at {error.filename}" if error.filename else ""
            raise RunError(f"{error.strerror or error}{at}; {saved}") from error
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            stage = f"in the stage {clock.failed_in} " if clock.failed_in else ""
            raise RunError(f"memory ran out {stage}on {device}; {saved} ({remedy})") from error
        journal.remove()
    return made
