"""Who works in a folder where the file system has no locks: a file that only one process can make, with its host,
number and start."""

import contextlib
import json
import os
import platform
import secrets
import time
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.runs.folder import OWNER, read_json

_WRITTEN = 60  # seconds within which the file of a living process has its words in it


class Owner:
    """The folder is this process's until `leave`. RequestError while another one, or one of another machine, has it.
    What a process of this machine that is no more has left is recognised and taken away."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / OWNER
        mine = _of(os.getpid())
        while True:
            try:
                number = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                self._take_away()
                continue
            except OSError as error:
                raise RequestError(
                    f"cannot write to {folder} ({error.strerror}); name another --out"
                ) from error
            with open(number, "w", encoding="utf-8") as file:
                json.dump(mine, file)
                file.flush()
                os.fsync(number)
            return

    def leave(self) -> None:
        """Another may have it. What cannot be removed is stale once this process is no more."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _take_away(self) -> None:
        """A stale file is gone afterwards. RequestError if it is not stale."""
        stored = read_json(self.path)
        try:
            age = time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return
        begun = stored is None and age > _WRITTEN  # by one who was killed before it was written
        if not begun and (stored is None or stored.get("host") != platform.node()):
            where = f"on {(stored or {}).get('host', 'another machine')!s:.80}"
            raise RequestError(
                f"another vldm is making this video ({where}, in {self.path.parent}, whose file system has no locks); "
                f"wait for it, name another --out, or remove {self.path} if it is no more"
            )
        pid = (stored or {}).get("pid")
        if isinstance(pid, int) and pid > 0 and stored == _of(pid):
            raise RequestError(
                f"another vldm is making this video (process {pid} in {self.path.parent}); "
                "wait for it or name another --out"
            )
        # Renamed first: of two who see it stale only one removes this very file, and a new one is put back.
        aside = self.path.with_name(f"{OWNER}.{secrets.token_hex(4)}")
        with contextlib.suppress(FileNotFoundError):
            os.rename(self.path, aside)
            if read_json(aside) != stored:
                with contextlib.suppress(OSError):
                    os.link(aside, self.path)
            aside.unlink()


def _of(pid: int) -> dict:
    """What tells that process from every other, of this machine and of another; `started` None if it is no more, or
    the system does not tell."""
    return {"host": platform.node(), "boot": _boot(), "pid": pid, "started": _started(pid)}


def _boot() -> str | None:
    """Which start of the machine this is; None where the system does not tell (Linux does)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When that process began, in the system's own words."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return text.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    if os.name == "nt" or Path("/proc/self/stat").exists():
        return None
    import subprocess

    try:
        done = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() or None
