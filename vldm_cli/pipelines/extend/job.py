"""`extend` put together: a clip, a pack and options become a job for `extend_run`."""

from array import array
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from vldm_cli import __version__
from vldm_cli.errors import RequestError
from vldm_cli.packs.abilities import NONE, Abilities
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.clip.fit import Fit
from vldm_cli.pipelines.clip.job import ClipJob, identity
from vldm_cli.pipelines.extend.clip import ExtendClip
from vldm_cli.pipelines.extend.settings import Memory, Options, encoder_of, settings_of, steps_of
from vldm_cli.pipelines.generate.settings import numbers_of
from vldm_cli.pipelines.generate.tail import context_of, restored, run_up_of, tail_frames
from vldm_cli.runs.attempt import seed_of
from vldm_cli.runs.folder import run_folder
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import MOTION, SEGMENT, Plan, make_plan
from vldm_cli.video.carry import packed
from vldm_cli.video.clip import Clip
from vldm_cli.video.copied import CLIP, style_to_copy
from vldm_cli.video.encoders import try_encoder
from vldm_cli.video.kinds import open_container
from vldm_cli.video.segments import stored_look
from vldm_cli.video.times import Times


@dataclass(frozen=True, kw_only=True)
class ExtendJob(ClipJob):
    """What `extend` makes. kept: how many of the clip's frames go along (0 with --only-new); `copied`: as packets, not
    encoded again; style: how new frames are encoded (see `video.copied`)."""

    source: ExtendClip
    kept: int
    copied: bool
    style: str

    @property
    def metadata(self) -> dict:
        return {
            "vldm": __version__,
            "command": "extend",
            "clip": self.clip.path.name,
            "prompt": self.settings["prompt"],
            "seed": self.seed,
            "pack": self.pack,
            "settings": {**self.settings, **self.of_the_clip},
        }

    @property
    def added(self) -> int:
        return len(self.times) - self.kept

    @property
    def encoded(self) -> int:
        return self.added if self.copied else len(self.times)

    @property
    def segments(self) -> list[tuple[int, int]]:
        """[start, stop) in frames of the new file: the clip's, then new ones."""
        old = [(0, self.kept)] if self.copied else _cut(0, self.kept)
        return [*old, *_cut(self.kept, len(self.times))]


def make_job(
    clip: Clip,
    pack: Pack,
    out: Path,
    options: Options,
    *,
    memory: Memory | None = None,
    preview: Path | None = None,
    resume: bool = True,
    force: bool = False,
    models: Models | None = None,
) -> ExtendJob:
    """Raises RequestError where the file cannot hold such frames."""
    can = Abilities.of(pack.manifest)
    if not can.keyframes:
        raise RequestError(f"pack {pack.name} makes no videos: it has no temporal layers for its image model")
    if can.context == NONE and not options.replacement:
        raise RequestError(
            f"pack {pack.name} was not made to go on from known frames; --replacement does all the same what it can"
        )
    memory = Memory.of(clip) if memory is None else memory
    models = models or Models(pack, options.device, options.dtype, options.running)
    manifest, video = pack.manifest, pack.manifest.video
    step_ticks = frame_ticks(clip.times)
    rate = Fraction(clip.times.clock, step_ticks)
    speed = float(video.fps / rate)
    by_motion = manifest.defaults.between == MOTION
    step, context = context_of(clip.frames, speed, video.keyframe_step, video.context, by_motion)
    settings = settings_of(options, memory, manifest, clip, rate, step)
    models.scheduler(settings.scheduler)  # an unknown one is refused now
    fit = Fit.of(clip, (settings.height, settings.width))
    kind = open_container(out)
    encoder = encoder_of(options, memory, kind)
    settings = replace(settings, upscale=fit.enlarges and pack.upscales, encoder=encoder)
    plan = make_plan(
        options.frames + 1,
        step,
        numbers=numbers_of(settings, manifest),
        size=(settings.height, settings.width),
        upscale=settings.upscale,
        lead=context,
        before=context - 1,
        between=settings.between,
        run_up=run_up_of(clip.frames, manifest),
        device=options.device.split(":")[0],
    )
    models.prepare_for(plan)
    saved, damaged = _saved(clip, memory, models, fit, rate)
    source = ExtendClip(clip, models, settings, plan, fit, speed, max(2, round(rate)), saved)
    context_from = "latents" if saved else "frames"
    stored, said = stored_look(clip.look, kind, clip.height, clip.width)
    try_encoder(encoder, clip.height, clip.width, stored.coded)
    style = None if options.only_new else style_to_copy(clip, kind, settings.crf, run_folder(out), encoder)
    look, said = (clip.look, []) if style else (stored, said)
    baggage, again = packed(clip.report, kind), []
    if options.only_new:
        baggage = replace(baggage, tracks=(), covers=(), chapters=False, remarks=())
    elif style is None and kind != "png":
        again = [
            f"the packets of {clip.path} cannot go on in {out.name}, so its frames are encoded once more"
        ]
        again[0] += f" (crf {settings.crf}), as they are and by no model"
    limit = steps_of(options, memory, manifest)
    job = ExtendJob(
        clip=clip,
        out=out,
        command="extend",
        settings={
            **settings.as_dict(),
            **({} if limit is None else {"steps": limit}),
            "only_new": options.only_new,
            "context": context,
            "context_from": context_from,
        },
        raw=source.raw,
        look=look,
        times=longer(clip.times, options.frames, options.only_new),
        baggage=baggage,
        crf=settings.crf,
        encoder=encoder,
        device=models.device,
        remedy="--dtype bfloat16 needs less, and --device cpu has another memory",
        pack=manifest.told,
        prompt=settings.prompt,
        source=source,
        kept=0 if options.only_new else clip.frames,
        copied=style is not None,
        style=style or CLIP,
        preview=preview,
        resume=resume,
        force=force,
        warnings=[*clip.warnings, *models.remarks, *baggage.remarks, *said, *again, *damaged],
        plan=_numbers(plan, context, context_from),
    )

    def known_as(plan: dict) -> dict:
        return identity(replace(job, seed=plan["seed"]), plan.get("clip", ""))

    asked = memory.seed if options.seed is None else options.seed
    return replace(job, seed=seed_of(asked, out, resume, known_as))


def _saved(
    clip: Clip, memory: Memory, models: Models, fit: Fit, rate: Fraction
) -> tuple[dict[int, Tensor], list[str]]:
    """The latents that the clip keeps, by their frames' numbers, and what is to be said of them; none where this pack
    did not make them, of just such frames."""
    manifest = models.pack.manifest
    if memory.latents is None or memory.pack_hash != manifest.hash or not fit.whole:
        return {}, []
    factor = manifest.video.latent_factor
    shape = (models.latent_channels, fit.model_height // factor, fit.model_width // factor)
    numbers = tail_frames(clip.frames, rate, manifest)
    try:
        saved = restored(memory.latents, numbers, clip.frames, (clip.height, clip.width), shape)
    except ValueError as error:
        return {}, [f"the latents kept in {clip.path} are damaged ({error}); its frames are encoded again"]
    return saved or {}, []


def frame_ticks(times: Times) -> int:
    """For how long frames are shown, in ticks: the length of each new one. Of a recording whose times only jitter it is
    the mean, so that the new ones go on at its rate; where some frames stand still, it is that of most."""
    lengths = sorted(times.length(i) for i in range(max(1, len(times) - 1)))
    middle = lengths[len(lengths) // 2]
    if lengths[-1] < 2 * middle:
        return max(1, round(Fraction(sum(lengths), len(lengths))))
    return middle


def longer(times: Times, frames: int, only_new: bool = False) -> Times:
    """The times with so many frames more, or those alone."""
    step, begin = frame_ticks(times), 0 if only_new else times.end
    ticks = array("q") if only_new else array("q", times.ticks)
    ticks.extend(begin + i * step for i in range(frames))
    return Times(times.clock, ticks, begin + frames * step, Fraction(0) if only_new else times.start)


def _numbers(plan: Plan, context: int, context_from: str) -> dict:
    """Numbers for `--dry-run`: what is computed, and estimates of time and memory."""
    table = plan.as_dict()
    return {
        "context": context,
        "context_from": context_from,
        "keyframes": plan.keyframes - 1,
        "keyframe_step": plan.keyframe_step,
        **{name: table[name] for name in ("keyframe_windows", "decode_windows", "upscale_windows", "calls")},
        **{name: table[name] for name in ("estimated_total_seconds", "estimated_peak_bytes")},
    }


def _cut(start: int, stop: int) -> list[tuple[int, int]]:
    return [(s, min(s + SEGMENT, stop)) for s in range(start, stop, SEGMENT)]
