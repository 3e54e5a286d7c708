"""The paper's ablations, repeated: variants of a pack's temporal layers, trained for the same time, measured alike.

Each group is one of its tables (METHOD §2 to §6). `packs`: name of a variant → the pack that holds it; they share
their image models, and "keyframes" has the pack's own kind of layers, "over-time" the paper's.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

import torch

from vldm_cli.measure.ablations.frames import decoder_group, upscaler_group
from vldm_cli.measure.ablations.latents import context_group, interpolation_group, layers_group
from vldm_cli.measure.ablations.rows import Amounts, Book, Note
from vldm_cli.measure.clips import Maker
from vldm_cli.measure.probe.probe import Probe, load_probe
from vldm_cli.measure.report.store import Store
from vldm_cli.packs.pack import Pack
from vldm_cli.stages.models import Models


def measure_ablations(
    packs: dict[str, Pack],
    device: str,
    dtype: str,
    amounts: Amounts,
    groups: Sequence[str],
    note: Note = lambda text: None,
    store: Store | None = None,
) -> dict:
    """group → {"rows": {name: measures}, …}. Groups, and single rows, that `store` has are not measured again."""
    probe = load_probe(next(iter(packs.values())), device)
    makers = {
        name: Maker(Models(p, device, dtype), amounts.batch, amounts.steps) for name, p in packs.items()
    }
    book = Book(store or Store(None, {}), note)
    table = {"amounts": asdict(amounts)}
    with torch.inference_mode():
        for name in groups:
            table |= book.kept(name, partial(_group, name, makers, probe, amounts, book))
    return table


def _group(name: str, makers: dict[str, Maker], probe: Probe, amounts: Amounts, book: Book) -> dict:
    return {name: GROUPS[name][1](makers, probe, amounts, book)}


# group → the variants that it needs, and what measures it
GROUPS: dict[str, tuple[tuple[str, ...], Callable[..., dict]]] = {
    "layers": (("keyframes", "over-time", "attention", "no-waves", "no-context"), layers_group),
    "context": (("keyframes", "no-context"), context_group),
    "interpolation": (("interpolation", "interpolation-16"), interpolation_group),
    "decoder": (("decoder",), decoder_group),
    "upscaler": (("upscaler",), upscaler_group),
}
