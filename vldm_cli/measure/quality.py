"""`vldm measure quality`: the ruler. Everything is seeded, so the same weights give the same numbers.

It is made of sections that need nothing of each other, so each can be measured alone, on a device of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from PIL import Image

from vldm_cli.measure.clips import Maker
from vldm_cli.measure.distances import measure_distances
from vldm_cli.measure.drift import measure_drift
from vldm_cli.measure.judged import measure_faithfulness, measure_probe
from vldm_cli.measure.outlines.section import measure_outlines
from vldm_cli.measure.probe.english import english_prompts
from vldm_cli.measure.probe.probe import Probe, load_probe
from vldm_cli.measure.probe.prompts import fixed_prompts, withheld_prompts
from vldm_cli.measure.reconstruction import measure_decoder, measure_upscaler
from vldm_cli.measure.report.sheets import Rows, contact_sheet
from vldm_cli.measure.report.store import Store
from vldm_cli.measure.steady import measure_steadiness
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.parts import PROBE
from vldm_cli.stages.models import Models

PROMPT_SEED, WITHHELD_SEED, ENGLISH_SEED = 1_000, 2_000, 7_000
MIB = 1 << 20


@dataclass(frozen=True)
class Amounts:
    """How much is measured: scenes of each group that the probe is held to, prompts, clips, videos and their frames.
    `steps`: keyframe steps, None for the pack's."""

    probe: int
    prompts: int
    withheld: int
    frechet: int
    clips: int
    clip_frames: int
    videos: int
    video_frames: int
    end_frames: int
    decoder_clips: int
    decoder_frames: int
    upscaler_clips: int
    upscaler_frames: int
    batch: int
    steps: int | None = None
    english: int = 200
    outline_clips: int = 160
    outline_videos: int = 24


FULL = Amounts(384, 256, 128, 1024, 24, 33, 8, 960, 64, 24, 33, 6, 16, batch=128)
# For a CPU: what is quite wrong shows, the numbers themselves mean little.
QUICK = Amounts(
    4, 15, 8, 16, 1, 17, 1, 33, 16, 2, 8, 1, 2, batch=4, steps=8, english=6, outline_clips=4, outline_videos=1
)

Note = Callable[[str], None]


def measure_quality(
    pack: Pack,
    device: str,
    dtype: str,
    amounts: Amounts = FULL,
    note: Note = lambda text: None,
    only: Sequence[str] | None = None,
    store: Store | None = None,
) -> tuple[dict, dict[str, Image.Image]]:
    """All measures of a pack, or those of some sections, and contact sheets by title. `note` is told what is being
    done. Sections that `store` has are not measured again, and are in the table even if `only` does not name them.

    Raises RequestError where the pack has no probe, if something is to be measured that needs it.
    """
    store = store or Store(None, {})
    asked = [name for name in SECTIONS if only is None or name in only]
    judged = any(name not in WITHOUT_PROBE and not store.has(name) for name in asked)
    probe = load_probe(pack, device) if judged else None
    maker = Maker(Models(pack, device, dtype), amounts.batch, amounts.steps)
    table: dict = {
        "pack": {
            "name": pack.manifest.name,
            "hash": pack.manifest.hash,
            "mib": round(
                sum(pack.path(f).stat().st_size for f in pack.manifest.files if not f.startswith(PROBE))
                / MIB,
                2,
            ),
        },
        "device": str(maker.models.device),
        "dtype": dtype,
        "amounts": asdict(amounts),
    }
    sheets: dict[str, Image.Image] = {}
    with torch.inference_mode():
        for name, measure in SECTIONS.items():
            done = store.load(name)
            if done is None and name in asked:
                part, rows = measure(maker, probe, amounts, note)
                done = part, {title: contact_sheet(r) for title, r in rows.items() if r}
                store.save(name, *done)
            if done is not None:
                table |= done[0]
                sheets |= done[1]
    return table, sheets


Section = Callable[[Maker, Probe | None, Amounts, Note], tuple[dict, dict[str, Rows]]]


def _probe(maker, probe, amounts, note):
    note(f"the probe itself: {3 * amounts.probe} rendered clips")
    return {"probe": measure_probe(maker, probe, amounts.probe)}, {}


def _faithfulness(maker, probe, amounts, note):
    table, sheets = {}, {}
    for key, asked, seed, title in (
        ("faithfulness", fixed_prompts(amounts.prompts), PROMPT_SEED, "Fixed prompts"),
        ("withheld", withheld_prompts(amounts.withheld), WITHHELD_SEED, "Withheld triples"),
    ):
        note(f"{title.lower()}: {len(asked.prompts)} clips")
        table[key], sheets[title], wrong = measure_faithfulness(maker, probe, asked, seed)
        sheets[f"{title}: not read as asked"] = wrong
    return table, sheets


def _english(maker, probe, amounts, note):
    asked, title = english_prompts(amounts.english), "Plain English"
    note(f"plain English: {len(asked.prompts)} clips")
    table, rows, wrong = measure_faithfulness(maker, probe, asked, ENGLISH_SEED)
    return {"english": table}, {title: rows, f"{title}: not read as asked": wrong}


def _frechet(maker, probe, amounts, note):
    note(f"Fréchet distances over {amounts.frechet} clips")
    return {"frechet": measure_distances(maker, probe, amounts.frechet)}, {}


def _clips(maker, probe, amounts, note):
    note(f"consistency: {amounts.clips} clips of {amounts.clip_frames} frames")
    asked = fixed_prompts(amounts.prompts)
    index = np.linspace(0, len(asked.prompts) - 1, amounts.clips).astype(int)
    table, rows = measure_steadiness(maker, probe, asked.some(index), amounts.clip_frames)
    return {"clips": table}, {"Usual clips": rows}


def _long(maker, probe, amounts, note):
    table, rows = measure_drift(maker, probe, amounts.videos, amounts.video_frames, amounts.end_frames, note)
    return {"long": table}, {"Long videos": rows}


def _decoder(maker, probe, amounts, note):
    note("decoder alone")
    table, rows = measure_decoder(maker, amounts.decoder_clips, amounts.decoder_frames)
    return {"decoder": table}, {"Decoder alone": rows}


def _upscaler(maker, probe, amounts, note):
    pack = maker.models.pack
    if not pack.upscales:
        return {}, {}
    note("upscaler alone")
    table, rows = measure_upscaler(maker, amounts.upscaler_clips, amounts.upscaler_frames)
    return {"upscaler": table}, {"Upscaler alone": rows}


def _outlines(maker, probe, amounts, note):
    table, rows = measure_outlines(
        maker, amounts.outline_clips, amounts.outline_videos, amounts.clip_frames, note
    )
    return {"outlines": table}, rows


SECTIONS: dict[str, Section] = {
    "probe": _probe,
    "faithfulness": _faithfulness,
    "english": _english,
    "frechet": _frechet,
    "clips": _clips,
    "long": _long,
    "decoder": _decoder,
    "upscaler": _upscaler,
    "outlines": _outlines,
}
# Measured against the truth alone.
WITHOUT_PROBE = ("decoder", "upscaler", "outlines")
