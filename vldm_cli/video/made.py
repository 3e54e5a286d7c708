"""What vldm stored in a clip that it made."""

from vldm_cli.errors import RequestError
from vldm_cli.video.clip import Clip
from vldm_cli.video.read import stored_in, video_info


def made_by(clip: Clip) -> dict | None:
    """The metadata; None in anybody else's clips."""
    table = None if clip.report is None else stored_in(clip.report.metadata)
    picture = clip.report is not None and clip.report.container.startswith(("gif", "webp"))
    if table is not None or not (picture or clip.path.is_dir()):
        return table
    try:  # these have places of their own for it
        return video_info(clip.path)["metadata"]
    except RequestError:
        return None
