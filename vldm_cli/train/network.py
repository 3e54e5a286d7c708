"""`vldm train upscaler-network`: from the words of the command to a running training of temporal layers for somebody's
image super-resolution network."""

from fractions import Fraction
from pathlib import Path

import torch

from vldm_cli.align.steady.network import SteadyNetwork, align_network
from vldm_cli.errors import RequestError
from vldm_cli.packs.manifest import VideoNumbers
from vldm_cli.packs.network import Network, open_network
from vldm_cli.packs.networks.layers import open_layers
from vldm_cli.packs.values import shown
from vldm_cli.train.asked import Numbers, number_format
from vldm_cli.train.data.source import open_source
from vldm_cli.train.loop import Trainer
from vldm_cli.train.objectives.steady import NetworkMeans, SteadyLayers
from vldm_cli.train.perceptual import Perceptual
from vldm_cli.train.processes import together

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

# What a run is known by, of which checkpoints have not always told.
LATER = ("real_codec", "perceptual")


def start_network(
    network: Path,
    out: Path,
    data: str,
    *,
    layers: Path | None = None,
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
    layers: those to begin with, of the same network; new ones by default. Returns the run's folder (default: beside
    it). Raises RequestError for what cannot be trained, RunError when training breaks."""
    numbers = Numbers(minutes, steps, batch, lr, seed, bank_frames, sample_minutes, save_minutes)
    with together(device) as own:
        where = own.device
        chosen = number_format(dtype, where)
        opened = open_network(network, "--network")
        if str(chosen).removeprefix("torch.") not in opened.formats:
            chosen = torch.float32
        torch.manual_seed(seed)
        if layers is not None:
            begun = open_layers(layers, opened.network, opened.name, "--network")
            steady, begun_with = begun.steady, begun.sha256
        else:
            steady, begun_with = _new(opened, network), None
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True  # every step has the same shapes
        batch, bank_frames = numbers.at_a_time(SteadyLayers, where, own.many)
        means = NetworkMeans(
            source=open_source(data, TOYLAND, where, patches=True, compiled=False, real_codec=real_codec),
            device=where,
            dtype=chosen,
            batch=batch,
            bank_frames=bank_frames,
            seed=seed,
            rank=own.rank,
            perceptual=None if perceptual is None else Perceptual.load(perceptual, where),
            steady=steady,
            out=out,
            told={
                "network": opened.name,
                "network_sha256": opened.sha256,
                "architecture": opened.architecture,
            },
        )
        schedule = numbers.schedule(SteadyLayers)
        identity = {
            "part": SteadyLayers.part,
            "network": opened.sha256,
            "layers": begun_with,
            "data": data,
            "batch": means.batch,
            "bank": means.bank_frames,
            "seed": seed,
            "lr": schedule.lr,
            "dtype": str(chosen),
            "processes": own.many,
            **dict(zip(LATER, (real_codec, perceptual and perceptual.name), strict=True)),
        }
        folder = run or out.parent / f"{out.name}-run"
        Trainer(SteadyLayers(means), schedule, folder, identity, LATER).run()
    return folder


def _new(opened: Network, path: Path) -> SteadyNetwork:
    try:
        return align_network(opened.network)
    except ValueError as error:
        raise RequestError(
            f"--network {shown(str(path))}: no temporal layers can be put into it, for {error}; take another network"
        ) from error
