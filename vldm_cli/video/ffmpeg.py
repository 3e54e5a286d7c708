"""Running the ffmpeg that imageio-ffmpeg ships: one place for its flags, its errors and its end."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Thread
from typing import IO

from vldm_cli.errors import RequestError, RunError, ran_out

# Bit-exact: no dates, versions or random identifiers in the file, so the same frames are the same bytes.
BITEXACT = ("-fflags", "+bitexact", "-flags:v", "+bitexact")
REMEDY = (
    "install imageio-ffmpeg again, or set IMAGEIO_FFMPEG_EXE to an ffmpeg with the encoders that are needed"
)
_LAST = 100_000  # of what it says, so many bytes are kept

# What ffmpeg says last, whatever the reason was.
_GENERAL = re.compile(
    r"Nothing was written into output|Terminating thread|Conversion failed|Task finished with error"
)

_running: set[subprocess.Popen] = set()


def local(path: Path) -> str:
    """The file of that name and nothing else: ffmpeg would take what stands before a colon for a protocol."""
    return f"file:{Path(path).absolute()}"


def numbered(folder: Path) -> str:
    """The frames of a folder, for ffmpeg to count up: 000000.png, …, whatever the folder's name holds."""
    return f"{local(folder)}/".replace("%", "%%") + "%06d.png"


@cache
def ffmpeg_exe() -> str:
    """Path of the ffmpeg program. Raises RequestError when there is none that runs: asked for before anything is
    made, it is known then."""
    import imageio_ffmpeg

    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        told = subprocess.run(
            [program, "-version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60
        )
        is_ffmpeg = told.returncode == 0 and told.stdout.startswith(b"ffmpeg version")
        why = "" if is_ffmpeg else f"{program} is no ffmpeg"
    except (OSError, RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
        if ran_out(error):
            raise
        why = " ".join(str(error).split())[:200]
    if why:
        raise RequestError(f"ffmpeg cannot be run ({why}); {REMEDY}")
    return program


@cache
def takes(*options: str) -> bool:
    """Whether this ffmpeg knows these options ("-content_light"); others than the one that is installed may not."""
    known = probe(["-h", "full"])[0].decode(errors="replace")
    return all(re.search(rf"^{re.escape(option)}[\[ ]", known, re.MULTILINE) for option in options)


def end_all() -> None:
    """Ends every ffmpeg that is at work, because this process is about to end itself."""
    for process in list(_running):
        process.kill()


def run(arguments: list[str], what: str, stdin: Iterable[bytes] = (), folder: Path | None = None) -> bytes:
    """Run ffmpeg with `arguments`, in `folder` if that is given, streaming `stdin` into it; returns what it wrote to
    its stdout.

    Raises RunError with ffmpeg's last words when it fails; `what` says what it was doing ("writing ball.mp4").
    If `stdin` raises, ffmpeg is ended and the exception goes on.
    """
    command = [ffmpeg_exe(), "-hide_banner", "-nostats", "-loglevel", "error", "-y", *arguments]
    with _started(command, subprocess.PIPE, folder) as process:
        assert process.stdin is not None  # a pipe
        words, output = process.drain(process.stderr), process.drain(process.stdout, whole=True)
        try:
            for chunk in stdin:
                process.stdin.write(chunk)
            process.stdin.close()
        except BrokenPipeError:
            with suppress(BrokenPipeError):  # it gave up reading; its own words below say why
                process.stdin.close()
        code = process.wait()
        said = words.read().decode(errors="replace").strip()
        # ffmpeg ends with 0 after some errors (a damaged input among several), but it never keeps quiet about one
        if code or said:
            lines = said.splitlines() or [f"it ended with status {code}"]
            raise RunError(f"{what} failed: ffmpeg says: {_reason(lines):.300}")
        return output.read()


def probe(arguments: list[str]) -> tuple[bytes, str]:
    """What ffmpeg writes to its stdout and says on its stderr; it is the caller who judges what it means."""
    with _started([ffmpeg_exe(), "-hide_banner", "-nostdin", *arguments]) as process:
        out, said = process.communicate()
    return out, said.decode(errors="replace")


def packets(listed: bytes) -> int:
    """How many packets there are in what ffmpeg's `framecrc` lists: a line each, behind comments."""
    return sum(line[:1] not in (b"#", b"") for line in listed.splitlines())


@contextmanager
def output(arguments: list[str], said: list[str] | None = None) -> Iterator[IO[bytes]]:
    """ffmpeg's stdout as a stream, with memory for a pipe's worth of it. ffmpeg is ended when the block is left,
    finished or not; `said` gets the lines of errors that it has printed by then."""
    command = [ffmpeg_exe(), "-hide_banner", "-nostats", "-nostdin", "-loglevel", "error", *arguments]
    with _started(command) as process:
        assert process.stdout is not None  # a pipe
        words = process.drain(process.stderr)
        try:
            with process.stdout as stream:
                yield stream
        finally:
            if said is None:
                process.kill()
            process.wait()
        if said is not None:
            said += _lines(words.read())


def tolerant(arguments: list[str], what: str, folder: Path | None = None) -> list[str]:
    """Run ffmpeg, in `folder` if that is given, over an input that may be damaged: the errors it has printed and got
    over. RunError if it failed."""
    command = [ffmpeg_exe(), "-hide_banner", "-nostats", "-nostdin", "-loglevel", "error", "-y", *arguments]
    with _started(command, folder=folder) as process:
        words, printed = process.drain(process.stderr), process.drain(process.stdout)
        code = process.wait()
        printed.read()
        lines = _lines(words.read())
    if code:
        said = _reason(lines or [f"it ended with status {code}"])
        raise RunError(f"{what} failed: ffmpeg says: {said:.300}")
    return lines


def plain(words: str) -> str:
    """A line of ffmpeg's without its level and without addresses of memory."""
    return re.sub(r" ?\[(error|fatal|warning)\]| @ 0x[0-9a-f]+", "", words)


@contextmanager
def _started(
    command: list[str], stdin: int = subprocess.DEVNULL, folder: Path | None = None
) -> Iterator["_Process"]:
    """ffmpeg at work, in a session of its own: Ctrl-C in the terminal is ours to handle, not ffmpeg's. When an
    exception leaves the block it is ended, so a half-written file is never taken for a whole one."""
    process = _Process(
        command,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        start_new_session=True,
    )
    _running.add(process)
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    finally:
        process.wait()
        for drain in process.drains:  # none reads a pipe that is closed, or another that has got its number
            drain.read()
        _running.discard(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


class _Process(subprocess.Popen):
    """ffmpeg, and who reads what it says."""

    def __init__(self, *arguments, **options) -> None:
        self.drains: list[_Drain] = []
        super().__init__(*arguments, **options)

    def drain(self, pipe: IO[bytes] | None, whole: bool = False) -> "_Drain":
        """Reads the pipe, one of this process, until its end; by the end of the process that is all."""
        self.drains.append(_Drain(pipe, whole))
        return self.drains[-1]


class _Drain:
    """Reads a pipe to its end in a thread of its own, so that who writes never waits, and no file is needed for it."""

    def __init__(self, pipe: IO[bytes] | None, whole: bool = False) -> None:
        self._pipe, self._most, self._data = pipe, None if whole else _LAST, bytearray()
        self._thread = Thread(target=self._drain, name="ffmpeg's words", daemon=True)
        self._thread.start()

    def read(self) -> bytes:
        """What has come, once that is all: the whole of it, or its end."""
        self._thread.join()
        return bytes(self._data)

    def _drain(self) -> None:
        assert self._pipe is not None  # a pipe
        while block := os.read(self._pipe.fileno(), 1 << 16):
            self._data += block
            if self._most is not None and len(self._data) > 2 * self._most:
                del self._data[: -self._most]


def _reason(lines: list[str]) -> str:
    """The last line that says more than that it failed, without addresses of memory."""
    found = next((line for line in reversed(lines) if not _GENERAL.search(line)), lines[-1])
    return re.sub(r" @ 0x[0-9a-f]+", "", found).strip()


def _lines(said: bytes) -> list[str]:
    lines = said[-_LAST:].decode(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()]
