"""What calls on a clip share: what is refused before a model is loaded, and where the result may lie."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vldm_cli.api import checks
from vldm_cli.api.preview import check_preview
from vldm_cli.errors import RequestError
from vldm_cli.runs.naming import free_name

if TYPE_CHECKING:
    from vldm_cli.pipelines.clip.job import ClipJob
    from vldm_cli.video.clip import Clip


def check_there(file: str | Path) -> None:
    """What needs no look into the clip. Raises RequestError where there is none."""
    from vldm_cli.video import probe

    if "\0" in str(file):
        raise RequestError("the clip's name holds a zero byte; give another name")
    if not Path(file).is_dir():
        probe.check_there(Path(file))


def prepare(
    file: str | Path,
    out: str | Path | None,
    ending: str,
    encoder: str | None = None,
    fps: Fraction | str | float | None = None,
    preview: Path | None = None,
    force: bool = False,
) -> tuple[Clip, Path]:
    """(the opened clip, the output's name): what can be refused without a model is refused here. encoder: None for
    the clip's own."""
    from vldm_cli.video.clip import open_clip
    from vldm_cli.video.encoders import check_encoder, try_encoder
    from vldm_cli.video.kinds import KINDS, open_container

    file = Path(file)
    rate = checks.parse_fps(fps)
    out = default_out(file, ending) if out is None else Path(out)
    kind = open_container(out)
    if encoder is not None:
        check_encoder(encoder, out)
        try_encoder(encoder)  # that of the clip's own size is to come, once all of it has been read
    check_preview(preview, force, [file])
    check_there(file)
    clip = open_clip(file, force, rate, keep_rotation=KINDS[kind].turns)
    if rate is not None and not clip.pictures:
        raise RequestError(f"--fps is for folders of pictures; {file} has times of its own, which are kept")
    return clip, out


def default_out(file: Path, ending: str) -> Path:
    """A name in this folder made from the clip's, with a number where that is taken."""
    stem = file.absolute().stem[:60] or "clip"
    return free_name(f"{stem}-{ending}")


def check_place(job: ClipJob) -> None:
    """That the output's name and place can be used, and the encoder for such frames. Raises RequestError."""
    from vldm_cli.pipelines.clip.run import check_out
    from vldm_cli.video.encoders import try_encoder

    checks.check_name(job.out, job.times.fps)
    check_out(job)
    checks.check_out(job.out, True)
    try_encoder(job.encoder, job.raw.height, job.raw.width, job.look.coded)
