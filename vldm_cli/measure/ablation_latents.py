"""Ablations of what is made in latents: temporal layers, context and interpolation (METHOD §2, §4, §5)."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from vldm_cli.align import Context
from vldm_cli.measure.ablation_rows import Amounts, Note, distance_row, floor_row
from vldm_cli.measure.between import measure_between
from vldm_cli.measure.clips import Maker
from vldm_cli.measure.distances import SEED, Features, Reference, rendered_clips
from vldm_cli.measure.judged import measure_faithfulness
from vldm_cli.measure.probe import Probe
from vldm_cli.measure.prompts import fixed_prompts
from vldm_cli.stages.windows import continued_windows

PROMPT_SEED = 5_000
SCALES = (1.0, 1.5, 2.0, 3.0)
# A video of 240 frames has 16 keyframes, of which the last 8 are looked at.
LONG = 16


def layers_group(makers: dict[str, Maker], probe: Probe, amounts: Amounts, note: Note) -> dict:
    """8 keyframes from text: which temporal layers."""
    reference = Reference.rendered(makers["keyframes"], probe, amounts.frechet)
    asked = fixed_prompts(amounts.prompts)
    rows = {}
    for name, variant in (
        ("image LDM frame by frame", "keyframes"),
        ("temporal attention alone", "attention"),
        ("3D convolutions and attention", "over-time"),
        ("3D convolutions, attention in space and time, words (ours)", "keyframes"),
        ("ours without travelling waves", "no-waves"),
        ("ours, trained without context", "no-context"),
    ):
        note(f"layers: {name}")
        maker = makers[variant]
        alone = name.startswith("image")
        with maker.models.keyframes.temporal_off() if alone else nullcontext():
            distances = reference.distances(maker, probe)
            read, _ = measure_faithfulness(maker, probe, asked, PROMPT_SEED)
        rows[name] = {
            **distance_row(distances),
            "read as asked": read["overall"]["made"],
            "warping error / rendered": read["consistency"]["warping error"]["made / rendered"],
        }
    return {"clips": amounts.frechet, "floor": floor_row(distances), "rows": rows}


def context_group(makers: dict[str, Maker], probe: Probe, amounts: Amounts, note: Note) -> dict:
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
            rows.setdefault(name, {}).update({f"{label}: {k}": v for k, v in distance_row(distances).items()})
        floor |= {f"{label}: {k}": v for k, v in floor_row(distances).items()}
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


def interpolation_group(makers: dict[str, Maker], probe: Probe, amounts: Amounts, note: Note) -> dict:
    """16 times as many frames: in one step, or four times as many twice."""
    note(f"interpolation: {amounts.neighbours} clips")
    return measure_between(makers["interpolation-16"], makers["interpolation"], probe, amounts.neighbours)
