"""`vldm measure ablations`: short trainings of variants, and one table of what each was worth."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from vldm_cli.commands import options
from vldm_cli.commands.quality import NOTES, PAGES, parse_names
from vldm_cli.errors import RequestError
from vldm_cli.runs import interrupt
from vldm_cli.video.numbers import LAST_SEED, LONGEST, real, whole


def ablations(
    context: typer.Context,
    run: Annotated[Path, typer.Option(help="Folder of the variants; the same command again goes on there.")],
    minutes: Annotated[float, typer.Option(help="Training time of each variant, resumes counted in.")],
    pack: Annotated[
        str, typer.Option(help="The pack whose image models and probe are used; it is not changed.")
    ] = "toyland",
    gpus: Annotated[
        int | None, typer.Option(help="How many GPUs; 0 is the CPU. By default all that are here.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="GROUPS", help="Some of layers,context,interpolation,decoder,upscaler."),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="'VARIANT OPTIONS'",
            help="Further options of a training, or of `all`; repeatable.",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few clips, for a CPU.")] = False,
    train_only: Annotated[bool, typer.Option("--train-only", help="Measure later.")] = False,
    measure_only: Annotated[bool, typer.Option("--measure-only", help="All is trained.")] = False,
    report: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A .html or .md page; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, data and noise.")] = 0,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16, for measuring.")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the trainings and do nothing.")] = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
) -> None:
    """The paper's ablations on this pack: temporal layers of each kind are trained from nothing over its image models,
    all for the same time, and measured alike: Fréchet distances in the probe's features, faithfulness, flicker and
    warping errors. Nine trainings at most; groups share them.

    Example: vldm measure ablations --run ablations --minutes 3 --gpus 2 --report ABLATIONS.md"""
    import time
    from datetime import UTC, datetime

    from vldm_cli.api import checks
    from vldm_cli.api import device as devices
    from vldm_cli.api.many import places
    from vldm_cli.commands.console import Console
    from vldm_cli.commands.failures import Interrupted
    from vldm_cli.commands.train_all import command_of, count_gpus, further_options
    from vldm_cli.packs.pack import Pack
    from vldm_cli.train.schedule import table as schedule_table

    console = Console(quiet, verbose, as_json)
    real("--minutes", minutes, 0, LONGEST, above=True)
    whole("--seed", seed, 0, LAST_SEED)
    if train_only and measure_only:
        raise RequestError("--train-only and --measure-only leave nothing to do; use one of them")
    for path in report or ():
        if path.suffix.lower() not in (*PAGES, *NOTES) or path.is_dir():
            raise RequestError(f"--report {path} is no .html or .md file; name one, such as ablations.md")
        checks.check_folder(path, "--report")
    places.check_own(run, "--run")
    gpus = count_gpus(gpus, here=not dry_run)

    from vldm_cli.measure.ablations.rows import FULL, QUICK
    from vldm_cli.measure.ablations.tables import GROUPS, measure_ablations
    from vldm_cli.train.variants import VARIANTS, make_jobs, make_packs, steps_of, train_variants

    groups = list(GROUPS) if only is None else parse_names(only, tuple(GROUPS), "--only")
    names = [name for name in VARIANTS if any(name in GROUPS[group][0] for group in groups)]
    further = further_options(
        options or [], {name: command_of(context, variant.part) for name, variant in VARIANTS.items()}
    )
    jobs = make_jobs(names, minutes, gpus)
    if dry_run:
        print(schedule_table(jobs))
        return
    base = Pack.open(pack)
    if not base.has("probe"):
        raise RequestError(
            f"pack {base.manifest.name} has no probe; train one: vldm train probe --pack {base.folder}"
        )

    from dataclasses import asdict

    from vldm_cli.measure.report.ablations import ablation_tables
    from vldm_cli.measure.report.markdown import circumstances, machine
    from vldm_cli.measure.report.markdown import write_ablations as write_note
    from vldm_cli.measure.report.page import write_ablations as write_page
    from vldm_cli.measure.report.store import Store
    from vldm_cli.train.all import new_state, read_state

    identity = {"pack": base.manifest.hash, "minutes": minutes, "seed": seed}
    state = read_state(run, identity, further) or new_state(identity, further)
    packs = make_packs(base, run, names, seed)
    started, clock = datetime.now(UTC), time.monotonic()
    if not measure_only:
        console.note(schedule_table(jobs))

        try:
            train_variants(jobs, minutes, run, state, seed, further, say=console.note)
        except KeyboardInterrupt as stop:
            raise Interrupted("training was stopped; the same command goes on from what was saved") from stop
    steps = steps_of(run, names)
    if train_only:
        console.result({"training": {"minutes": minutes, "steps": steps}}, f"trained: {', '.join(names)}")
        return
    chosen = devices.choose_device("cuda" if gpus else "cpu")
    kind, amounts = devices.choose_dtype(dtype, chosen), QUICK if quick else FULL
    packs = {name: Pack.open(opened.folder, check=False) for name, opened in packs.items()}
    sizes = {"dtype": kind, "amounts": asdict(amounts), **identity}
    store = Store(run / "measured", sizes, machine(chosen))
    with interrupt.raising():  # for what lies in folders for temporary files
        measured = measure_ablations(packs, chosen, kind, amounts, groups, console.note, store)
    table = {
        "of": base.manifest.name,
        "pack": {"name": base.manifest.name, "hash": base.manifest.hash},
        "dtype": kind,
        "training": {"minutes": minutes, "steps": steps, "seed": seed},
        **measured,
    }
    words = ["vldm", "measure", "ablations", "--pack", pack, "--run", str(run), "--minutes", f"{minutes:g}"]
    words += ["--gpus", str(gpus), *(["--only", only] if only else []), *["--quick"] * quick]
    for text in options or ():
        words += ["--with", text]
    table["run"] = circumstances(shlex.join(words), store.machines, started, time.monotonic() - clock)
    for path in report or ():
        (write_note if path.suffix.lower() in NOTES else write_page)(path, table)
    console.result(table, "\n\n".join("\n".join(part.lines()) for part in ablation_tables(table)))
