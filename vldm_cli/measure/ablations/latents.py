"""Ablations of what is made in latents: temporal layers, context and interpolation (METHOD §2, §4, §5)."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor

from vldm_cli.align import Context
from vldm_cli.measure.ablations.rows import Amounts, Book, distance_row, floor_row
from vldm_cli.measure.between import measure_between
from vldm_cli.measure.clips import Maker
from vldm_cli.measure.distances import SEED, Features, Reference, rendered_clips
from vldm_cli.measure.judged import measure_faithfulness
from vldm_cli.measure.probe.probe import Probe
from vldm_cli.measure.probe.prompts import fixed_prompts
from vldm_cli.stages.windows import continued_windows

PROMPT_SEED = 5_000
SCALES = (1.0, 1.5, 2.0, 3.0)
# A video of 240 frames has 16 keyframes, of which the last 8 are looked at.
LONG = 16


def layers_group(makers: dict[str, Maker], probe: Probe, amounts: Amounts, book: Book) -> dict:
    """8 keyframes from text: which temporal layers."""
    reference = Reference.rendered(makers["keyframes"], probe, amounts.frechet)
    asked = fixed_prompts(amounts.prompts)

    def row(maker: Maker, temporal: bool) -> dict:
        with nullcontext() if temporal else maker.models.keyframes.temporal_off():
            distances = reference.distances(maker, probe)
            read, *_ = measure_faithfulness(maker, probe, asked, PROMPT_SEED)
        return {
            **distance_row(distances),
            "read as asked": read["overall"]["made"],
            "warping error / rendered": read["consistency"]["warping error"]["made / rendered"],
        }

    rows = {}
    for name, variant, temporal in (
        ("image LDM frame by frame", "keyframes", False),
        ("temporal attention alone", "attention", True),
        ("3D convolutions and attention", "over-time", True),
        ("3D convolutions, attention in space and time, words (ours)", "keyframes", True),
        ("ours without travelling waves", "no-waves", True),
        ("ours, trained without context", "no-context", True),
    ):
        rows[name] = book.row("layers", name, partial(row, makers[variant], temporal))
    floor = floor_row(reference.other.against(reference.truth, reference.other))
    return {"clips": amounts.frechet, "floor": floor, "rows": rows}


class Spans:
    """Features of the first window of some videos, and of the last one."""

    def __init__(self) -> None:
        self.features = {"8 frames": Features(), "240 frames": Features()}

    def add(self, maker: Maker, probe: Probe, near_BTCHW: Tensor, far_BTCHW: Tensor) -> None:
        for features, x_BTCHW in zip(self.features.values(), (near_BTCHW, far_BTCHW), strict=True):
            features.add(probe, x_BTCHW, maker.keyframe_step)

    def table(self, truth: "Spans", other: "Spans", row: Callable[[dict], dict]) -> dict[str, float]:
        return {
            f"{span}: {name}": value
            for span, features in self.features.items()
            for name, value in row(features.against(truth.features[span], other.features[span])).items()
        }


def context_group(makers: dict[str, Maker], probe: Probe, amounts: Amounts, book: Book) -> dict:
    """Prediction: 8 keyframes of which 2 are given, and the last 8 of the 16 keyframes of 240 frames."""
    ours = makers["keyframes"]
    truth, other = Spans(), Spans()
    given: list[tuple[list[str], Tensor]] = []
    for spans, seed in ((truth, SEED), (other, SEED + 1)):
        for x_BTCHW, captions in rendered_clips(ours, amounts.frechet, seed, LONG, ours.keyframe_step):
            spans.add(ours, probe, x_BTCHW[:, : ours.frames], x_BTCHW[:, -ours.frames :])
            if spans is truth:
                known_BTCHW = ours.encoded(x_BTCHW[:, : ours.models.pack.manifest.video.context])
                given.append((captions, known_BTCHW))

    def row(maker: Maker, s: float) -> dict:
        made, first = Spans(), 0
        for captions, known_BTCHW in given:
            near_BTCHW = continued(maker, captions, maker.frames, SEED + first, s, known_BTCHW)
            far_BTCHW = continued(maker, captions, LONG, SEED + first, s)[:, -maker.frames :]
            made.add(maker, probe, maker.decoded(near_BTCHW), maker.decoded(far_BTCHW))
            first += len(captions)
        return made.table(truth, other, distance_row)

    variants = [("none: trained without context", makers["no-context"], 1.0)]
    variants += [(f"learned context, s = {s:g}", ours, s) for s in SCALES]
    rows = {name: book.row("context", name, partial(row, maker, s)) for name, maker, s in variants}
    return {"clips": amounts.frechet, "floor": other.table(truth, other, floor_row), "rows": rows}


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


def interpolation_group(makers: dict[str, Maker], probe: Probe, amounts: Amounts, book: Book) -> dict:
    """16 times as many frames: in one step, or four times as many twice."""
    book.note(f"interpolation: {amounts.neighbours} clips")
    return measure_between(makers["interpolation-16"], makers["interpolation"], probe, amounts.neighbours)
