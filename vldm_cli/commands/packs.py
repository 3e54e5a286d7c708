"""`vldm packs`: which models are here, what they can do, their licence, and whether their files are whole."""

from typing import Annotated

import typer

app = typer.Typer(help="Models: what is here, what it can do, its licence, its checksums.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A pack's name or folder.")]


@app.command("list")
def list_packs(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """The packs that are here."""
    from vldm_cli.commands.console import Console, size
    from vldm_cli.packs.pack import Pack, embedded

    packs = [Pack.open(folder, check=False) for folder in embedded().values()]
    tables = [_table(pack) for pack in packs]
    lines = [
        f"{t['name']:<12} {t['video']['width']}x{t['video']['height']}, {t['video']['fps']} fps, "
        f"{size(t['bytes'])}, {_line(t['licence'])}: {_line(t['description'])}"
        for t in tables
    ]
    text = "\n".join(lines) or "no pack is installed; install vldm again"
    Console(verbose=verbose, as_json=as_json).result({"packs": tables}, text)


@app.command()
def show(name: Name, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """All about one pack."""
    from vldm_cli.commands.console import Console, size
    from vldm_cli.packs.pack import Pack

    table = _table(Pack.open(name, check=False))
    video, defaults = table["video"], table["defaults"]
    lines = [
        f"{table['name']}, version {table['version']}: {_line(table['description'])}",
        f"licence: {_line(table['licence'])}",
        f"folder: {table['folder']} ({size(table['bytes'])})",
        f"hash: {table['hash']}",
        f"can: {', '.join(table['can'])}",
        "video: " + ", ".join(f"{key} {value}" for key, value in video.items()),
        "defaults: " + ", ".join(f"{key} {value}" for key, value in defaults.items()),
        f"parts: {', '.join(table['parts'])}",
    ]
    Console(verbose=verbose, as_json=as_json).result(table, "\n".join(lines))


@app.command()
def check(name: Name = "toyland", as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Whether every file of a pack is there, whole and the listed one, and fits the model that it is for."""
    from vldm_cli.commands.console import Console
    from vldm_cli.errors import RequestError
    from vldm_cli.packs.pack import Pack

    pack = Pack.open(name, check=False)
    problems = pack.problems()
    if not problems:
        from vldm_cli.packs.prepare import misfits

        problems = list(misfits(pack))
    table = {"name": pack.name, "folder": str(pack.folder), "ok": not problems, "problems": problems}
    console = Console(verbose=verbose, as_json=as_json)
    console.result(
        table, "\n".join(problems) or f"pack {pack.name}: {len(pack.manifest.files)} files, all well"
    )
    if problems:
        raise RequestError(
            f"pack {pack.name} cannot be used: {len(problems)} of its files are not as they must be"
        )


def _line(text: str) -> str:
    """A text of a manifest on one line."""
    return " ".join(text.split())


def _table(pack) -> dict:
    """A pack as JSON has it."""
    from dataclasses import asdict

    from vldm_cli.packs.pack import PARTS, UPSCALERS

    manifest = pack.manifest
    files = [pack.path(name) for name in manifest.files]
    parts = [part for part in PARTS if pack.has(part)]
    needs = {
        "generate": ("unet", "vae", "text", "keyframes", "interpolation", "decoder"),
        **{f"upscale ×4 in {space} space": wanted for space, wanted in UPSCALERS.items()},
    }
    return {
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "licence": manifest.licence,
        "folder": str(pack.folder),
        "hash": manifest.hash,
        "bytes": sum(path.stat().st_size for path in files if path.is_file()),
        "can": [ability for ability, wanted in needs.items() if set(wanted) <= set(parts)],
        "parts": parts,
        "video": {**asdict(manifest.video), "fps": str(manifest.video.fps)},
        "defaults": asdict(manifest.defaults),
    }
