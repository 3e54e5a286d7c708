"""The folder of a run: what is finished stays finished. The same command again goes on from here.

`.NAME.vldm/` beside the output holds plan.json (what is being made), one safetensors file for each finished window
of latents, and the encoded segments (see `store`).
"""

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.runs import command_line, interrupt
from vldm_cli.runs.code import code
from vldm_cli.runs.deliver import put, recover
from vldm_cli.runs.folder import (
    COMMAND,
    DELIVERED,
    LOCK,
    OWNER,
    PLAN,
    checksums,
    has_work,
    is_bare,
    is_delivered,
    is_of,
    is_strange,
    read_json,
    remove,
    stored_codes,
    stored_command,
    stored_plan,
)
from vldm_cli.runs.lock import Lock, something_else
from vldm_cli.runs.store import Store


class Journal(Store):
    """An opened run folder, locked against other processes. A context manager: leaving it frees the lock.

    identity: JSON-able, decides what is made. A folder with the same identity is resumed; one with another, in which
    nothing is finished, or any with `resume=False`, is emptied first. out: the file that is made. made: whether that
    file is what this run would make, asked where nothing else can tell. `delivered`: it is; only tidying up is left.
    `outdated`: what the same command had saved there was of another pack, rate or version, so it begins anew.
    `lost`: what is saved there cannot be told to be anybody's any more, so it begins anew.
    `recoded`: some of what is saved there was computed by other code of the same version.
    Raises RequestError when another process is working in the folder, when it cannot be made, and when there is
    finished work of another identity in it.
    """

    def __init__(
        self,
        folder: Path,
        identity: dict,
        resume: bool = True,
        out: Path | None = None,
        made: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(folder)
        self.identity = json.loads(json.dumps(identity))
        self.recoded = False
        _check_own(folder)
        self._lock = Lock(folder)
        try:
            if out is not None:
                recover(out, folder)
            plan = stored_plan(folder)
            self.resumed = resume and plan == self.identity
            finished = out is not None and is_delivered(folder, out)
            self.delivered = self.resumed and finished
            self.outdated = resume and not finished and is_outdated(folder, self.identity)
            self.lost = resume and not finished and plan is None and has_work(folder)
            if resume and made is not None and is_bare(folder):
                self.delivered = made()
            if not self.delivered:
                self._begin()
        except OSError as error:
            self.close()
            raise RequestError(
                f"cannot work in {folder} ({error.strerror}); take it away or name another --out"
            ) from error
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        """In the folder is what is finished of this run, and of no other."""
        if not self.resumed:
            empty(self.folder)
        for path in self.folder.glob("joined*"):
            remove(path)
        if read_json(self.folder / PLAN) is None:
            words = {"words": command_line.words(), "folder": command_line.place(), "code": _codes()}
            self._write(self.folder / COMMAND, json.dumps(words, indent=1).encode())
            self._write(self.folder / PLAN, json.dumps(self.identity, indent=1).encode())
        else:
            self._go_on()

    def _go_on(self) -> None:
        """By whichever code that is: it is added to those that the folder knows of."""
        known, own = stored_codes(self.folder), _codes()
        if not known or not own or known == own:
            return
        self.recoded = self.keeps
        if not self.keeps or own[0] not in known:
            table = read_json(self.folder / COMMAND) or {}
            table["code"] = [*known, *own] if self.keeps else own
            self._write(self.folder / COMMAND, json.dumps(table, indent=1).encode())

    @property
    def keeps(self) -> bool:
        """Whether anything is finished in it."""
        return has_work(self.folder)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def joined(self, suffix: str) -> Path:
        """Where the whole video (a file, or a folder of frames) is put together: a new name, for an ffmpeg whose
        process was killed may still write under the old one."""
        path = self.folder / f"joined-{os.getpid()}{suffix}"
        remove(path)
        return path

    def deliver(self, joined: Path, out: Path, force: bool = False) -> None:
        """Puts the whole video under its final name, in one step. RunError when that fails, and when something stands
        there that is not to be replaced (`force`)."""
        seal = {"plan": self.identity, "files": checksums(joined)}
        self._write(self.folder / DELIVERED, json.dumps(seal).encode())
        interrupt.hold()
        put(joined, out, self.folder, force)

    def remove(self) -> None:
        """The video is delivered, or nothing is worth keeping: the folder goes, the lock with it."""
        dissolve(self.folder, self._lock)

    def close(self) -> None:
        """Frees the lock; what is finished stays."""
        self._lock.close()


def _codes() -> list[str]:
    """That of this process, as the folder of a run lists it; none where it cannot be told."""
    own = code()
    return [] if own is None else [own]


def dissolve(folder: Path, lock: Lock) -> None:
    """The folder goes, and the lock that is held on it. What tells that only this was left to do goes last, in case it
    is interrupted."""
    with suppress(FileNotFoundError):  # somebody has removed it all
        empty(folder, keep=(DELIVERED,))
    if os.name == "nt":  # where an open file cannot be removed
        lock.close()
    (folder / LOCK).unlink(missing_ok=True)
    lock.close()
    (folder / DELIVERED).unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError as error:
        # another process may have begun there since
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            raise


def empty(folder: Path, keep: tuple[str, ...] = ()) -> None:
    """Removes all in it but what makes the folder a process's own, and `keep`."""
    for path in folder.iterdir():
        if path.name not in (LOCK, OWNER, *keep):
            remove(path)


def check_kept(folder: Path, identity: dict, resume: bool) -> None:
    """That a run of that identity can begin or go on there, with nothing made or removed. Raises RequestError."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise something_else(folder)
    _check_own(folder)
    if resume:
        is_outdated(folder, identity)


def _check_own(folder: Path) -> None:
    """That nobody's files lie there, for all that is none of the run's would be removed."""
    if is_strange(folder):
        raise RequestError(
            f"{folder}, where the run would keep its work, holds files that are none of vldm's; take them away"
        )


def is_outdated(folder: Path, identity: dict) -> bool:
    """Whether what is finished there is of the same command (on the same clip, if on any) and yet of another identity:
    nothing can ever go on with it. Raises RequestError where it is another command's."""
    plan = stored_plan(folder)
    # of work whose plan is gone nobody knows what it is of
    if plan is None or plan == json.loads(json.dumps(identity)) or not has_work(folder):
        return False
    words, same_clip = command_line.words(), plan.get("clip") == identity.get("clip")
    if same_clip and words and stored_command(folder) is not None and is_of(folder, words):
        return True
    raise _occupied(folder, not same_clip)


def _occupied(folder: Path, other_clip: bool) -> RequestError:
    """What is there, and what can be done about it."""
    stored, words = stored_command(folder), command_line.words()
    if other_clip and stored is not None and words and is_of(folder, words):
        return RequestError(
            f"{folder} keeps what was finished of the clip as it was before: put that back and give the same command "
            "again, or start over with --fresh"
        )
    text = f"{folder} keeps what another command has finished before it was stopped: start over with --fresh"
    if stored is None:
        return RequestError(f"{text}, name another --out, or give that command again")
    words, place = stored
    where = "" if place == command_line.place() else f" in {place}"
    return RequestError(f"{text}, name another --out, or let that command go on{where}", words)
