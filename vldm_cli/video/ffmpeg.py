"""Running the ffmpeg that imageio-ffmpeg ships: one place for its flags, its errors and its end."""

import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

from vldm_cli.errors import RunError

# Bit-exact: no dates, versions or random identifiers in the file, so the same frames are the same bytes.
BITEXACT = ("-fflags", "+bitexact", "-flags:v", "+bitexact")


def local(path: Path) -> str:
    """The file of that name and nothing else: ffmpeg would take what stands before a colon for a protocol."""
    return f"file:{Path(path).absolute()}"


def numbered(folder: Path) -> str:
    """The frames of a folder, for ffmpeg to count up: 000000.png, …, whatever the folder's name holds."""
    return f"{local(folder)}/".replace("%", "%%") + "%06d.png"


@cache
def ffmpeg_exe() -> str:
    """Path of the ffmpeg program."""
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


def run(arguments: list[str], what: str, stdin: Iterable[bytes] = ()) -> bytes:
    """Run ffmpeg with `arguments`, streaming `stdin` into it; returns what it wrote to its stdout.

    Raises RunError with ffmpeg's last words when it fails; `what` says what it was doing ("writing ball.mp4").
    If `stdin` raises, ffmpeg is ended and the exception goes on.
    """
    command = [ffmpeg_exe(), "-hide_banner", "-nostats", "-loglevel", "error", "-y", *arguments]
    with tempfile.TemporaryFile() as words, tempfile.TemporaryFile() as output:
        # In a session of its own: Ctrl-C in the terminal is ours to handle, not ffmpeg's.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=words, start_new_session=True
        )
        assert process.stdin is not None  # a pipe
        try:
            for chunk in stdin:
                process.stdin.write(chunk)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it gave up reading; its own words below say why
        except BaseException:
            process.kill()
            process.wait()
            raise
        code = process.wait()
        words.seek(0)
        said = words.read().decode(errors="replace").strip()
        # ffmpeg ends with 0 after some errors (a damaged input among several), but it never keeps quiet about one
        if code or said:
            lines = said.splitlines() or [f"it ended with status {code}"]
            raise RunError(f"{what} failed: ffmpeg says: {lines[-1].strip():.300}")
        output.seek(0)
        return output.read()


def probe(arguments: list[str]) -> tuple[bytes, str]:
    """What ffmpeg writes to its stdout and says on its stderr; it is the caller who judges what it means."""
    done = subprocess.run(
        [ffmpeg_exe(), "-hide_banner", "-nostdin", *arguments], capture_output=True, check=False
    )
    return done.stdout, done.stderr.decode(errors="replace")


@contextmanager
def output(arguments: list[str], said: list[str] | None = None) -> Iterator[IO[bytes]]:
    """ffmpeg's stdout as a stream, with memory for a pipe's worth of it. ffmpeg is ended when the block is left,
    finished or not; `said` gets the lines of errors that it has printed by then."""
    command = [ffmpeg_exe(), "-hide_banner", "-nostats", "-nostdin", "-loglevel", "error", *arguments]
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words, start_new_session=True
        )
        assert process.stdout is not None  # a pipe
        try:
            with process.stdout as stream:
                yield stream
        finally:
            if said is None:
                process.kill()
            process.wait()
        if said is not None:
            words.seek(max(0, words.tell() - 100_000))
            said += [
                line.strip() for line in words.read().decode(errors="replace").splitlines() if line.strip()
            ]


def tolerant(arguments: list[str], what: str) -> list[str]:
    """Run ffmpeg over an input that may be damaged: the errors it has printed and got over. RunError if it failed."""
    command = [ffmpeg_exe(), "-hide_banner", "-nostats", "-nostdin", "-loglevel", "error", "-y", *arguments]
    with tempfile.TemporaryFile() as words:
        # Waited for and not signalled: it ends by itself, and a half-written file is never taken for a whole one.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True
        )
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        words.seek(max(0, words.tell() - 100_000))
        lines = [line.strip() for line in words.read().decode(errors="replace").splitlines() if line.strip()]
    if code:
        said = lines[-1] if lines else f"it ended with status {code}"
        raise RunError(f"{what} failed: ffmpeg says: {said:.300}")
    return lines
