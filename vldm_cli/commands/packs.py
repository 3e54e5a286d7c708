"""`vldm packs`: which models are here, what they can do, their licence, whether their files are whole; fetching public
ones, and making one of several."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from vldm_cli.commands import options
from vldm_cli.commands.pack_table import line, named, table_of

app = typer.Typer(
    help="Models: what is here, what it can do, its licence, its checksums; fetching public ones."
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A pack's name or folder, a checkpoint, or OWNER/NAME.")
]


@app.command("list")
def list_packs(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """The packs that are here, and those that can be fetched."""
    from vldm_cli.api.packs import known_packs
    from vldm_cli.commands.console import Console, size

    tables, lines = [], []
    for pack, here in known_packs():
        table = {**table_of(pack), "here": here}
        tables.append(table)
        video = table["video"]
        amount = size(table["bytes"]) if here else "not here yet"
        lines.append(
            f"{table['name']:<16} {video['width']}x{video['height']}, {video['fps']} fps, {amount}, "
            f"{line(table['licence'])}: {line(table['description'])}"
        )
    text = "\n".join(lines) or "no pack is installed; install vldm again"
    Console(verbose=verbose, as_json=as_json).result({"packs": tables}, text)


@app.command()
def show(name: Name, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """All about one pack."""
    from vldm_cli.api.packs import look_at
    from vldm_cli.commands.console import Console, size

    pack, here = look_at(name)
    table = {**table_of(pack), "here": here}
    video, defaults = table["video"], table["defaults"]
    where = f"{table['folder']} ({size(table['bytes'])})" if here else "not here yet"
    lines = [
        f"{table['name']}, version {table['version']}: {line(table['description'])}",
        f"licence: {line(table['licence'])}",
        f"folder: {where}",
        f"hash: {table['hash']}",
        f"can: {', '.join(table['can'])}",
        "video: " + ", ".join(f"{key} {value}" for key, value in video.items() if value is not None),
        "defaults: " + ", ".join(f"{key} {value}" for key, value in defaults.items() if value is not None),
        f"parts: {', '.join(table['parts'])}",
        *(f"  {named(one)}" for one in table["elsewhere"]),
    ]
    if not here:
        lines.append(f"fetch it with `vldm packs pull {name}`")
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
    files = len(pack.manifest.files) + len(pack.manifest.elsewhere.files)
    console.result(table, "\n".join(problems) or f"pack {pack.name}: {files} files, all well")
    if problems:
        raise RequestError(
            f"pack {pack.name} cannot be used: {len(problems)} of its files are not as they must be"
        )


@app.command()
def pull(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A pack of `vldm packs list`, or OWNER/NAME[@REVISION].")
    ],
    accept_licence: Annotated[
        bool,
        typer.Option(
            "--accept-licence", help="You have read and accept licences that are not free for every use."
        ),
    ] = False,
    as_json: AsJson = False,
    quiet: options.Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Fetch a public model from the Hugging Face hub, into its cache, or one of Real-ESRGAN's networks by name, such as
    realesrgan-x4plus. Interrupted, the same command goes on.

    HF_HOME, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE mean what they do there. No other command uses the network.
    """
    from vldm_cli.api.pull import megabytes, plan_pull
    from vldm_cli.commands.console import Console, size
    from vldm_cli.commands.failures import going_on
    from vldm_cli.packs.networks.named import NAMED

    console = Console(quiet, verbose, as_json)
    if name in NAMED:
        _pull_network(name, console)
        return
    with going_on(lambda: "what has been fetched is kept"):
        plan = plan_pull(name, accept_licence)
        manifest = plan.manifest
        console.note(f"{name}: {line(manifest.description)}")
        console.note(f"licence: {line(manifest.licence)}")
        for one in plan.wanted:
            state = "here" if one.here else size(one.size)
            licence = one.origin.licence or "no licence stated"
            console.note(f"  {one.origin.name} ({', '.join(one.parts)}; {licence}): {state}")
        count = len(plan.missing)
        console.note(f"to fetch: {size(plan.bytes)} in {count} file{'' if count == 1 else 's'}")
        with console.progress() as progress:

            def begin(one):
                if not sys.stderr.isatty():  # nothing is drawn there
                    console.note(f"fetching {one.origin.name}")
                return megabytes(progress, ", ".join(one.parts), one.size)

            made = plan.fetch(begin)
    table = {
        "name": name,
        "folder": str(plan.folder),
        "hash": made.hash,
        "licence": manifest.licence,
        "fetched": [one.origin.name for one in plan.missing],
        "bytes": plan.bytes,
        "files": [
            {"file": o.name, "revision": o.revision, "sha256": o.sha256, "licence": o.licence or None}
            for o in made.elsewhere.files
            if o.hub
        ],
    }
    console.result(table, f"pack {name} is here: `vldm generate PROMPT --pack {name}`")


@app.command()
def new(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME-OR-FOLDER", help="What the new pack is called, or where it shall lie."),
    ],
    from_: Annotated[
        str,
        typer.Option("--from", metavar="PACK", help="A pack, a diffusers folder, a checkpoint, OWNER/NAME."),
    ],
    motion: options.Motion = None,
    lora: options.Lora = None,
    vae: options.Vae = None,
    embedding: options.Embedding = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make a pack of others' parts: a manifest with where they lie and their checksums, which holds none of them."""
    from vldm_cli.commands.console import Console
    from vldm_cli.packs.combine import write_choice

    pack = write_choice(name, options.chosen(from_, motion, lora, vae, embedding))
    asked = pack.folder if "/" in name or Path(name).is_absolute() else name
    Console(verbose=verbose, as_json=as_json).result(
        table_of(pack), f"{pack.folder / 'pack.toml'}: use it with --pack {asked}"
    )


def _pull_network(name: str, console) -> None:
    """A network that `vldm upscale --model` knows by name."""
    from vldm_cli.api.pull import megabytes
    from vldm_cli.commands.console import size
    from vldm_cli.commands.failures import going_on
    from vldm_cli.packs.networks.fetch import fetch
    from vldm_cli.packs.networks.named import LICENCE, NAMED

    network = NAMED[name]
    here = network.kept.is_file()
    console.note(f"{name}: {network.url}")
    console.note(f"licence: {LICENCE}; sha256: {network.sha256}")
    console.note(f"to fetch: {size(0 if here else network.size)}")
    with going_on(lambda: "what has been fetched is kept"), console.progress() as progress:
        fetch(network, megabytes(progress, network.kept.name, network.size))
    table = {"name": name, "file": str(network.kept), "licence": LICENCE, "sha256": network.sha256}
    fetched = [] if here else [network.kept.name]
    console.result({**table, "fetched": fetched}, f"{name} is here: `vldm upscale CLIP --model {name}`")
