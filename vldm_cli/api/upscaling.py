"""What `upscale` is asked to do to any clip: by a pack, or by a network that somebody has; refused before one is
opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vldm_cli.api import checks
from vldm_cli.api.device import choose_device, choose_dtype
from vldm_cli.api.kept import Kept
from vldm_cli.api.packs import LoadedPack, device_of
from vldm_cli.errors import RequestError
from vldm_cli.stages.running import Running
from vldm_cli.video.numbers import choice, real, whole

if TYPE_CHECKING:
    from vldm_cli.packs.network import Network
    from vldm_cli.packs.networks.layers import Layers
    from vldm_cli.pipelines.upscale.job import Options


@dataclass(frozen=True)
class ByPack:
    """An opened pack's upscaler, with every default filled in but the seed."""

    used: LoadedPack
    options: Options
    crf: int

    @property
    def scale(self) -> int:
        return self.options.scale


@dataclass(frozen=True)
class ByNetwork:
    """A network for pictures; steady and tile: None for what is usual; layers: temporal layers for it, or None."""

    network: Network
    scale: int
    steady: float | None
    layers: Layers | None
    tile: int | None
    device: str
    dtype: str
    crf: int


def check(
    kept: Kept,
    *,
    scale: int | None,
    pack: str | Path | LoadedPack | None,
    model: str | Path | None,
    steady: float | None,
    layers: str | Path | None,
    noise: float | None,
    space: str | None,
    tile: int | None,
    steps: int | None,
    seed: int | None,
    prompt: str,
    negative: str,
    guidance: float | None,
    device: str,
    dtype: str,
    running: Running,
    crf: int,
) -> ByPack | ByNetwork:
    """The options of `upscale` that hold for any clip. Raises RequestError."""
    from vldm_cli.packs.manifest import SPACES

    crf, tile = checks.crf_of(crf), checks.tile_of(tile)
    if model is not None:
        given = {
            "--pack": pack,
            "--noise": noise,
            "--space": space,
            "--steps": steps,
            "--seed": seed,
            "--prompt": prompt or None,
            "--negative": negative or None,
            "--guidance": guidance,
            "--plain": running.plain or None,
            "--no-plain": True if running.plain is False else None,
            "--memory": None if running.memory == "auto" else running.memory,
            "--fast": running.fast or None,
        }
        named = None if layers is None else Path(layers)
        return _by_network(kept, Path(model), given, scale, steady, named, tile, device, dtype, crf)
    for option, value in (("--steady", steady), ("--layers", layers)):
        if value is not None:
            raise RequestError(f"{option} is for a network that --model names; leave it out")
    scale = choice("--scale", 4 if scale is None else scale, (2, 4))
    pack = "toyland" if pack is None else pack
    if space is not None and space not in SPACES:
        raise RequestError(f"--space {space:.40} is none of {', '.join(SPACES)}")
    noise = None if noise is None else real("--noise", noise, 0, 1, below=True)
    steps, seed = checks.steps_of(steps), checks.seed_of(seed)
    guidance = checks.weight_of("--guidance", guidance)
    chosen, number = device_of(pack, device, dtype)
    used = kept.pack(pack, chosen, number, running)
    if used.pack.upscaling is not used.pack:
        used = kept.pack(used.pack.upscaling.folder, chosen, number, used.running)
    defaults = used.pack.manifest.defaults
    if (prompt or negative or guidance is not None) and (space or defaults.upscale_space) != "frame":
        raise RequestError(
            f"pack {used.name}'s upscaler reads no text; leave out --prompt, --negative and --guidance"
        )

    from vldm_cli.pipelines.upscale.job import Options, check_space

    check_space(used.pack, space or defaults.upscale_space)
    asked = Options(
        scale=scale,
        space=space or defaults.upscale_space,
        noise=defaults.noise_of_clips(space or defaults.upscale_space) if noise is None else noise,
        steps=steps or defaults.upscale_steps,
        tile=tile,
        seed=seed,
        prompt=prompt,
        negative=negative,
        guidance=defaults.upscale_guidance if guidance is None else guidance,
        device=chosen,
        dtype=number,
        running=used.running,
    )
    return ByPack(used, asked, crf)


def _by_network(
    kept: Kept,
    model: Path,
    given: Mapping[str, object],
    scale: int | None,
    steady: float | None,
    layers: Path | None,
    tile: int | None,
    device: str,
    dtype: str,
    crf: int,
) -> ByNetwork:
    """given: options that a network has no use for, and what they were told."""
    from vldm_cli.packs.network import LARGEST

    for option, value in given.items():
        if value is not None:
            raise RequestError(
                f"{option} does not go with --model, a network without pack, noise, steps and text; leave one out"
            )
    scale = None if scale is None else whole("--scale", scale, 1, LARGEST)
    steady = None if steady is None else real("--steady", steady, 0, 1)
    chosen = choose_device(device)
    if dtype != "auto":
        choose_dtype(dtype, chosen)
    network = kept.network(model)
    found = None
    if layers is not None or steady is None or steady == 1:
        found = kept.layers(layers, network)

    from vldm_cli.pipelines.upscale.network_job import check_network, number_format

    scale = check_network(network, scale, tile, steady, found)
    number = number_format(dtype, network, chosen)
    return ByNetwork(network, scale, steady, found, tile, chosen, number, crf)
