"""Options that every kind of training has."""

from pathlib import Path
from typing import Annotated

import typer

Minutes = Annotated[float | None, typer.Option(help="How long to train, resumes counted in.")]
Steps = Annotated[int | None, typer.Option(help="How many steps to train, instead of --minutes.")]
Lr = Annotated[float | None, typer.Option(help="Highest learning rate.")]
Run = Annotated[Path | None, typer.Option(help="Folder for checkpoint, curve and sample sheets.")]
Device = Annotated[str, typer.Option(help="auto, cuda, cuda:N, mps or cpu.")]
Dtype = Annotated[str, typer.Option(help="auto, float32 or bfloat16 (auto: bfloat16 on CUDA).")]
Perceptual = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="LPIPS joins the loss; its weights, lpips.LPIPS(net='alex').state_dict() as safetensors.",
    ),
]
BankFrames = Annotated[int | None, typer.Option(help="Frames held ready on the device.")]
SampleEvery = Annotated[float, typer.Option(help="Minutes between two sample sheets.")]
SaveEvery = Annotated[float, typer.Option(help="Minutes between two checkpoints and exports.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")]

STOPPED = "training was stopped; the same command goes on from what was saved"
