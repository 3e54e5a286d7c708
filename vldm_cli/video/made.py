"""What vldm stored in a clip that it made."""

import json

from vldm_cli.errors import RequestError
from vldm_cli.video.clip import Clip
from vldm_cli.video.read import video_info


def made_by(clip: Clip) -> dict | None:
    """The metadata; None in anybody else's clips. The tag is any one: see `carry.comment_tag`."""
    for text in () if clip.report is None else clip.report.metadata.values():
        if text.startswith("{") and '"vldm"' in text:
            try:
                table = json.loads(text)
            except ValueError:
                continue
            if isinstance(table, dict) and "vldm" in table:
                return table
    picture = clip.report is not None and clip.report.container.startswith(("gif", "webp"))
    if not picture and not clip.path.is_dir():
        return None
    try:  # these have places of their own for it
        return video_info(clip.path)["metadata"]
    except RequestError:
        return None
