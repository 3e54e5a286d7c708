"""Clips that a pack made of prompts, and the same scenes rendered, read by the probe and judged by the prompts."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial

import numpy as np
from torch import Tensor

from vldm_cli.measure.clips import Maker
from vldm_cli.measure.faithfulness import Tally, Verdict, identity, judge, readings
from vldm_cli.measure.probe.probe import Probe
from vldm_cli.measure.probe.prompts import Prompt, PromptSet, everything
from vldm_cli.measure.report.sheets import Rows
from vldm_cli.measure.steady import Steadiness, still_scenes

SHOWN, SHOWN_WRONG = 10, 30  # clips on each contact sheet of prompts, and of those that are not read as asked


def measure_probe(maker: Maker, probe: Probe, n: int) -> dict:
    """What the probe reads right on fresh renders, n of each group."""
    asked = everything(n)
    rendered = maker.rendered(asked.scenes, maker.keyframe_times())
    return judged(asked.prompts, probe, rendered, maker.keyframe_step)[0].table()


def measure_faithfulness(maker: Maker, probe: Probe, asked: PromptSet, seed: int) -> tuple[dict, Rows, Rows]:
    """What the pack makes of the prompts and what the probe reads off renders of the very same scenes. The table, rows
    for a picture, and rows of what is not read as asked."""
    prompts = asked.prompts
    rows: Rows = []
    wrong_rows: Rows = []
    misread: list[dict] = []
    shown = set(np.linspace(0, len(prompts) - 1, min(SHOWN, len(prompts))).astype(int).tolist())
    spins: dict[str, list[bool]] = {"made": [], "rendered": []}
    still, steady = still_scenes(asked.scenes), Steadiness()

    def look(kind: str, index: int, x_TCHW: Tensor, verdicts: list[Verdict]) -> None:
        steady.add(kind, x_TCHW, bool(still[index]))
        spins[kind] += [v.right for v in verdicts if (v.attribute, v.asked) == ("motion", "spins")]
        if kind != "made":
            return
        text, wrong = prompts[index].text, [verdict for verdict in verdicts if not verdict.right]
        misread.extend({"prompt": text, **asdict(verdict)} for verdict in wrong)
        if index in shown:
            rows.append((text, x_TCHW.cpu()))
        if wrong and len(wrong_rows) < SHOWN_WRONG:
            said = ", ".join(f"{verdict.attribute} read as {verdict.read}" for verdict in wrong)
            wrong_rows.append((f"{said}: {text}", x_TCHW.cpu()))

    tallies = {}
    for kind, batches in (
        ("made", maker.keyframes([p.text for p in prompts], seed)),
        ("rendered", maker.rendered(asked.scenes, maker.keyframe_times())),
    ):
        tallies[kind], same = judged(prompts, probe, batches, maker.keyframe_step, partial(look, kind))
        for share in same:
            steady.note(kind, "identity", share)
    made, rendered = tallies["made"], tallies["rendered"]
    table = {
        "made": made.table(),
        "rendered": rendered.table(),
        "of what the probe reads": _shares(made, rendered),
        "overall": {"made": _rounded(made.overall()), "rendered": _rounded(rendered.overall())},
        "spins": {
            **{kind: _rounded(sum(right) / len(right)) if right else None for kind, right in spins.items()},
            "asked": len(spins["made"]),
        },
        "misread": misread,
        "consistency": steady.table(),
    }
    return table, rows, wrong_rows


def judged(
    prompts: list[Prompt],
    probe: Probe,
    batches: Iterable[Tensor],
    frame_step: int,
    look: Callable[[int, Tensor, list[Verdict]], None] = lambda index, x_TCHW, verdicts: None,
) -> tuple[Tally, list[float]]:
    """The tally of clips, one a prompt, and the identity of every object in them. look: is shown each clip's index, its
    frames, and the verdicts on it."""
    total, same, index = Tally(), [], 0
    for x_BTCHW in batches:
        answers = probe(x_BTCHW, frame_step)
        for i, reading in enumerate(readings(answers)):
            prompt = prompts[index]
            verdicts = list(judge(prompt, reading))
            for verdict in verdicts:
                total.add(prompt.group, verdict)
            same += identity(prompt, reading, answers.frame_presence_BTK[i], answers.frame_shape_BTKV[i])
            look(index, x_BTCHW[i], verdicts)
            index += 1
    assert index == len(prompts), f"{index} clips of {len(prompts)} prompts"
    return total, same


def _shares(made: Tally, truth: Tally) -> dict[str, dict[str, float | None]]:
    """Right answers on made clips as a share of those on renders of the same scenes."""
    return {
        group: {
            name: _rounded(own / best)
            if (best := truth.share(group, name)) and (own := made.share(group, name)) is not None
            else None
            for name in attributes
        }
        for group, attributes in made.table().items()
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
