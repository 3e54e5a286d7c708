"""`upscale` put together: a clip, an upscaler of a pack and options become a job for `clip_run`."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vldm_cli.denoise.guidance import Guidance
from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import SOURCES, UPSCALERS, Pack
from vldm_cli.pipelines.clip.job import Frames, Job, identity
from vldm_cli.pipelines.upscale.clip import TILE, UpscaleClip
from vldm_cli.runs.attempt import seed_of
from vldm_cli.runs.memory import free_bytes
from vldm_cli.runs.progress import Clock, Meter
from vldm_cli.runs.store import Store
from vldm_cli.stages.costs import BASE, NATIVE, RATES, SPACE_COSTS, UPSCALE_BYTES
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import UPSCALE
from vldm_cli.stages.running import AS_USUAL, Running
from vldm_cli.stages.upscale import STAGE
from vldm_cli.video.carry import packed
from vldm_cli.video.clip import Clip
from vldm_cli.video.encoders import X264
from vldm_cli.video.kinds import open_container
from vldm_cli.video.look import Look, Raw
from vldm_cli.video.made import made_by
from vldm_cli.video.segments import stored_look


@dataclass(frozen=True)
class Options:
    """space: one of `manifest.SPACES`. prompt, negative, guidance: for an upscaler that listens to text. tile: None for
    as large as usual. seed: None for a drawn one, or the interrupted run's."""

    scale: int
    space: str
    noise: float
    steps: int
    tile: int | None
    seed: int | None
    device: str
    dtype: str
    prompt: str = ""
    negative: str = ""
    guidance: float = 1.0
    running: Running = AS_USUAL


def make_job(
    clip: Clip,
    pack: Pack,
    out: Path,
    options: Options,
    *,
    crf: int,
    encoder: str = X264,
    preview: Path | None = None,
    resume: bool = True,
    force: bool = False,
    models: Models | None = None,
) -> Job:
    """Raises RequestError where the pack has no such upscaler or the file cannot hold such frames."""
    check_space(pack, options.space)
    models = models or Models(pack, options.device, options.dtype, options.running)
    defaults = pack.manifest.defaults
    settings = {
        "scale": options.scale,
        "space": options.space,
        "noise": options.noise,
        "steps": options.steps,
        "tile": options.tile or TILE,
        "dtype": options.dtype,
        "scheduler": defaults.scheduler,
    }
    if options.space == "frame":
        settings |= {"prompt": options.prompt, "negative": options.negative, "guidance": options.guidance}
    settings |= options.running.given_up
    guidance = Guidance(options.guidance, until=options.running.guided)

    def upscaler(seed: int) -> UpscaleClip:
        return UpscaleClip(
            clip,
            partial(models.upscaler_in, options.space),
            partial(models.upscaler_scheduler, defaults.scheduler, options.space),
            scale=options.scale,
            seed=seed,
            steps=options.steps,
            noise=options.noise,
            window=defaults.upscale_window,
            overlap=defaults.upscale_overlap,
            tile=options.tile or TILE,
            prompt=options.prompt,
            negative=options.negative,
            guidance=guidance,
            settled=options.space == "pixel",  # the others have not been measured with it
        )

    any_seed = upscaler(0)
    plan = _plan(any_seed, options.device, options.space)
    models.prepare_upscaler(options.space, plan["estimated_peak_bytes"])
    if (free := free_bytes(models.device)) is not None:
        plan |= {"free_bytes": free, "memory": options.running.way(models.upscaling.low)}
    raw = any_seed.raw
    kind = open_container(out)
    look, said = look_of(clip, kind, raw, options.scale)
    baggage = packed(clip.report, kind)
    job = Job(
        clip=clip,
        out=out,
        command="upscale",
        settings=settings,
        make=_nothing,
        raw=raw,
        look=look,
        times=clip.times,
        baggage=baggage,
        stages=(STAGE,),
        crf=crf,
        encoder=encoder,
        device=models.device,
        remedy="a smaller --tile needs less",
        pack=pack.manifest.told,
        preview=preview,
        resume=resume,
        force=force,
        warnings=[*clip.warnings, *models.upscaling.remarks, *_remarks(clip, pack), *baggage.remarks, *said],
    )

    def known_as(plan: dict) -> dict:
        return identity(replace(job, seed=plan["seed"]), plan.get("clip", ""))

    job = replace(job, seed=seed_of(options.seed, out, resume, known_as))
    assert job.seed is not None  # just drawn
    source = upscaler(job.seed)
    return replace(job, make=source.make, plan=plan)


def look_of(clip: Clip, kind: str, raw: Raw, scale: int) -> tuple[Look, list[str]]:
    """How frames so many times as large are stored, and what is to be said of it."""
    look = clip.look
    if (
        look.was_rgb and scale > 1
    ):  # at twice the size and more, 4:2:0 holds a colour for each of the clip's pixels
        look = replace(look, chroma="420", was_rgb=False)
    return stored_look(look, kind, raw.height, raw.width)


def _nothing(start: int, clock: Clock, journal: Store, meters: dict[str, Meter]) -> Frames:
    """What a job makes until its seed is known."""
    yield from ()


def check_space(pack: Pack, space: str) -> None:
    """That the pack has an upscaler of that space. Raises RequestError that says what to do where it has none."""
    if space in pack.upscalers:
        return
    if pack.upscalers:
        there = f"{' and '.join(pack.upscalers)} space, so use --space {pack.upscalers[0]}"
    else:
        there = "no space, so use another --pack"
    if space not in UPSCALERS:
        raise RequestError(f"pack {pack.name} has no upscaler for --space {space}: it has one in {there}")
    parts = ", then ".join(UPSCALERS[space].values())
    raise RequestError(
        f"pack {pack.name} has no upscaler for --space {space}: it has one in {there}, "
        f"or train one by `vldm train PART --pack {pack.folder}` for PART {parts}"
    )


def _plan(source: UpscaleClip, device: str, space: str) -> dict:
    """Numbers for `--dry-run`: counts, and estimates of time and memory."""
    kind, tiles, seen = device.split(":")[0], source.tiles, source.windows[0].length
    speed, memory = SPACE_COSTS[space]
    (y, x), *_ = tiles.places
    area = (y.stop - y.start) * (x.stop - x.start)
    whole = tiles.padded[0] * tiles.padded[1]
    calls = len(source.windows) * len(tiles.places) * source.steps
    seconds = calls * seen * area / NATIVE / (RATES[kind]["upscale"] * speed)
    seconds += source.clip.frames * whole * UPSCALE**2 / NATIVE / RATES[kind]["write"]
    # residuals, noise and their sums for a window of whole frames, and the model's own for one tile
    held = 4 * 4 * seen * whole * 3 * UPSCALE**2
    return {
        "windows": len(source.windows),
        "tiles": len(tiles.places),
        "calls": calls,
        "estimated_total_seconds": round(seconds, 3),
        "estimated_peak_bytes": int(BASE[kind] + held + seen * memory * UPSCALE_BYTES * area / NATIVE),
    }


def _remarks(clip: Clip, pack: Pack) -> list[str]:
    """Of an upscaler that has seen only the world that vldm makes, a clip of another world says so. A pack that was
    trained on anything else names it in its SOURCES.csv."""
    if pack.name != "toyland" or pack.path(SOURCES).is_file() or made_by(clip) is not None:
        return []
    return [
        "pack toyland's upscaler has been trained on Toyland only, so on other material it adds little detail"
    ]
