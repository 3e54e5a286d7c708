"""`vldm measure quality`: the ruler. Everything is seeded, so the same weights give the same numbers."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from vldm_cli.measure.clips import Maker
from vldm_cli.measure.distances import measure_distances
from vldm_cli.measure.drift import measure_drift
from vldm_cli.measure.faithfulness import Reading, Tally, identity, readings, tally
from vldm_cli.measure.probe import Probe, load_probe
from vldm_cli.measure.prompts import Prompt, PromptSet, everything, fixed_prompts, withheld_prompts
from vldm_cli.measure.reconstruction import measure_decoder, measure_upscaler
from vldm_cli.packs.pack import Pack
from vldm_cli.stages.models import Models
from vldm_cli.toyland.render import EAGER, compiled_core

PROMPT_SEED, WITHHELD_SEED = 1_000, 2_000
SHOWN = 10  # clips on each contact sheet of prompts


@dataclass(frozen=True)
class Amounts:
    """How much is measured: scenes of each group that the probe is held to, prompts, clips, videos and their frames.
    `steps`: keyframe steps, None for the pack's."""

    probe: int
    prompts: int
    withheld: int
    frechet: int
    videos: int
    video_frames: int
    end_frames: int
    decoder_clips: int
    decoder_frames: int
    upscaler_clips: int
    upscaler_frames: int
    batch: int
    steps: int | None = None


FULL = Amounts(384, 256, 128, 1024, 8, 960, 64, 24, 24, 6, 16, batch=64)
# For a CPU: what is quite wrong shows, the numbers themselves mean little.
QUICK = Amounts(4, 15, 8, 16, 1, 33, 16, 2, 8, 1, 2, batch=4, steps=8)

Rows = list[tuple[str, Tensor]]


def measure_quality(
    pack: Pack,
    device: str,
    dtype: str,
    amounts: Amounts = FULL,
    note: Callable[[str], None] = lambda text: None,
) -> tuple[dict, dict[str, Rows]]:
    """All measures of a pack, and rows of frames for the contact sheets. `note` is told what is being done.

    Raises RequestError where the pack has no probe.
    """
    probe = load_probe(pack, device)
    # Compiling pays from some thousands of frames on.
    core = compiled_core() if device.startswith("cuda") and amounts is FULL else EAGER
    maker = Maker(Models(pack, device, dtype), amounts.batch, amounts.steps, core)
    sheets: dict[str, Rows] = {}
    table: dict = {
        "pack": {"name": pack.manifest.name, "hash": pack.manifest.hash},
        "device": str(maker.models.device),
        "dtype": dtype,
        "amounts": asdict(amounts),
    }
    with torch.inference_mode():
        note(f"the probe itself: {3 * amounts.probe} rendered clips")
        table["probe"] = _probe_itself(maker, probe, amounts.probe)
        fixed, rows = _faithfulness(
            maker, probe, fixed_prompts(amounts.prompts), PROMPT_SEED, "fixed prompts", note
        )
        sheets["Fixed prompts"] = rows
        rare, rows = _faithfulness(
            maker, probe, withheld_prompts(amounts.withheld), WITHHELD_SEED, "withheld triples", note
        )
        sheets["Withheld triples"] = rows
        table |= {"faithfulness": fixed, "withheld": rare}
        note(f"Fréchet distances over {amounts.frechet} clips")
        table["frechet"] = measure_distances(maker, probe, amounts.frechet)
        table["long"], sheets["Long videos"] = measure_drift(
            maker, probe, amounts.videos, amounts.video_frames, amounts.end_frames, note
        )
        note("decoder alone")
        table["decoder"], sheets["Decoder alone"] = measure_decoder(
            maker, amounts.decoder_clips, amounts.decoder_frames
        )
        if pack.has("upscaler_pixel_temporal"):
            note("upscaler alone")
            table["upscaler"], sheets["Upscaler alone"] = measure_upscaler(
                maker, amounts.upscaler_clips, amounts.upscaler_frames
            )
    return table, sheets


def _probe_itself(maker: Maker, probe: Probe, n: int) -> dict:
    """What the probe reads right on fresh renders, n of each group."""
    asked = everything(n)
    rendered = maker.rendered(asked.scenes, maker.keyframe_times())
    return _judged(asked.prompts, probe, rendered, maker.keyframe_step)[0].table()


def _faithfulness(
    maker: Maker, probe: Probe, asked: PromptSet, seed: int, name: str, note
) -> tuple[dict, Rows]:
    """What the pack makes of the prompts and what the probe reads off renders of the very same scenes."""
    prompts = asked.prompts
    note(f"{name}: {len(prompts)} clips")
    rows: Rows = []
    shown = set(np.linspace(0, len(prompts) - 1, min(SHOWN, len(prompts))).astype(int).tolist())
    made, made_same = _judged(
        prompts, probe, maker.keyframes([p.text for p in prompts], seed), maker.keyframe_step, rows, shown
    )
    truth, truth_same = _judged(
        prompts, probe, maker.rendered(asked.scenes, maker.keyframe_times()), maker.keyframe_step
    )
    return {
        "made": made.table(),
        "rendered": truth.table(),
        "of what the probe reads": _shares(made, truth),
        "overall": {"made": _rounded(made.overall()), "rendered": _rounded(truth.overall())},
        "identity": {"made": _mean(made_same), "rendered": _mean(truth_same)},
    }, rows


def _judged(
    prompts: list[Prompt],
    probe: Probe,
    batches: Iterable[Tensor],
    frame_step: int,
    rows: Rows | None = None,
    shown: Iterable[int] = (),
) -> tuple[Tally, list[float]]:
    """The tally of clips, one a prompt, and the identity of every object in them; clips `shown` are put into rows."""
    same: list[float] = []

    def read() -> Iterator[Reading]:
        index = 0
        for x_BTCHW in batches:
            answers = probe(x_BTCHW, frame_step)
            for i, reading in enumerate(readings(answers)):
                prompt = prompts[index]
                same.extend(
                    identity(prompt, reading, answers.frame_presence_BTK[i], answers.frame_shape_BTKV[i])
                )
                if rows is not None and index in shown:
                    rows.append((prompt.text, x_BTCHW[i].cpu()))
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


def _mean(values: list[float]) -> float | None:
    return _rounded(float(np.mean(values))) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
