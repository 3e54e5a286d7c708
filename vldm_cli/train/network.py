"""`vldm train upscaler-network`: from the words of the command to a running training of temporal layers for somebody's
image super-resolution network."""

from fractions import Fraction
from pathlib import Path

import torch
from accelerate import PartialState

from vldm_cli.align.steady.network import align_network
from vldm_cli.errors import RequestError
from vldm_cli.packs.manifest import VideoNumbers
from vldm_cli.packs.network import open_network
from vldm_cli.packs.values import shown
from vldm_cli.train.data.source import open_source
from vldm_cli.train.loop import Trainer
from vldm_cli.train.objectives.steady import NetworkMeans, SteadyLayers
from vldm_cli.train.pace import Schedule
from vldm_cli.train.perceptual import Perceptual
from vldm_cli.train.start import CPU_SHARE, DTYPES
from vldm_cli.video.numbers import LAST_SEED, LONGEST, real, whole

# Toyland's frames as they come from the renderer, for patches.
TOYLAND = VideoNumbers(
    width=256,
    height=160,
    fps=Fraction(24),
    keyframe_step=1,
    window=1,
    context=0,
    latent_factor=8,
    size_multiple=8,
)


def start_network(
    network: Path,
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
    dtype: str = "auto",
    perceptual: Path | None = None,
    real_codec: bool = True,
    bank_frames: int | None = None,
    sample_minutes: float = 2.0,
    save_minutes: float = 2.0,
) -> Path:
    """Train temporal layers for the network in a file to the end of `minutes` or `steps`; they go to the folder `out`.
    Returns the run's folder (default: beside it). Raises RequestError for what cannot be trained, RunError when
    training breaks."""
    if (minutes is None) == (steps is None):
        raise RequestError("say how long to train: either --minutes or --steps")
    spans = {"--minutes": minutes, "--sample-every": sample_minutes, "--save-every": save_minutes}
    for name, minute in spans.items():
        if minute is not None:
            real(name, minute, 0, LONGEST, above=True)
    counts = {"--steps": (steps, 10**9), "--batch": (batch, 10**5), "--bank-frames": (bank_frames, 10**8)}
    for name, (count, most) in counts.items():
        if count is not None:
            whole(name, count, 1, most)
    if lr is not None:
        real("--lr", lr, 0, 1, above=True)
    whole("--seed", seed, 0, LAST_SEED)
    if dtype not in {"auto", *DTYPES}:
        raise RequestError(f"--dtype {dtype:.20} is none that training knows; use auto, float32 or bfloat16")
    where = torch.device(device)
    processes = PartialState(cpu=where.type == "cpu")
    many = processes.num_processes
    if many > 1:
        where = processes.device
    opened = open_network(network, "--network")
    chosen = {"auto": torch.bfloat16 if where.type == "cuda" else torch.float32, **DTYPES}[dtype]
    if str(chosen).removeprefix("torch.") not in opened.formats:
        chosen = torch.float32
    torch.manual_seed(seed)
    try:
        steady = align_network(opened.network)
    except ValueError as error:
        raise RequestError(
            f"--network {shown(str(network))}: no temporal layers can be put into it, for {error}; take another network"
        ) from error
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True  # every step has the same shapes
    share = 1 if where.type == "cuda" else CPU_SHARE
    means = NetworkMeans(
        source=open_source(data, TOYLAND, where, patches=True, compiled=False, real_codec=real_codec),
        device=where,
        dtype=chosen,
        batch=batch or max(1, SteadyLayers.batch // (share * many)),
        bank_frames=bank_frames or SteadyLayers.bank_frames // (share**2 * many),
        seed=seed,
        rank=processes.process_index,
        perceptual=None if perceptual is None else Perceptual.load(perceptual, where),
        steady=steady,
        out=out,
        told={"network": opened.name, "network_sha256": opened.sha256, "architecture": opened.architecture},
    )
    schedule = Schedule(
        lr=lr or SteadyLayers.lr,
        minutes=minutes,
        steps=steps,
        seed=seed,
        sample_minutes=sample_minutes,
        save_minutes=save_minutes,
    )
    identity = {
        "part": SteadyLayers.part,
        "network": opened.sha256,
        "data": data,
        "batch": means.batch,
        "bank": means.bank_frames,
        "seed": seed,
        "lr": schedule.lr,
        "dtype": str(chosen),
        "processes": many,
    }
    folder = run or out.parent / f"{out.name}-run"
    try:
        Trainer(SteadyLayers(means), schedule, folder, identity).run()
    finally:
        processes.destroy_process_group()
    return folder
