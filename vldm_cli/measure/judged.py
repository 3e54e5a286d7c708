"""Clips that a pack made of prompts, and the same scenes rendered, read by the probe and judged by the prompts."""

from collections.abc import Iterable, Iterator

import numpy as np
from torch import Tensor

from vldm_cli.measure.clips import Maker
from vldm_cli.measure.faithfulness import Reading, Tally, identity, readings, tally
from vldm_cli.measure.probe import Probe
from vldm_cli.measure.prompts import Prompt, PromptSet, everything
from vldm_cli.measure.sheets import Rows
from vldm_cli.measure.steady import Steadiness, still_scenes

SHOWN = 10  # clips on each contact sheet of prompts


def measure_probe(maker: Maker, probe: Probe, n: int) -> dict:
    """What the probe reads right on fresh renders, n of each group."""
    asked = everything(n)
    rendered = maker.rendered(asked.scenes, maker.keyframe_times())
    return judged(asked.prompts, probe, rendered, maker.keyframe_step)[0].table()


def measure_faithfulness(maker: Maker, probe: Probe, asked: PromptSet, seed: int) -> tuple[dict, Rows]:
    """What the pack makes of the prompts and what the probe reads off renders of the very same scenes. The table, and
    rows for a picture."""
    prompts = asked.prompts
    rows: Rows = []
    shown = set(np.linspace(0, len(prompts) - 1, min(SHOWN, len(prompts))).astype(int).tolist())
    still, steady = still_scenes(asked.scenes), Steadiness()

    def watched(kind: str, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        index = 0
        for x_BTCHW in batches:
            for x_TCHW in x_BTCHW:
                steady.add(kind, x_TCHW, bool(still[index]))
                if kind == "made" and index in shown:
                    rows.append((prompts[index].text, x_TCHW.cpu()))
                index += 1
            yield x_BTCHW

    tallies = {}
    for kind, batches in (
        ("made", maker.keyframes([p.text for p in prompts], seed)),
        ("rendered", maker.rendered(asked.scenes, maker.keyframe_times())),
    ):
        tallies[kind], same = judged(prompts, probe, watched(kind, batches), maker.keyframe_step)
        for share in same:
            steady.note(kind, "identity", share)
    made, rendered = tallies["made"], tallies["rendered"]
    return {
        "made": made.table(),
        "rendered": rendered.table(),
        "of what the probe reads": _shares(made, rendered),
        "overall": {"made": _rounded(made.overall()), "rendered": _rounded(rendered.overall())},
        "consistency": steady.table(),
    }, rows


def judged(
    prompts: list[Prompt], probe: Probe, batches: Iterable[Tensor], frame_step: int
) -> tuple[Tally, list[float]]:
    """The tally of clips, one a prompt, and the identity of every object in them."""
    same: list[float] = []

    def read() -> Iterator[Reading]:
        index = 0
        for x_BTCHW in batches:
            answers = probe(x_BTCHW, frame_step)
            for i, reading in enumerate(readings(answers)):
                frames = answers.frame_presence_BTK[i], answers.frame_shape_BTKV[i]
                same.extend(identity(prompts[index], reading, *frames))
                index += 1
                yield reading

    return tally(prompts, read()), same


def _shares(made: Tally, truth: Tally) -> dict[str, dict[str, float | None]]:
    """Right answers on made clips as a share of those on renders of the same scenes."""
    return {
        group: {
            name: _rounded(made.share(group, name) / truth.share(group, name))
            if truth.share(group, name)
            else None
            for name in attributes
        }
        for group, attributes in made.table().items()
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
