"""`upscale --model` put together: a clip, a network and options become a job for `clip_run`."""

from pathlib import Path

import torch

from vldm_cli.errors import RequestError
from vldm_cli.packs.network import Network
from vldm_cli.packs.networks.layers import Layers
from vldm_cli.pipelines.clip.job import Job
from vldm_cli.pipelines.upscale.clip import OVERLAP, TILE
from vldm_cli.pipelines.upscale.job import look_of
from vldm_cli.pipelines.upscale.network import STEADY, NetworkClip, least_tile
from vldm_cli.runs.here import Elsewhere
from vldm_cli.runs.memory import keep_freed_memory
from vldm_cli.stages.costs import BASE, NATIVE, RATES, SPEED
from vldm_cli.stages.tiles import Tiles
from vldm_cli.stages.upscale import STAGE
from vldm_cli.video.carry import packed
from vldm_cli.video.clip import Clip
from vldm_cli.video.encoders import X264
from vldm_cli.video.kinds import open_container

# The side of tiles where none is given. A GPU is asked for whole frames of 640×360: networks are hundreds of small
# layers, and of six tiles it spends more time on being told what to do than on doing it.
TILES = {"cuda": 640}
# Pixels by which tiles overlap, at least, however little the network looks around.
MARGIN = 16
# Numbers that are held for each pixel of an enlarged frame (frames, their residuals, flow, sums and what waits), and
# for each pixel of an enlarged tile (channels that a network's last layers have). Reckoned; a Compact network (×4,
# 640×360, on a CPU) took 1.7 GiB where this says 2.0, and 1.1 with --steady 0.
_FRAME_NUMBERS, _TILE_NUMBERS = 36, 200


def number_format(asked: str, network: Network, device: str) -> str:
    """The number format of a network; "auto" is float16 on a CUDA GPU where the network can be computed in it, and
    float32 elsewhere: what comes out are pictures, and bfloat16 has fewer values than they have. Raises RequestError
    for one in which the network cannot be computed."""
    if asked == "auto":
        return "float16" if device.startswith("cuda") and "float16" in network.formats else "float32"
    if asked not in network.formats:
        raise RequestError(
            f"--dtype {asked}: networks of the kind {network.architecture} cannot be computed in it; use "
            f"{' or '.join(network.formats)}"
        )
    return asked


def check_network(
    model: Network, scale: int | None, tile: int | None, steady: float | None, layers: Layers | None
) -> int:
    """How many times a network enlarges; scale: None for its own. Raises RequestError for what it, or its temporal
    layers, cannot do."""
    network = model.network
    scale = scale or model.scale
    if scale > network.scale:
        raise RequestError(
            f"--scale {scale}: --model {model.name} enlarges {network.scale} times; leave --scale out or give a "
            "smaller one"
        )
    least = least_tile(network)
    if tile is not None and tile < least:
        raise RequestError(
            f"--tile {tile} is less than --model {model.name} can work with; give {least} or more"
        )
    if layers is not None and steady not in (None, 0, 1):
        raise RequestError(
            f"--steady {steady:g}: the temporal layers for --model {model.name} are on or off; give 0, or leave it out"
        )
    return scale


def make_job(
    clip: Clip,
    model: Network,
    out: Path,
    *,
    scale: int | None,
    steady: float | None,
    layers: Layers | None = None,
    tile: int | None,
    device: str,
    dtype: str,
    crf: int,
    encoder: str = X264,
    preview: Path | None = None,
    resume: bool = True,
    force: bool = False,
) -> Job:
    """scale: None for the network's own; layers: temporal layers for this network; steady: None for 1 where there are
    layers and `STEADY` where there are none; tile: None for as large as usual; device: the workers' where it
    is `Elsewhere`. Raises RequestError for what this network cannot do, or where the file cannot hold such frames."""
    network = model.network
    if steady is None:
        steady = STEADY if layers is None else 1.0
    scale = check_network(model, scale, tile, steady, layers)
    where, away = torch.device(device), isinstance(device, Elsewhere)
    tile = tile or max(TILES.get(where.type, TILE), least_tile(network))
    overlap = _overlap(clip, model, tile)
    settings = {
        "model": model.name,
        "model_sha256": model.sha256,
        "architecture": model.architecture,
        "scale": scale,
        "steady": steady,
        "layers": layers.name if layers and layers.given and steady else None,
        "layers_sha256": layers.sha256 if layers and steady else None,
        "tile": tile,
        "dtype": dtype,
    }
    if where.type == "cpu":
        keep_freed_memory()
    source = NetworkClip(
        clip,
        network,
        scale=scale,
        steady=steady,
        layers=layers.steady if layers else None,
        tile=tile,
        overlap=overlap,
        device=where,
        dtype=getattr(torch, dtype),
    )
    kind = open_container(out)
    look, said = look_of(clip, kind, source.raw, scale)
    baggage = packed(clip.report, kind)

    return Job(
        clip=clip,
        out=out,
        command="upscale",
        settings=settings,
        make=source.make,
        raw=source.raw,
        look=look,
        times=clip.times,
        baggage=baggage,
        stages=(STAGE,),
        crf=crf,
        encoder=encoder,
        device=torch.device("cpu") if away else where,
        remedy="a smaller --tile needs less",
        preview=preview,
        resume=resume,
        force=force,
        warnings=[*clip.warnings, *model.remarks, *_remarks(source, model, away), *baggage.remarks, *said],
        plan=_plan(source),
    )


def _overlap(clip: Clip, model: Network, tile: int) -> int | None:
    """By how much tiles are to overlap: by what the network looks at to each side, at least. None where there is one
    tile, or that is not known. Raises RequestError where tiles are too small for what it looks at."""
    network = model.network
    if len(Tiles(clip.height, clip.width, tile, min(OVERLAP, tile // 4), network.multiple).places) == 1:
        return None
    far = network.looks
    if far is None:
        return None
    if 2 * far >= tile:
        raise RequestError(
            f"--tile {tile} is less than --model {model.name} looks at, {far} pixels to each side; give {2 * far + 2} "
            "or more"
        )
    return min(max(MARGIN, far), tile // 2)


def _remarks(source: NetworkClip, model: Network, away: bool) -> list[str]:
    """away: its device is none of this machine's, and nothing can be tried on it."""
    said = []
    if not (model.network.tiled or len(source.tiles.places) == 1):
        said.append(
            f"networks of the kind {model.architecture} look at whole pictures, and in tiles parts may come out unlike "
            "each other; a larger --tile makes fewer"
        )
    slower = None if away else source.slower
    return [*said, slower] if slower else said


def _plan(source: NetworkClip) -> dict:
    """Numbers for `--dry-run`: counts, and estimates of time and memory."""
    network, tiles, frames = source.network, source.tiles, source.clip.frames
    (y, x), *_ = tiles.places
    area, whole = (y.stop - y.start) * (x.stop - x.start), tiles.padded[0] * tiles.padded[1]
    calls, fold = frames * len(tiles.places), network.scale**2
    seconds = calls * area * 2 * network.weights / SPEED[source.device.type]
    seconds += frames * whole * source.scale**2 / NATIVE / RATES[source.device.type]["write"]
    numbers = whole * _FRAME_NUMBERS + area * _TILE_NUMBERS
    return {
        "tiles": len(tiles.places),
        "calls": calls,
        "estimated_total_seconds": round(seconds, 3),
        "estimated_peak_bytes": BASE[source.device.type] + 4 * network.weights + 4 * fold * numbers,
    }
