"""`vldm train`: a part of a pack, trained on Toyland or on a folder of clips; `new` makes the pack to start with."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Part(StrEnum):
    new = "new"
    autoencoder = "autoencoder"
    image = "image"
    keyframes = "keyframes"
    interpolation = "interpolation"
    decoder = "decoder"
    upscaler_image = "upscaler-image"
    upscaler = "upscaler"
    probe = "probe"


class SizesName(StrEnum):
    toyland = "toyland"
    tiny = "tiny"


def train(
    part: Annotated[
        Part, typer.Argument(help="The part to train, or `new`: a pack with fresh random weights.")
    ],
    pack: Annotated[str, typer.Option(help="The pack's folder; its part is trained in place.")],
    data: Annotated[str, typer.Option(help="`toyland`, or a folder of videos and images.")] = "toyland",
    minutes: Annotated[float | None, typer.Option(help="How long to train, resumes counted in.")] = None,
    steps: Annotated[int | None, typer.Option(help="How many steps to train, instead of --minutes.")] = None,
    batch: Annotated[int | None, typer.Option(help="Examples a step and GPU.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of data and noise.")] = 0,
    run: Annotated[Path | None, typer.Option(help="Folder for checkpoint, curve and sample sheets.")] = None,
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:N, mps or cpu.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16 (auto: bfloat16 on CUDA).")] = "auto",
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the blocks: a wait first, then faster.")
    ] = False,
    compile_render: Annotated[
        bool | None,
        typer.Option(help="Compile Toyland's renderer (by default on CUDA, where many frames are made)."),
    ] = None,
    vae_roundtrip: Annotated[
        bool,
        typer.Option(help="Upscaler: more than half of its input has been through the pack's autoencoder."),
    ] = False,
    bank_frames: Annotated[int | None, typer.Option(help="Frames held ready on the device.")] = None,
    sample_every: Annotated[float, typer.Option(help="Minutes between two sample sheets.")] = 2.0,
    save_every: Annotated[float, typer.Option(help="Minutes between two checkpoints and exports.")] = 2.0,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
    sizes: Annotated[
        SizesName, typer.Option(help="For `new`: how large the models are.")
    ] = SizesName.toyland,
) -> None:
    """Train one part of a pack. The same command again goes on where it stopped; any number of GPUs through
    `accelerate launch -m vldm_cli train …`."""
    if part == Part.new:
        from vldm_cli.packs.new import new_pack
        from vldm_cli.packs.sizes import TINY, TOYLAND

        made = new_pack(pack, {"toyland": TOYLAND, "tiny": TINY}[sizes], seed=seed)
        print(f"made the pack {made.name} in {made.folder}; train its autoencoder first")
        return
    from vldm_cli.commands.device import choose_device

    device = choose_device(device)
    from vldm_cli.commands.failures import Interrupted
    from vldm_cli.train.start import start

    try:
        start(
            part.value,
            pack,
            data,
            minutes=minutes,
            steps=steps,
            batch=batch,
            lr=lr,
            seed=seed,
            run=run,
            device=device,
            dtype=dtype,
            compile=compile,
            compile_render=compile_render,
            vae_roundtrip=vae_roundtrip,
            bank_frames=bank_frames,
            sample_minutes=sample_every,
            save_minutes=save_every,
        )
    except KeyboardInterrupt as stop:
        raise Interrupted("training was stopped; the same command goes on from what was saved") from stop
