"""`vldm train refiner`: from the words of the command to a running training of the network over frames that motion
makes."""

from pathlib import Path

import torch
from accelerate import PartialState

from vldm_cli.train.asked import Numbers, number_format
from vldm_cli.train.data.triplets import TripletSource
from vldm_cli.train.loop import Trainer
from vldm_cli.train.objectives.refiner import RefinedFrames, RefinerMeans
from vldm_cli.train.perceptual import Perceptual


def start_refiner(
    out: Path,
    data: str,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    batch: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    run: Path | None = None,
    device: str = "cpu",
    perceptual: Path | None = None,
    bank_frames: int | None = None,
    sample_minutes: float = 2.0,
    save_minutes: float = 2.0,
) -> Path:
    """Train the network to the end of `minutes` or `steps`; it goes to the folder `out`. Returns the run's folder
    (default: beside it). Raises RequestError for what cannot be trained, RunError when training breaks."""
    numbers = Numbers(minutes, steps, batch, lr, seed, bank_frames, sample_minutes, save_minutes)
    where = torch.device(device)
    processes = PartialState(cpu=where.type == "cpu")
    many = processes.num_processes
    if many > 1:
        where = processes.device
    batch, bank_frames = numbers.at_a_time(RefinedFrames, where, many)
    means = RefinerMeans(
        source=TripletSource(data, where),
        device=where,
        dtype=number_format("float32", where),
        batch=batch,
        bank_frames=bank_frames,
        seed=seed,
        rank=processes.process_index,
        perceptual=None if perceptual is None else Perceptual.load(perceptual, where),
        out=out,
    )
    schedule = numbers.schedule(RefinedFrames)
    identity = {
        "part": RefinedFrames.part,
        "data": data,
        "batch": batch,
        "bank": bank_frames,
        "seed": seed,
        "lr": schedule.lr,
        "perceptual": None if perceptual is None else perceptual.name,
        "processes": many,
    }
    folder = run or out.parent / f"{out.name}-run"
    try:
        Trainer(RefinedFrames(means), schedule, folder, identity).run()
    finally:
        processes.destroy_process_group()
    return folder
