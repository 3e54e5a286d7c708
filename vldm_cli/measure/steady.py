"""Consistency of clips of usual length: how well a frame is the one before it moved on, what flickers that stands
still, whether an object stays the same; all beside the same scenes rendered (METHOD §7 has long videos: `drift`)."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from vldm_cli.measure.clips import Maker
from vldm_cli.measure.consistency import background_flicker, sharpness, warping_error
from vldm_cli.measure.faithfulness import identity, readings
from vldm_cli.measure.probe.probe import FRAMES, Probe
from vldm_cli.measure.probe.prompts import Prompt, PromptSet
from vldm_cli.measure.report.sheets import Rows
from vldm_cli.toyland.batch import SceneBatch
from vldm_cli.toyland.motion import M
from vldm_cli.toyland.world import CAMERAS

SEED = 3_000
SHOWN = 4
# Frames apart of those that the probe is shown.
STEP = 4


@dataclass
class Steadiness:
    """Measures of clips by name, of made ones and of rendered ones."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, kind: str, x_TCHW: Tensor, still: bool) -> None:
        """Take in a clip, "made" or "rendered", of at least two frames. still: neither camera nor background move."""
        self.note(kind, "warping error", warping_error(x_TCHW))
        self.note(kind, "sharpness", sharpness(x_TCHW))
        if still:
            self.note(kind, "background flicker", background_flicker(x_TCHW))

    def note(self, kind: str, name: str, value: float) -> None:
        self.values.setdefault(name, {}).setdefault(kind, []).append(value)

    def table(self) -> dict[str, dict[str, float | int | None]]:
        """name → means of the made and the rendered clips, their quotient, and how many there were."""
        out = {}
        for name, kinds in self.values.items():
            made, rendered = (
                float(np.nanmean(kinds[kind])) if kind in kinds and not np.isnan(kinds[kind]).all() else None
                for kind in ("made", "rendered")
            )
            out[name] = {
                "made": None if made is None else round(made, 4),
                "rendered": None if rendered is None else round(rendered, 4),
                "made / rendered": round(made / rendered, 4) if made is not None and rendered else None,
                "clips": len(kinds.get("made", ())),
            }
        return out


def still_scenes(scenes: SceneBatch) -> np.ndarray:
    """(B,) bool: objects before a background that does not move: a still camera that follows nobody."""
    rolls = np.isin(scenes.motion_BK[:, 0], [M["rolls left"], M["rolls right"]]) & (scenes.count_B == 1)
    return (scenes.family_B == 0) & (scenes.camera_B == CAMERAS.index("still")) & ~rolls


def measure_steadiness(maker: Maker, probe: Probe, asked: PromptSet, frames: int) -> tuple[dict, Rows]:
    """Videos of neighbouring frames through the chain without the upscaler, one a prompt, and the same scenes rendered.
    The table, and rows for a picture."""
    steady, rows = Steadiness(), []
    times = np.arange(frames) / float(maker.models.pack.manifest.video.fps)
    still = still_scenes(asked.scenes)
    for i, prompt in enumerate(asked.prompts):
        made_TCHW = torch.stack(list(maker.video(prompt.text, frames, SEED + i)))
        true_TCHW = next(maker.rendered(asked.scenes[i : i + 1], times))[0]
        for kind, x_TCHW in (("made", made_TCHW), ("rendered", true_TCHW)):
            steady.add(kind, x_TCHW, bool(still[i]))
            for share in same_objects(prompt, x_TCHW, probe):
                steady.note(kind, "identity", share)
        if len(rows) < SHOWN:
            some = torch.linspace(0, frames - 1, 8).long().to(made_TCHW.device)
            rows.append((f"{prompt.text}: 8 of {frames} frames", made_TCHW[some].cpu()))
    return {"clips": len(asked.prompts), "frames": frames, **steady.table()}, rows


def same_objects(prompt: Prompt, x_TCHW: Tensor, probe: Probe) -> list[float]:
    """For each object found in the clip, the share of single frames in which it is what it is in the clip."""
    step = STEP if len(x_TCHW) > STEP * (FRAMES - 1) else 1
    answers = probe(x_TCHW[None, ::step][:, :FRAMES], step)
    reading = next(iter(readings(answers)))
    return identity(prompt, reading, answers.frame_presence_BTK[0], answers.frame_shape_BTKV[0])
