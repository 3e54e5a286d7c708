"""Segments that are read one after the other as one input of ffmpeg."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def listed(segments: Sequence[Path], lines: Sequence[str] = ()) -> Iterator[tuple[list[str], Path]]:
    """Options of that input, and the folder in which ffmpeg has to run for them. lines: what follows each one's name.

    The list is a file of text, line by line, beside the segments, so no name above them may stand in it (there may be
    line ends and bytes in it that are no text): ffmpeg finds them from where it runs.
    """
    folder = Path(segments[0]).parent
    listing = folder / f".segments.{os.getpid()}.txt"
    rest = lines or [""] * len(segments)
    names = (os.fsencode(os.path.relpath(segment, folder)).replace(b"'", rb"'\''") for segment in segments)
    try:
        listing.write_bytes(
            b"".join(b"file '%s'\n%s" % (name, line.encode()) for name, line in zip(names, rest, strict=True))
        )
        yield ["-f", "concat", "-safe", "0", "-i", f"file:{listing.name}"], folder
    finally:
        listing.unlink(missing_ok=True)
