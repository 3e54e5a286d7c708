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
    from vldm_cli.api.info import info as read
    from vldm_cli.commands.console import Console, counted

    found = read(file)
    made, kept = found.metadata, found.latents_of
    lines = [
        f"{file}: {counted(found.frames, 'frame')} of {found.width}x{found.height} at {found.fps} fps, "
        f"{float(found.duration):.3f} s",
        *found.streams,
    ]
    if made:
        lines += [f"{key}: {made[key]}" for key in ("prompt", "clip", "seed") if made.get(key) is not None]
        if made["pack"]:
            lines.append(f"pack: {made['pack']['name']} ({made['pack']['hash'][:12]})")
            if made["pack"].get("licence"):
                lines.append(f"licence of the pack: {made['pack']['licence']}")
        lines.append(f"made by: vldm {made['vldm']}")
        shown = {
            key: value for key, value in made["settings"].items() if key not in ("prompt", "image_sha256")
        }
        lines.append(
            "settings: " + ", ".join(f"{key} {value}" for key, value in shown.items() if value != "")
        )
        if kept:
            lines.append(
                f"keeps the latents of frames {', '.join(map(str, kept))}, from which extend goes on"
            )
        lines.append(f"make it again: {found.command}")
    lines += found.warnings
    Console(verbose=verbose, as_json=as_json).result(found.as_table(), "\n".join(lines))
