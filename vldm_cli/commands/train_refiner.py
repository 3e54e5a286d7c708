"""`vldm train refiner`: the network over the frames that `vldm interpolate` makes by motion."""

from pathlib import Path
from typing import Annotated

import typer

from vldm_cli.commands import train_options as options


def refiner(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the network goes, refiner.safetensors.")],
    data: Annotated[
        str,
        typer.Option(
            help="A folder of videos and images, or several of them with shares: `photos=0.3,clips=0.7`."
        ),
    ],
    minutes: options.Minutes = None,
    steps: options.Steps = None,
    batch: Annotated[int | None, typer.Option(help="Examples a step and GPU.")] = None,
    lr: options.Lr = None,
    seed: Annotated[int, typer.Option(help="Seed of data and weights.")] = 0,
    run: options.Run = None,
    device: options.Device = "auto",
    perceptual: options.Perceptual = None,
    bank_frames: options.BankFrames = None,
    sample_every: options.SampleEvery = 2.0,
    save_every: options.SaveEvery = 2.0,
    verbose: options.Verbose = False,
) -> None:
    """Train the small network that corrects the frames that motion makes (`vldm interpolate --engine refined`). The
    same command again goes on where it stopped."""
    from vldm_cli.api.device import choose_device
    from vldm_cli.api.many.places import check_own

    device = choose_device(device)
    check_own(run, "--run")
    from vldm_cli.commands.failures import Interrupted
    from vldm_cli.train.refiner import start_refiner

    try:
        start_refiner(
            out,
            data,
            minutes=minutes,
            steps=steps,
            batch=batch,
            lr=lr,
            seed=seed,
            run=run,
            device=device,
            perceptual=perceptual,
            bank_frames=bank_frames,
            sample_minutes=sample_every,
            save_minutes=save_every,
        )
    except KeyboardInterrupt as stop:
        raise Interrupted(options.STOPPED) from stop
