"""The paper's ablations, repeated: variants of a pack's temporal layers, trained for the same time, measured alike.

Each group is one of its tables (METHOD §2 to §6). `packs`: name of a variant → the pack that holds it; they share
their image models, and "keyframes" is the method as the paper has it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from vldm_cli.align import Context
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import sample
from vldm_cli.measure.between import measure_between
from vldm_cli.measure.clips import Maker, rounded
from vldm_cli.measure.distances import SEED, Features, Reference, rendered_clips
from vldm_cli.measure.judged import measure_faithfulness
from vldm_cli.measure.probe import Probe, load_probe
from vldm_cli.measure.prompts import fixed_prompts
from vldm_cli.measure.reconstruction import measure_decoder, measure_upscaler
from vldm_cli.measure.store import Store
from vldm_cli.packs.pack import Pack
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import UPSCALE
from vldm_cli.stages.windows import continued_windows
from vldm_cli.toyland.dataset import ToylandClips

PROMPT_SEED = 5_000
SCALES = (1.0, 1.5, 2.0, 3.0)
# A video of 240 frames has 16 keyframes, of which the last 8 are looked at.
LONG = 16

# The upscaler whose temporal layers the variant `upscaler` trains.
SPACE = "pixel"


@dataclass(frozen=True)
class Amounts:
    """Clips of which Fréchet distances are taken (of keyframes, of neighbouring frames, of upscaled patches), prompts,
    clips reconstructed one by one and their frames, and clips in one call of a model."""

    frechet: int
    neighbours: int
    patches: int
    prompts: int
    decoder_clips: int
    decoder_frames: int
    upscaler_clips: int
    upscaler_frames: int
    batch: int
    steps: int | None = None


FULL = Amounts(512, 256, 128, 128, 16, 24, 4, 16, batch=128)
QUICK = Amounts(8, 4, 2, 10, 1, 8, 1, 2, batch=4, steps=8)

Note = Callable[[str], None]


def measure_ablations(
    packs: dict[str, Pack],
    device: str,
    dtype: str,
    amounts: Amounts,
    groups: Sequence[str],
    note: Note = lambda text: None,
    store: Store | None = None,
) -> dict:
    """group → {"rows": {name: measures}, …}. Groups that `store` has are not measured again."""
    probe = load_probe(next(iter(packs.values())), device)
    makers = {
        name: Maker(Models(p, device, dtype), amounts.batch, amounts.steps) for name, p in packs.items()
    }
    store = store or Store(None, {})
    table = {"amounts": asdict(amounts)}
    with torch.inference_mode():
        for name in groups:
            done = store.load(name)
            if done is None:
                done = {name: GROUPS[name][1](makers, probe, amounts, note)}, {}
                store.save(name, *done)
            table |= done[0]
    return table


def _layers(makers: dict[str, Maker], probe: Probe, amounts: Amounts, note: Note) -> dict:
    """8 keyframes from text: which temporal layers."""
    reference = Reference.rendered(makers["keyframes"], probe, amounts.frechet)
    asked = fixed_prompts(amounts.prompts)
    rows = {}
    for name, variant in (
        ("image LDM frame by frame", "keyframes"),
        ("temporal attention alone", "attention"),
        ("3D convolutions and attention (ours)", "keyframes"),
        ("ours, trained without context", "no-context"),
    ):
        note(f"layers: {name}")
        maker = makers[variant]
        alone = name.startswith("image")
        with maker.models.keyframes.temporal_off() if alone else nullcontext():
            distances = reference.distances(maker, probe)
            read, _ = measure_faithfulness(maker, probe, asked, PROMPT_SEED)
        rows[name] = {
            **_distances(distances),
            "read as asked": read["overall"]["made"],
            "warping error / rendered": read["consistency"]["warping error"]["made / rendered"],
        }
    return {"clips": amounts.frechet, "floor": _floor(distances), "rows": rows}


def _context(makers: dict[str, Maker], probe: Probe, amounts: Amounts, note: Note) -> dict:
    """Prediction: 8 keyframes of which 2 are given, and the last 8 of the 16 keyframes of 240 frames."""
    maker = makers["keyframes"]
    variants = [("none: trained without context", makers["no-context"], 1.0)]
    variants += [(f"learned context, s = {s:g}", maker, s) for s in SCALES]
    short, long = ({name: Features() for name, *_ in variants} for _ in range(2))
    truths = {}
    for seed in (SEED, SEED + 1):
        near, far = truths[seed] = Features(), Features()
        first = 0
        for x_BTCHW, captions in rendered_clips(maker, amounts.frechet, seed, LONG, maker.keyframe_step):
            near.add(probe, x_BTCHW[:, : maker.frames], maker.keyframe_step)
            far.add(probe, x_BTCHW[:, -maker.frames :], maker.keyframe_step)
            if seed == SEED:
                note(f"context: {first} of {amounts.frechet} videos, {len(variants)} variants")
                known_BTCHW = maker.encoded(x_BTCHW[:, : maker.models.pack.manifest.video.context])
                for name, other, s in variants:
                    z_BTCHW = continued(other, captions, maker.frames, SEED + first, s, known_BTCHW)
                    short[name].add(probe, other.decoded(z_BTCHW), maker.keyframe_step)
                    z_BTCHW = continued(other, captions, LONG, SEED + first, s)
                    long[name].add(probe, other.decoded(z_BTCHW[:, -maker.frames :]), maker.keyframe_step)
                first += len(captions)
    (near, far), (near_other, far_other) = truths.values()
    rows, floor = {}, {}
    for label, made, truth, other in (
        ("8 frames", short, near, near_other),
        ("240 frames", long, far, far_other),
    ):
        for name, *_ in variants:
            distances = made[name].against(truth, other)
            rows.setdefault(name, {}).update({f"{label}: {k}": v for k, v in _distances(distances).items()})
        floor |= {f"{label}: {k}": v for k, v in _floor(distances).items()}
    return {"clips": amounts.frechet, "floor": floor, "rows": rows}


def continued(
    maker: Maker, prompts: Sequence[str], count: int, seed: int, s: float, known_BTCHW: Tensor | None = None
) -> Tensor:
    """Latents (B, count, C, h, w) of keyframes, window after window as `vldm generate` makes them (METHOD §4), with
    context guidance s; the first ones may be known."""
    video = maker.models.pack.manifest.video
    lead = 0 if known_BTCHW is None else known_BTCHW.shape[1]
    z_BTCHW = known_BTCHW
    for window in continued_windows(count, video.window, video.context, lead):
        S, context = window.new - window.start, None
        if S:
            given_BTCHW = z_BTCHW[:, window.start : window.new]
            rest = given_BTCHW.new_zeros(len(prompts), window.length - S, *given_BTCHW.shape[2:])
            context = Context.leading(torch.cat([given_BTCHW, rest], 1), S)
        made_BTCHW = maker.latents(prompts, range(window.start, window.stop), seed, context, s)
        new_BTCHW = made_BTCHW[:, S:]
        z_BTCHW = new_BTCHW if z_BTCHW is None else torch.cat([z_BTCHW, new_BTCHW], 1)
    return z_BTCHW


def _interpolation(makers: dict[str, Maker], probe: Probe, amounts: Amounts, note: Note) -> dict:
    """16 times as many frames: in one step, or four times as many twice."""
    note(f"interpolation: {amounts.neighbours} clips")
    return measure_between(makers["interpolation-16"], makers["interpolation"], probe, amounts.neighbours)


def _decoder(makers: dict[str, Maker], probe: Probe, amounts: Amounts, note: Note) -> dict:
    """Rendered clips of neighbouring frames through the autoencoder, and back with either decoder."""
    note("decoder")
    maker = makers["decoder"]
    made = {"image decoder": Features(), "temporal decoder (ours)": Features()}
    truth, other = Features(), Features()
    for features, seed in ((truth, SEED + 2), (other, SEED + 3)):
        for x_BTCHW, _ in rendered_clips(maker, amounts.neighbours, seed, maker.frames, 1):
            features.add(probe, x_BTCHW, 1)
            if features is truth:
                z_BTCHW = maker.encoded(x_BTCHW)
                for name, temporal in zip(made, (False, True), strict=True):
                    made[name].add(probe, maker.decoded(z_BTCHW, temporal), 1)
    alone, _ = measure_decoder(maker, amounts.decoder_clips, amounts.decoder_frames)
    return _beside(made, truth, other, (alone["image"], alone["temporal"]), amounts.neighbours)


def _upscaler(makers: dict[str, Maker], probe: Probe, amounts: Amounts, note: Note) -> dict:
    """Rendered clips upscaled; distances are of patches as large as the probe's frames, in the upscaled pixels."""
    note("upscaler")
    maker = makers["upscaler"]
    made = {"image upscaler frame by frame": Features(), "video upscaler (ours)": Features()}
    truth, other = Features(), Features()
    for features, seed in ((truth, SEED + 4), (other, SEED + 5)):
        for high_BTCHW, low_BTCHW in _patches(maker, amounts.patches, seed):
            features.add(probe, high_BTCHW, 1)
            if features is truth:
                for name, temporal in zip(made, (False, True), strict=True):
                    made[name].add(probe, _upscaled(maker, low_BTCHW, temporal), 1)
    alone, _ = measure_upscaler(maker, amounts.upscaler_clips, amounts.upscaler_frames, SPACE)
    return _beside(made, truth, other, (alone["image"], alone["temporal"]), amounts.patches)


def _patches(maker: Maker, n: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Clips (B, T, 3, 4h, 4w) rendered large and the same part of the small frames (B, T, 3, h, w), in [−1, 1]."""
    H, W = maker.size
    h, w = H // UPSCALE, W // UPSCALE
    clips = ToylandClips(
        seed, maker.frames, {1: 1.0}, size=maker.size, device=maker.models.device,
        fps=float(maker.models.pack.manifest.video.fps), core=maker.core,
    )  # fmt: skip
    for first in range(0, n, maker.batch):
        high, low, y0, x0 = clips.patch_pairs(min(maker.batch, n - first), (h, w), UPSCALE)
        parts = [v[:, :, y : y + h, x : x + w] for v, y, x in zip(low, y0.tolist(), x0.tolist(), strict=True)]
        yield high / 127.5 - 1, torch.stack(parts) / 127.5 - 1


def _upscaled(maker: Maker, low_BTCHW: Tensor, temporal: bool) -> Tensor:
    """Clips four times as large, each one window of the upscaler, frames rounded to bytes."""
    models, defaults = maker.models, maker.models.pack.manifest.defaults
    B, T, _, h, w = low_BTCHW.shape
    model, space = models.upscaler_in(SPACE).model, models.upscaler_in(SPACE).space
    noise = torch.stack(
        [frame_noise(SEED + b, "upscale", range(T), (space.channels, h, w)) for b in range(B)]
    )
    with nullcontext() if temporal else model.temporal_off():
        x_BTCHW = sample(
            model,
            models.upscaler_scheduler(defaults.scheduler, SPACE),
            noise.to(models.device),
            steps=defaults.upscale_steps,
            extra_BTCHW=low_BTCHW.to(models.dtype),
            class_labels=torch.zeros(B, dtype=torch.long, device=models.device),
        )
    made_NCHW = space.frames(x_BTCHW.flatten(0, 1), low_BTCHW.flatten(0, 1)).clamp(-1, 1)
    return rounded(made_NCHW.unflatten(0, (B, T)))


def _beside(
    made: dict[str, Features], truth: Features, other: Features, alone: Sequence[dict], clips: int
) -> dict:
    """Distances, and beside them what was measured clip by clip."""
    rows = {}
    for (name, features), measured in zip(made.items(), alone, strict=True):
        distances = features.against(truth, other)
        rows[name] = {**_distances(distances), **measured}
    return {"clips": clips, "floor": _floor(distances), "rows": rows}


def _distances(distances: dict) -> dict[str, float]:
    return {f"{name} distance": distances[name]["made"] for name in ("video", "frame")}


def _floor(distances: dict) -> dict[str, float]:
    return {f"{name} distance": distances[name]["floor"] for name in ("video", "frame")}


# group → the variants that it needs, and what measures it
GROUPS: dict[str, tuple[tuple[str, ...], Callable[..., dict]]] = {
    "layers": (("keyframes", "attention", "no-context"), _layers),
    "context": (("keyframes", "no-context"), _context),
    "interpolation": (("interpolation", "interpolation-16"), _interpolation),
    "decoder": (("decoder",), _decoder),
    "upscaler": (("upscaler",), _upscaler),
}
