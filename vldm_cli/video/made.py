"""What vldm stored in a clip that it made."""

from vldm_cli.video.clip import Clip
from vldm_cli.video.picture import UnreadableError
from vldm_cli.video.read import stored_in
from vldm_cli.video.stored import beside_frames, own, parsed
from vldm_cli.video.tags import picture_text


def made_by(clip: Clip) -> dict | None:
    """The metadata, in which anything may stand (see `stored.whole`); None in anybody else's clips."""
    table = None if clip.report is None else stored_in(clip.report.metadata)
    picture = clip.report is not None and clip.report.container.startswith(("gif", "webp"))
    if table is not None or not (picture or clip.path.is_dir()):
        return table
    if clip.path.is_dir():  # these have places of their own for it
        return own(beside_frames(clip.path))
    try:
        return parsed(picture_text(clip.path))
    except (OSError, UnreadableError):
        return None
