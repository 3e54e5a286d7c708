"""`vldm info`: what is in a video file, what made it, and the command that makes it again."""

from pathlib import Path
from typing import Annotated

import typer


def info(
    file: Annotated[Path, typer.Argument(help="A video, GIF, WebP, or a folder of PNG frames.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
) -> None:
    """What made a video (prompt, seed, pack, settings), and its streams."""
    from vldm_cli.commands.console import Console
    from vldm_cli.commands.recipe import recipe
    from vldm_cli.errors import RequestError
    from vldm_cli.packs.pack import Pack
    from vldm_cli.video.read import video_info
    from vldm_cli.video.stored import whole

    found = video_info(file)
    made = found["metadata"] = whole(found["metadata"])
    command, remark = None, "vldm did not make this file, or its metadata are lost"
    if made:
        pack, remark = None, ""
        try:
            pack = made["pack"] and Pack.open(made["pack"]["name"], check=False)
        except RequestError:
            pack, remark = (
                None,
                f"pack {made['pack']['name']} is not here; it is needed to make the video again",
            )
        if pack and pack.manifest.hash != made["pack"]["hash"]:
            pack, remark = (
                None,
                f"pack {pack.name} has changed since: the same command makes another video now",
            )
        command = recipe(made, found["file"], pack.manifest.defaults if pack else None)
    latents = made.pop("latents", None) if made else None
    kept = latents.get("of") if isinstance(latents, dict) else None
    table = {
        **found,
        "latents_of": kept if isinstance(kept, list) else [],
        "fps": str(found["fps"]),
        "duration": float(found["duration"]),
        "command": command,
        "warnings": [remark] if remark else [],
    }
    lines = [
        f"{file}: {found['frames']} frames of {found['width']}x{found['height']} at {found['fps']} fps, "
        f"{float(found['duration']):.3f} s",
        *found["streams"],
    ]
    if made:
        lines += [f"{key}: {made[key]}" for key in ("prompt", "clip", "seed") if made.get(key) is not None]
        if made["pack"]:
            lines.append(f"pack: {made['pack']['name']} ({made['pack']['hash'][:12]})")
        lines.append(f"made by: vldm {made['vldm']}")
        shown = {
            key: value for key, value in made["settings"].items() if key not in ("prompt", "image_sha256")
        }
        lines.append(
            "settings: " + ", ".join(f"{key} {value}" for key, value in shown.items() if value != "")
        )
        if table["latents_of"]:
            lines.append(
                f"keeps the latents of frames {', '.join(map(str, kept))}, from which extend goes on"
            )
        lines.append(f"make it again: {command}")
    lines += [remark] if remark else []
    Console(verbose=verbose, as_json=as_json).result(table, "\n".join(lines))
