"""`vldm train all`: every part of a pack by one command."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from vldm_cli.errors import RequestError
from vldm_cli.video.numbers import LAST_SEED, LONGEST, MOST_GPUS, real, whole

# What other parts refuse.
OF_UPSCALERS = ("--vae-roundtrip", "--no-real-codec")


def train_all(
    context: typer.Context,
    pack: Annotated[str, typer.Option(help="The pack's folder; made (of Toyland's size) if there is none.")],
    minutes: Annotated[float, typer.Option(help="Wall time for all of it, resumes counted in.")],
    data: Annotated[
        str, typer.Option(help="`toyland`, a folder of videos and images, or several of them with shares.")
    ] = "toyland",
    gpus: Annotated[
        int | None, typer.Option(help="How many GPUs; 0 is the CPU. By default all that are here.")
    ] = None,
    parts: Annotated[
        str | None,
        typer.Option(
            help="Only these, such as `image,keyframes`; `image=0.5` also sets its share of the time."
        ),
    ] = None,
    lanes: Annotated[
        list[str] | None,
        typer.Option(
            "--lane",
            metavar="PART=SHARE,…",
            help="In place of --parts, may be repeated: parts to train one after the other on GPUs of their own.",
        ),
    ] = None,
    keep_exporting: Annotated[
        float, typer.Option(metavar="MINUTES", help="Every part saves and exports at least this often.")
    ] = 1.5,
    sample_every: Annotated[float, typer.Option(help="Minutes between two sample sheets of a part.")] = 2.0,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="'PART OPTIONS'",
            help="Further options of a part, or of `all`; may be repeated.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of data and noise.")] = 0,
    run: Annotated[Path | None, typer.Option(help="Run folder (default: PACK-all beside the pack).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the schedule and do nothing.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
) -> None:
    """Train every part of a pack within the time: on one GPU (or the CPU) one after the other, on several side by side.
    Logs, curves and sheets of each part lie in its folder in the run folder. A part that breaks is resumed once, its
    steps not recorded then.
    Interrupted, every part saves and exports; the same command again goes on. A pack that was trained before is
    continued from.

    Example: vldm train all --pack toyland --minutes 26 --gpus 2 --with 'image --compile'

    Example: vldm train all --pack toyland --minutes 26 --lane image=2,keyframes=5 --lane decoder=1,interpolation=1"""
    from vldm_cli.api.many.places import check_own
    from vldm_cli.train.data.mixture import shares as shares_of
    from vldm_cli.train.schedule import PARTS, Job, make_lanes, make_schedule, parse_parts, table

    if lanes and parts:
        raise RequestError("--parts and --lane both say what to train; leave one of them out")
    own = [parse_parts(lane, "--lane") for lane in lanes or []]
    chosen = {part: share for lane in own for part, share in lane.items()} or None
    chosen = parse_parts(parts) if parts else chosen
    if chosen is None and data != "toyland":
        # the probe's answers are Toyland's; and an upscaler of one kind of clips needs no second set for them
        chosen = {part: None for part in PARTS if part not in ("probe", "upscaler-own")}
    for option, minute in (("--keep-exporting", keep_exporting), ("--sample-every", sample_every)):
        real(option, minute, 0, LONGEST, above=True)
    whole("--seed", seed, 0, LAST_SEED)
    shares_of(data)  # what is wrong with it is said now
    further = further_options(options or [], {part: command_of(context, part) for part in PARTS})
    gpus = count_gpus(gpus, here=not dry_run)
    folder = Path(pack).expanduser()
    check_own(folder, "--pack")
    check_own(run, "--run")
    there = (folder / "pack.toml").is_file()

    def schedule(roundtrip: bool) -> list[Job]:
        if own:
            return make_lanes(minutes, gpus, own, roundtrip)
        return make_schedule(minutes, gpus, chosen, roundtrip)

    jobs = schedule(there)
    if dry_run:
        print(table(jobs))
        return
    from vldm_cli.commands.failures import Interrupted
    from vldm_cli.train.all import Everything, new_state, read_state

    shares = {job.part: (chosen or {}).get(job.part) for job in jobs}
    identity = {"data": data, "gpus": gpus, "minutes": minutes, "seed": seed, "parts": shares}
    if own:
        identity["lanes"] = [list(lane) for lane in own]
    run = run or folder.with_name(f"{folder.resolve().name}-all")
    state = read_state(run, identity, further)
    if state is None:
        if not there:
            from vldm_cli.packs.new import new_pack
            from vldm_cli.packs.sizes import TOYLAND

            new_pack(folder, TOYLAND, seed=seed)
        state = new_state(identity, further) | {"roundtrip": there}
    elif not there:
        raise RequestError(f"{run} holds a run whose pack {folder} is gone; choose another --run")
    else:
        # a pack that the run itself has made was not there when its parts began
        jobs = schedule(state.get("roundtrip", there) is True)
    print(table(jobs), flush=True)

    def words(job, job_minutes):
        return [
            *("train", job.part, "--pack", str(folder), "--data", data, "--run", str(run / job.part)),
            *("--minutes", str(job_minutes), "--seed", str(seed), "--device", "cuda" if job.gpus else "cpu"),
            *("--save-every", str(keep_exporting), "--sample-every", str(sample_every), "-v"),
            *job.options,
            *further.get(job.part, ()),
        ]

    try:
        Everything(jobs, minutes, run, words, state).run()
    except KeyboardInterrupt as stop:
        raise Interrupted("training was stopped; the same command goes on from what was saved") from stop


def command_of(context: typer.Context, part: str) -> TyperCommand:
    """`vldm train PART` as the command line has it."""
    found: object = context.find_root().command
    for name in ("train", part):
        assert isinstance(found, TyperGroup)
        found = found.commands[name]
    assert isinstance(found, TyperCommand)
    return found


def further_options(options: list[str], commands: Mapping[str, TyperCommand]) -> dict[str, list[str]]:
    """`PART OPTIONS` → part → words, which its command takes; what is for upscalers alone goes from `all` to them
    alone. Raises RequestError."""
    found: dict[str, list[str]] = {}
    for text in options:
        try:
            part, *words = shlex.split(text) or [""]
        except ValueError as error:
            raise RequestError(f"--with {text!r:.60}: a quotation mark in it is not closed") from error
        if part not in (*commands, "all") or not words:
            raise RequestError(f"--with {text!r:.60}: name a part and its options, such as 'image --compile'")
        for name in commands if part == "all" else (part,):
            use = [
                word
                for word in words
                if part != "all" or name.startswith("upscaler") or word not in OF_UPSCALERS
            ]
            _check(text, commands[name], use)
            found.setdefault(name, []).extend(use)
    return found


def _check(text: str, command: TyperCommand, words: list[str]) -> None:
    """Before anything is made or trained, not hours later when that part begins: its command takes these words. Raises
    RequestError."""
    from vldm_cli.commands.failures import worded

    try:
        # Nothing is run. --help is no option here: it would print its page and train nothing.
        command.make_context(command.name, ["--pack", ".", *words], help_option_names=[])
    except typer.TyperException as error:
        raise RequestError(
            f"--with {text!r:.60}: {worded(error)} (see `vldm train {command.name} --help`)"
        ) from error


def count_gpus(wanted: int | None, here: bool) -> int:
    """How many GPUs to use. `here`: they must be in this machine. Raises RequestError."""
    if wanted is not None:
        whole("--gpus", wanted, 0, MOST_GPUS)
    if wanted == 0 or (wanted is not None and not here):
        return wanted
    import torch

    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted is not None and wanted > there:
        raise RequestError(f"--gpus {wanted}: there are {there} here; use --gpus {there} or leave it out")
    return there if wanted is None else wanted
