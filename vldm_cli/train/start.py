"""From the words of a command to a running training: checks, defaults, device, and the pieces put together."""

from pathlib import Path

import torch

from vldm_cli.errors import RequestError
from vldm_cli.packs.layers import with_layers
from vldm_cli.packs.origins.cached import MissingPackError
from vldm_cli.packs.pack import PARTS, Pack
from vldm_cli.runs.command_line import typed
from vldm_cli.toyland.dataset import Drawing
from vldm_cli.train.asked import Numbers, number_format
from vldm_cli.train.data.source import open_source
from vldm_cli.train.emphasis import emphasis
from vldm_cli.train.looks import Looks
from vldm_cli.train.loop import Trainer
from vldm_cli.train.objectives import OBJECTIVES, Objective, Setup
from vldm_cli.train.perceptual import Perceptual
from vldm_cli.train.processes import together

# Parts that have a use for --perceptual: those whose loss compares pictures.
PERCEPTUAL = (
    "autoencoder",
    "decoder",
    "upscaler-image",
    "upscaler",
    "upscaler-own",
    "upscaler-latent-autoencoder",
    "upscaler-latent-image",
    "upscaler-latent",
)
# What an upscaler's low resolution has been through, of which checkpoints have not always told.
LOW = ("vae_roundtrip", "real_codec")
# Parts whose temporal layers go by another name in a pack that names the image model under them.
LAYERS = {"upscaler-frame": "upscaler_frame_temporal"}


# Compiling the renderer takes two minutes or more; eager, it makes some 1 500 frames a second on an H100.
COMPILE_MINUTES = 10.0


def renders_compiled(kind: type[Objective], device: torch.device, minutes: float | None) -> bool:
    """Whether compiling Toyland's renderer pays: on CUDA, in a long run of a part that new frames make better."""
    return device.type == "cuda" and kind.renders_much and (minutes is None or minutes >= COMPILE_MINUTES)


def start(
    part: str,
    pack_name: str,
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
    compile: bool = False,
    channels_last: bool | None = None,
    record: bool | None = None,
    compile_render: bool | None = None,
    vae_roundtrip: bool = False,
    keep_latents: bool = False,
    teacher: str | None = None,
    looks: Path | None = None,
    perceptual: Path | None = None,
    real_codec: bool = True,
    bank_frames: int | None = None,
    outlines: float | None = None,
    fine: float | None = None,
    rolling: float | None = None,
    spinning: float | None = None,
    plain: float | None = None,
    sample_minutes: float = 2.0,
    save_minutes: float = 2.0,
) -> Path:
    """Train `part` of the pack to the end of `minutes` or `steps`; returns the run folder (default: beside the
    pack). Raises RequestError for what cannot be trained, RunError when training breaks."""
    opened = _open(pack_name)
    if part == "upscaler-latent" and "upscaler_frame" in opened.named:
        part = "upscaler-frame"  # what diffusers calls a latent upscaler too, where the pack names one
    kind = OBJECTIVES[part]
    numbers = Numbers(minutes, steps, batch, lr, seed, bank_frames, sample_minutes, save_minutes)
    if perceptual is not None and part not in PERCEPTUAL:
        raise RequestError(f"--perceptual is for {', '.join(PERCEPTUAL)}, not for {part}; leave it out")
    upscales = part.startswith("upscaler")
    for option, asked in (("--vae-roundtrip", vae_roundtrip), ("--no-real-codec", not real_codec)):
        if asked and not upscales:
            raise RequestError(f"{option} is for upscalers, not for {part}; leave it out")
    if keep_latents and part != "autoencoder":
        raise RequestError(f"--keep-latents is for the autoencoder, not for {part}; leave it out")
    if teacher is not None and part != "keyframes":
        raise RequestError(f"--teacher is for keyframes, not for {part}; leave it out")
    shown_by = None if looks is None else Looks.open(looks, part, data)
    more = emphasis(part, outlines, fine, rolling, plain, spinning)
    pack = with_layers(opened, LAYERS.get(part, part), seed)
    taught_by = None if teacher is None else _open_teacher(teacher, pack)
    with together(device) as own:
        where = own.device
        torch.set_float32_matmul_precision("high")
        # parts on clips see windows of many lengths, and trying out kernels for each would cost more than it brings
        torch.backends.cudnn.benchmark = kind.frames == 1
        chosen = number_format(dtype, where)
        batch, bank_frames = numbers.at_a_time(kind, where, own.many)
        setup = Setup(
            pack=pack,
            source=open_source(
                data,
                pack.manifest.video,
                where,
                patches=upscales,
                compiled=renders_compiled(kind, where, minutes) if compile_render is None else compile_render,
                real_codec=real_codec,
                drawing=Drawing(
                    rolling=more.rolling,
                    spinning=more.spinning,
                    repeated=more.repeated,
                    plain=more.plain,
                    cell=pack.manifest.video.latent_factor if more.outlines else 0,
                ),
            ),
            device=where,
            dtype=chosen,
            batch=batch,
            bank_frames=bank_frames,
            seed=seed,
            rank=own.rank,
            compile=compile,
            channels_last=channels_last,
            record=where.type == "cuda" if record is None else record,
            vae_roundtrip=vae_roundtrip,
            keep_latents=keep_latents,
            teacher=taught_by,
            looks=None if shown_by is None else shown_by.to(where, chosen),
            perceptual=None if perceptual is None else Perceptual.load(perceptual, where),
            outlines=more.outlines,
            fine=more.fine,
        )
        schedule = numbers.schedule(kind)
        identity = {
            "part": part,
            "pack": str(pack.folder.resolve()),
            "data": data,
            "batch": batch,
            "bank": setup.bank_frames,
            "seed": seed,
            "lr": schedule.lr,
        }
        identity |= {"dtype": str(chosen), "processes": own.many, **more.identity}
        weights = {f"sha256 of {name}": pack.weights_sha256(name) for name in kind.stands_on}
        under = {key: sha256 for key, sha256 in weights.items() if sha256 is not None}
        identity |= under
        if upscales:
            identity |= dict(zip(LOW, (vae_roundtrip, real_codec), strict=True))
        if keep_latents:
            identity["keep_latents"] = True
        if taught_by is not None:
            identity["teacher"] = taught_by.manifest.hash
        if shown_by is not None:
            identity["looks"] = shown_by.sha256
        if perceptual is not None:
            identity["perceptual"] = perceptual.name
        folder = run or pack.folder.parent / f"{pack.folder.name}-{part}"
        Trainer(kind(setup), schedule, folder, identity, (*LOW, "pack", *under)).run()
    return folder


def _open(name: str) -> Pack:
    """The pack that is to be trained. Raises RequestError."""
    try:
        # No checksums: another process may be training another part of the same pack at this moment.
        return Pack.open(name, check=False)
    except MissingPackError as error:
        made = typed(("vldm", "train", "new", "--pack", name))
        raise RequestError(f"{error}; a new pack is made by `{made}`") from error


def _open_teacher(name: str, student: Pack) -> Pack:
    """The pack that --teacher names. Raises RequestError where it can teach the student nothing."""
    pack = Pack.open(name)
    if not pack.has("keyframes"):
        raise RequestError(f"--teacher {name:.80} has no keyframes; name a pack that has")
    if pack.folder == student.folder:
        raise RequestError(f"--teacher {name:.80} is the pack that is trained; name a copy of it")
    theirs, own = pack.manifest.files, student.manifest.files
    if any(theirs.get(PARTS[part]) != own.get(PARTS[part]) for part in ("unet", "vae", "text")):
        raise RequestError(
            f"--teacher {name:.80} has other image models than the pack that is trained; name a copy of it"
        )
    return pack
