"""What is in a video, what made it, and the command that makes it again."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vldm_cli.api.recipe import recipe
from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.combine import open_choice
from vldm_cli.packs.pack import Pack
from vldm_cli.video.read import video_info
from vldm_cli.video.stored import whole


@dataclass(frozen=True, kw_only=True)
class Info:
    """A video file, animated picture or folder of PNGs. width, height: pixels; fps: frames a second; duration: seconds;
    streams: a line each. metadata: what vldm stored when it made the file (prompt, seed, pack, settings), or None.
    latents_of: the numbers of the frames whose latents it keeps, from which `extend` goes on. command: makes the video
    again; None where nothing is stored. warnings: a sentence each."""

    file: str
    streams: list[str]
    width: int
    height: int
    frames: int
    fps: Fraction
    duration: Fraction
    metadata: dict | None
    latents_of: list[int]
    command: str | None
    warnings: list[str]

    def as_table(self) -> dict:
        """The JSON object of `vldm info --json`."""
        return {**vars(self), "fps": str(self.fps), "duration": float(self.duration)}


def info(path: str | Path) -> Info:
    """What is in a file and what made it. Raises RequestError when it is no video that can be read."""
    found = video_info(path)
    made = found["metadata"] = whole(found["metadata"])
    command, remark = None, "vldm did not make this file, or its metadata are lost"
    if made:
        pack, remark = _pack_of(made)
        command = recipe(made, found["file"], pack.manifest if pack else None)
    latents = made.pop("latents", None) if made else None
    kept = latents.get("of") if isinstance(latents, dict) else None
    return Info(
        **found,
        latents_of=kept if isinstance(kept, list) else [],
        command=command,
        warnings=[remark] if remark else [],
    )


def _pack_of(made: dict) -> tuple[Pack | None, str]:
    """The pack that made it, and what is to be said where it is not here as it was."""
    if not made["pack"]:
        return None, ""
    try:
        choice = Choice.read(made["pack"].get("choice")) or Choice(made["pack"]["name"])
        pack = open_choice(choice, check=False)
    except RequestError:
        return None, f"pack {made['pack']['name']} is not here; it is needed to make the video again"
    if pack.manifest.hash != made["pack"]["hash"]:
        return None, f"pack {pack.name} has changed since: the same command makes another video now"
    return pack, ""
