"""`vldm train refiner`: from the words of the command to a running training of the network over frames that motion
makes."""

from pathlib import Path

from vldm_cli.train.asked import Numbers, number_format
from vldm_cli.train.data.triplets import TripletSource
from vldm_cli.train.loop import Trainer
from vldm_cli.train.objectives.refiner import RefinedFrames, RefinerMeans
from vldm_cli.train.perceptual import Perceptual
from vldm_cli.train.processes import Processes, together


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
    with together(device) as own:
        return _trained(numbers, own, out, data, run, perceptual)


def _trained(
    numbers: Numbers, own: Processes, out: Path, data: str, run: Path | None, perceptual: Path | None
) -> Path:
    where, schedule = own.device, numbers.schedule(RefinedFrames)
    batch, bank_frames = numbers.at_a_time(RefinedFrames, where, own.many)
    means = RefinerMeans(
        source=TripletSource(data, where),
        device=where,
        dtype=number_format("float32", where),
        batch=batch,
        bank_frames=bank_frames,
        seed=numbers.seed,
        rank=own.rank,
        perceptual=None if perceptual is None else Perceptual.load(perceptual, where),
        out=out,
    )
    identity = {
        "part": RefinedFrames.part,
        "data": data,
        "batch": batch,
        "bank": bank_frames,
        "seed": numbers.seed,
        "lr": schedule.lr,
        "perceptual": None if perceptual is None else perceptual.name,
        "processes": own.many,
    }
    folder = run or out.parent / f"{out.name}-run"
    Trainer(RefinedFrames(means), schedule, folder, identity).run()
    return folder
