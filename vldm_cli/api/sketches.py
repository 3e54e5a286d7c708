"""Sketches as people name them: FILE, or FILE@FRAME."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from vldm_cli.errors import RequestError, shown
from vldm_cli.video.numbers import whole_of

if TYPE_CHECKING:
    import numpy as np

    from vldm_cli.packs.manifest import Manifest
    from vldm_cli.pipelines.generate.sketches import Sketch

Drawing: TypeAlias = "str | Path | tuple[str | Path | np.ndarray, int]"
"""A file, "FILE@FRAME", or a file or picture and its frame."""


def with_frames(drawings: Sequence[Drawing] | str | Path) -> list[tuple]:
    """Each drawing, or the name of its file, and its frame."""
    if isinstance(drawings, str | Path):
        drawings = [drawings]
    return [one if isinstance(one, tuple) else frame_of(str(one)) for one in drawings]


def read_sketches(
    drawings: Sequence[Drawing], size: tuple[int, int], manifest: Manifest
) -> tuple[Sketch, ...]:
    """The drawings in (height, width), cut to that shape about their centres. Raises RequestError for what is none, and
    for any if the pack follows none."""
    from vldm_cli.pipelines.generate.sketches import Sketch, check_follows
    from vldm_cli.video.read import read_image

    if drawings:
        check_follows(manifest)
    found = []
    for named, frame in with_frames(drawings):
        number = whole_of(frame, 0, 10**6)
        if number is None:
            raise RequestError(
                f"--sketch {shown(named)}@{shown(frame)}: {shown(frame)} is no number of a frame; give one from 0"
            )
        if isinstance(named, str | Path):
            found.append(Sketch.of(number, read_image(named, size, "--sketch"), str(named)))
        else:
            found.append(Sketch.of(number, named, f"the sketch for frame {number}"))
    return tuple(found)


def frame_of(text: str) -> tuple[str, int | str]:
    """ "FILE@FRAME" → its two halves, frame 0 where none is given; a file whose name has an @ is taken as it is."""
    file, at, frame = text.rpartition("@")
    if (
        not at
        or not file
        or Path(text).expanduser().exists()
        or "/" in frame
        or "\\" in frame
        or "." in frame
    ):
        return text, 0
    return file, int(frame) if frame.isascii() and frame.isdigit() and len(frame) < 9 else frame
