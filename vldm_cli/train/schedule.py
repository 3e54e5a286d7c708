"""Which part is trained when, where and for how long: data and arithmetic only, no torch.

What depends on what: the image LDM and the decoder need the autoencoder; keyframes and interpolation the image LDM;
an upscaler's temporal layers its image UNet, which needs its own autoencoder if it has one; and the upscalers see
frames that went through the autoencoder.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

from vldm_cli.errors import RequestError
from vldm_cli.video.numbers import LONGEST, MOST_GPUS, MOST_SHARE, real, whole

AFTER = {
    "image": ("autoencoder",),
    "decoder": ("autoencoder",),
    "upscaler-image": ("autoencoder",),
    "upscaler": ("upscaler-image",),
    "upscaler-own": ("upscaler",),
    "upscaler-latent-autoencoder": ("autoencoder",),
    "upscaler-latent-image": ("upscaler-latent-autoencoder",),
    "upscaler-latent": ("upscaler-latent-image",),
    "keyframes": ("image",),
    "interpolation": ("image",),
}
# Phases follow each other; the lanes of a phase run side by side, the parts of a lane one after the other. Numbers are
# shares of the whole time. They are where the pictures gain: the autoencoder is the ceiling of everything after it,
# the image LDM draws what is seen, and the temporal layers learn slowest.
ONE_LANE = (
    (
        {
            "autoencoder": 0.17,
            "probe": 0.04,
            "image": 0.25,
            "upscaler-image": 0.07,
            "upscaler": 0.03,
            "upscaler-own": 0.02,
            "upscaler-latent-autoencoder": 0.03,
            "upscaler-latent-image": 0.04,
            "upscaler-latent": 0.03,
            "keyframes": 0.16,
            "interpolation": 0.10,
            # it learns on interpolated latents too, where there are any
            "decoder": 0.06,
        },
    ),
)
TWO_LANES = (
    # everything waits for the autoencoder, and all video layers for the image LDM, so all GPUs train these
    ({"autoencoder": 0.25},),
    ({"image": 0.33},),
    (
        {"keyframes": 0.42},
        {
            "interpolation": 0.12,
            "probe": 0.05,
            "decoder": 0.07,
            "upscaler-image": 0.05,
            "upscaler": 0.04,
            "upscaler-own": 0.02,
            "upscaler-latent-autoencoder": 0.02,
            "upscaler-latent-image": 0.03,
            "upscaler-latent": 0.02,
        },
    ),
)
PARTS = tuple(ONE_LANE[0][0])
# A process needs about this long to import, load, draw its last sheet and export, next to its training; in minutes,
# and never more than half of a part's time.
AROUND = 0.25
# However late it has become, a part gets this share of the time that was planned for it.
LEAST = 0.25


@dataclass(frozen=True)
class Job:
    """One part's training. gpus: () is the CPU. start, minutes: planned wall time, from the beginning of the whole;
    after: parts of the same schedule that must have been trained. options: further words of `vldm train PART`."""

    part: str
    gpus: tuple[int, ...]
    start: float
    minutes: float
    after: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def places(self) -> frozenset[int]:
        """What two jobs cannot use at once."""
        return frozenset(self.gpus or (-1,))


def parse_parts(text: str, option: str = "--parts") -> dict[str, float | None]:
    """`image,keyframes=0.5` → part → share of the time, None for the table's; `option` says so. Raises RequestError."""
    found: dict[str, float | None] = {}
    for word in text.split(","):
        name, _, share = (x.strip() for x in word.partition("="))
        if name not in PARTS:
            raise RequestError(f"{option} {name!r:.40} is no part; parts are {', '.join(PARTS)}")
        if name in found:
            raise RequestError(f"{option} names {name} twice")
        try:
            found[name] = float(share) if share else None
        except ValueError:
            found[name] = 0.0
        value = found[name]
        if value is not None and not 0 < value <= MOST_SHARE:
            raise RequestError(
                f"{option} {word.strip():.40}: a share is a number above 0, such as {name}=0.3"
            )
    return found


def make_schedule(
    minutes: float, gpus: int, parts: dict[str, float | None] | None = None, roundtrip: bool = False
) -> list[Job]:
    """The jobs, in the order in which they claim their GPUs, filling `minutes` on each of the GPUs.

    parts: those to train, with shares of the time relative to each other's; None for all. roundtrip: the pack's
    autoencoder is trained already. Raises RequestError for numbers that are none.
    """
    _check(minutes, gpus)
    parts = dict.fromkeys(PARTS) if parts is None else parts
    phases = []
    for phase in TWO_LANES if gpus > 1 else ONE_LANE:
        lanes = [
            {p: share if (own := parts[p]) is None else own for p, share in lane.items() if p in parts}
            for lane in phase
        ]
        lanes = [lane for lane in lanes if lane]
        if lanes:
            phases.append((lanes, max(sum(lane.values()) for lane in lanes)))
    return _jobs(phases, minutes, gpus, roundtrip)


def make_lanes(
    minutes: float, gpus: int, lanes: list[dict[str, float | None]], roundtrip: bool = False
) -> list[Job]:
    """The jobs of lanes that are named: each lane has GPUs of its own, as even as can be, and trains its parts in that
    order, with shares relative to each other's (None: the usual ones); it waits for what a part needs of another lane.

    Raises RequestError for numbers that are none, more lanes than GPUs, a part that is in two of them, and lanes that
    would wait for ever.
    """
    _check(minutes, gpus)
    if len(lanes) > max(1, gpus):
        raise RequestError(f"--lane: {len(lanes)} lanes need {len(lanes)} GPUs, and there are {gpus}")
    named = [part for lane in lanes for part in lane]
    for part in named:
        if named.count(part) > 1:
            raise RequestError(f"--lane: {part} is in two lanes; name it once")
    _check_order(lanes, set(named))
    usual = ONE_LANE[0][0]
    lanes = [{p: usual[p] if share is None else share for p, share in lane.items()} for lane in lanes]
    return _jobs([(lanes, 1.0)], minutes, gpus, roundtrip)


def _check(minutes: float, gpus: int) -> None:
    real("--minutes", minutes, 0, LONGEST, above=True)
    whole("--gpus", gpus, 0, MOST_GPUS)


def _check_order(lanes: list[dict[str, float | None]], named: set[str]) -> None:
    """Go through the lanes as the run would. Raises RequestError where it would stand still."""
    waiting = [list(lane) for lane in lanes]
    done: set[str] = set()

    def missing(part: str) -> list[str]:
        return [needed for needed in AFTER.get(part, ()) if needed in named - done]

    while queues := [queue for queue in waiting if queue]:
        ready = [queue for queue in queues if not missing(queue[0])]
        if not ready:
            stuck = queues[0][0]
            needs = ", ".join(missing(stuck))
            raise RequestError(f"--lane: {stuck} needs {needs}, which would come after it; name that first")
        for queue in ready:
            done.add(queue.pop(0))


def _jobs(phases: list[tuple[list[dict], float]], minutes: float, gpus: int, roundtrip: bool) -> list[Job]:
    """Jobs of phases (lanes of part → share, share of the phase in the whole), one after the other."""
    named = {part for lanes, _ in phases for lane in lanes for part in lane}
    whole = sum(share for _, share in phases)
    jobs, begin = [], 0.0
    for lanes, share in phases:
        length = minutes * share / whole
        for lane, places in zip(lanes, _divided(gpus, len(lanes)), strict=True):
            start, together = begin, sum(lane.values())
            for part, weight in lane.items():
                through = part.startswith("upscaler") and (roundtrip or "autoencoder" in named)
                jobs.append(
                    Job(
                        part,
                        places,
                        start,
                        length * weight / together,
                        tuple(p for p in AFTER.get(part, ()) if p in named),
                        ("--vae-roundtrip",) if through else (),
                    )
                )
                start += length * weight / together
        begin += length
    return jobs


def fitted(job: Job, jobs: list[Job], now: float, minutes: float) -> float:
    """Minutes of training for a job that starts at minute `now` of `minutes`: its fair share of what is left for it and
    the jobs after it on the same GPU, less what a process needs around the training."""
    place = min(job.places)
    rest = sum(j.minutes for j in jobs[jobs.index(job) :] if place in j.places)
    wall = max(LEAST * job.minutes, job.minutes * (minutes - now) / rest)
    return wall - min(AROUND, wall / 2)


def table(jobs: list[Job]) -> str:
    """The schedule for reading."""
    lines = [f"{'part':<29}{'on':<14}{'from':>7}{'to':>7}{'minutes':>9}  after"]
    for job in jobs:
        where = f"GPU {', '.join(map(str, job.gpus))}" if job.gpus else "CPU"
        notes = ", ".join(job.after) + (" (with round trip)" if job.options else "")
        lines.append(
            f"{job.part:<29}{where:<14}{job.start:>7.2f}{job.start + job.minutes:>7.2f}{job.minutes:>9.2f}  {notes}"
        )
    return "\n".join(line.rstrip() for line in lines)


def _divided(gpus: int, lanes: int) -> list[tuple[int, ...]]:
    """The GPUs of each lane: as even as can be, the first lanes getting more."""
    if lanes == 1:
        return [tuple(range(gpus))]
    bounds = [math.ceil(gpus * i / lanes) for i in range(lanes + 1)]
    return [tuple(range(a, b)) for a, b in pairwise(bounds)]
