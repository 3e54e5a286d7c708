"""`vldm train upscaler-network`: temporal layers for an image super-resolution network of any make."""

from pathlib import Path
from typing import Annotated

import typer

from vldm_cli.commands import train_options as options


def network(
    network: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="The network, .safetensors or .pth, as `vldm upscale --model` takes it."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the layers go, layers.safetensors.")],
    layers: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Layers to begin with, of the same network; default: new ones."),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            help="`toyland`, a folder of videos and images, or several of them with shares: "
            "`toyland=0.1,photos=0.3,clips=0.6`."
        ),
    ] = "toyland",
    minutes: options.Minutes = None,
    steps: options.Steps = None,
    batch: Annotated[int | None, typer.Option(help="Clips a step and GPU.")] = None,
    lr: options.Lr = None,
    seed: Annotated[int, typer.Option(help="Seed of data and weights.")] = 0,
    run: options.Run = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    perceptual: options.Perceptual = None,
    real_codec: Annotated[
        bool,
        typer.Option(
            help="On folders: half of its input has been through ffmpeg's H.264 (or else an imitation)."
        ),
    ] = True,
    bank_frames: options.BankFrames = None,
    sample_every: options.SampleEvery = 2.0,
    save_every: options.SaveEvery = 2.0,
    verbose: options.Verbose = False,
) -> None:
    """Train temporal layers for somebody's super-resolution network for pictures: the network stays as it is, and the
    layers make what it makes of clips steady. The same command again goes on where it stopped."""
    from vldm_cli.api.device import choose_device
    from vldm_cli.api.many.places import check_own

    device = choose_device(device)
    check_own(run, "--run")
    from vldm_cli.commands.failures import Interrupted
    from vldm_cli.train.network import start_network

    try:
        start_network(
            network,
            out,
            data,
            layers=layers,
            minutes=minutes,
            steps=steps,
            batch=batch,
            lr=lr,
            seed=seed,
            run=run,
            device=device,
            dtype=dtype,
            perceptual=perceptual,
            real_codec=real_codec,
            bank_frames=bank_frames,
            sample_minutes=sample_every,
            save_minutes=save_every,
        )
    except KeyboardInterrupt as stop:
        raise Interrupted(options.STOPPED) from stop
