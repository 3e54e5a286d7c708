"""`vldm train speed`: which memory layout, and whether compiling, is the faster one here."""

from typing import Annotated

import typer


def speed(
    parts: Annotated[str, typer.Option(help="Which parts, by commas.")] = "autoencoder,image,keyframes",
    seconds: Annotated[float, typer.Option(help="Seconds of steps a part, shared by its kinds.")] = 15.0,
    pack: Annotated[
        str | None,
        typer.Option(help="The pack whose models are timed (default: a new one of Toyland's size)."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Examples a step (default: each part's own, 2 without a GPU).")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:N, mps or cpu.")] = "auto",
    compile: Annotated[bool, typer.Option(help="Also compiled by block, after a wait each.")] = True,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
) -> None:
    """Training steps a second of each part, contiguous and channels_last, eager and compiled, on random frames: nothing
    is rendered, no pack is changed. Eager comes first, every line as soon as it is known; interrupted (Ctrl-C or
    `timeout 110 vldm train speed`), it ends with what is known.

    "launch ms" is what the processor needs for a step: where it is about as long as the step ("ms"), a faster GPU or
    layout would not help, and compiling may. "first s" is the wait that a run with these options begins with; most of
    it is saved when the same machine has compiled the same once before. The last lines are options for
    `vldm train all --with`."""
    from vldm_cli.api.device import choose_device
    from vldm_cli.video.numbers import real, whole

    real("--seconds", seconds, 0, 1e6, above=True)
    if batch is not None:
        whole("--batch", batch, 1, 10**5)
    device = choose_device(device)
    import tempfile

    import torch

    from vldm_cli.packs.new import new_pack
    from vldm_cli.packs.pack import Pack
    from vldm_cli.packs.sizes import TOYLAND
    from vldm_cli.runs import interrupt
    from vldm_cli.train.speed import HEADER, Speed, fastest, speeds

    gpu = device.startswith("cuda")
    torch.set_float32_matmul_precision("high")
    names = [name.strip() for name in parts.split(",")]
    with interrupt.raising(), tempfile.TemporaryDirectory() as folder:
        timed = Pack.open(pack, check=False) if pack else new_pack(f"{folder}/speed", TOYLAND, words=["a"])
        dtype = torch.bfloat16 if gpu else torch.float32
        found: list[Speed] = []
        rows = speeds(
            timed, names, seconds, torch.device(device), dtype, batch or (None if gpu else 2), compile
        )
        try:  # a time limit (`timeout 110 vldm train speed`) ends it as Ctrl-C does
            for row in rows:
                if not found:
                    print(HEADER)
                found.append(row)
                print(row, flush=True)
        except KeyboardInterrupt:  # what is known by then is the answer
            print("interrupted")
    for row in fastest(found):
        if row.options:
            print(f"--with '{row.part} {row.options}'")
