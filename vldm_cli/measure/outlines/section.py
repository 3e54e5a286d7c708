"""The outlines and patterns of lone objects: of keyframes, of what the image model makes alone, of whole videos; and
of the same scenes rendered, and encoded and decoded, which is the best that can come out of the decoder."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from vldm_cli.measure.clips import Maker
from vldm_cli.measure.outlines.distances import HEIGHT, Outlines, look
from vldm_cli.measure.outlines.fit import Fit
from vldm_cli.measure.outlines.kind import Kind
from vldm_cli.measure.outlines.segment import Palette, overlap, palettes, segment
from vldm_cli.measure.outlines.texture import held, patterned
from vldm_cli.measure.probe.prompts import PromptSet, lone_prompts
from vldm_cli.measure.report.sheets import Rows
from vldm_cli.toyland.silhouettes import silhouettes

SEED = 6_000
# A scene counts where its render's silhouette is found this well, in frames that are not measured.
LEAST = 0.98
DRAWN = 3  # times as many scenes as are asked for; about two of three can be read
CHECKED, LATER = 2, 0.29  # frames of it, and seconds after the keyframes
EVERY = 2  # of the keyframes, each second one is looked at
VIDEO_EVERY, VIDEO_FIRST = 4, 2  # of a video's frames: never a keyframe
PATTERNED = ("keyframes", "autoencoder", "rendered")  # whose patterns are followed
SHOWN = 12  # of the worst on a contact sheet


def measure_outlines(
    maker: Maker, clips: int, videos: int, frames: int, note: Callable[[str], None]
) -> tuple[dict, dict[str, Rows]]:
    """Clips of keyframes, of `clips` prompts for one object each; videos of `frames` neighbouring frames of the first
    few prompts. The table by what was looked at, and rows of the worst for a picture."""
    note("outlines: choosing scenes whose objects are found in renders of them")
    asked, colours = readable(maker, clips)
    prompts = asked.prompts
    note(f"outlines: {len(prompts)} clips of keyframes, {videos} videos of {frames} frames")
    texts = [prompt.text for prompt in prompts]
    kinds, motions = _kinds(asked)
    times = maker.keyframe_times()
    seen = {name: Outlines() for name in ("keyframes", "image model", "videos", "autoencoder", "rendered")}
    worst: list[tuple[float, str, Tensor, Tensor]] = []
    overlaps: list[float] = []

    def take(name: str, first: int, x_BTCHW: Tensor) -> Tensor:
        B, T = x_BTCHW.shape[:2]
        rows = [i for i in range(first, first + B) for _ in range(T)]
        x_NCHW = x_BTCHW.flatten(0, 1)
        masks, fits = look(
            x_NCHW, [colours[i] for i in rows], [kinds[i] for i in rows], [motions[i] for i in rows],
            seen[name],
        )  # fmt: skip
        if name in PATTERNED:
            for b in range(B):
                _follow(seen[name], asked, first + b, kinds[first + b], x_BTCHW[b], fits[b * T : b * T + T])
        if name == "keyframes":
            found = [
                (HEIGHT / x_NCHW.shape[2] * float(near.distance_N), texts[i], x, mask)
                for near, i, x, mask in zip(fits, rows, x_NCHW, masks, strict=True)
                if near is not None
            ]
            worst[:] = sorted(worst + found, key=lambda one: -one[0])[:SHOWN]
        return masks

    first = 0
    for x_BTCHW in maker.rendered(asked.scenes, times):
        x_BTCHW = x_BTCHW[:, ::EVERY]
        B = len(x_BTCHW)
        masks = take("rendered", first, x_BTCHW)
        covered = silhouettes(
            asked.scenes[first : first + B], np.tile(times[::EVERY], (B, 1)), maker.size, device=masks.device
        )
        true_NHW = covered[:, :, 0].flatten(0, 1) > 0.5
        overlaps += overlap(masks, true_NHW)[true_NHW.flatten(1).any(1)].tolist()
        take("autoencoder", first, maker.decoded(maker.encoded(x_BTCHW)))
        first += B
        note(f"outlines: {first} of {len(texts)} clips rendered, encoded and decoded")
    for name, batches in (
        ("keyframes", maker.keyframes(texts, SEED)),
        ("image model", _images(maker, texts)),
    ):
        first = 0
        for x_BTCHW in batches:
            take(name, first, x_BTCHW[:, ::EVERY])
            first += len(x_BTCHW)
            note(f"outlines: {first} of {len(texts)} clips, {name}")
    made = []
    for i in range(min(videos, len(texts))):
        x_TCHW = torch.stack(list(maker.video(texts[i], frames, SEED + i))[VIDEO_FIRST::VIDEO_EVERY])
        made.append(x_TCHW.to(maker.models.device))
        note(f"outlines: {i + 1} of {min(videos, len(texts))} videos")
    for first in range(0, len(made), maker.batch):
        take("videos", first, torch.stack(made[first : first + maker.batch]))
    table = {name: outlines.table() for name, outlines in seen.items()}
    whole = {"clips": len(texts), "video clips": min(videos, len(texts)), "frames": frames}
    found = {
        "overlap of rendered silhouettes with the true ones": round(float(np.mean(overlaps)), 4)
        if overlaps
        else None
    }
    rows = [(f"{d:.2f} px: {text}", drawn(x, mask)[None].cpu()) for d, text, x, mask in worst]
    return {**whole, **found, **table}, {"Outlines that are furthest from a render's": rows}


def _follow(
    into: Outlines, asked: PromptSet, index: int, kind: Kind, x_TCHW: Tensor, fits: Sequence[Fit | None]
) -> None:
    """Take in how the pattern of a clip's object holds, if it has one that can be followed."""
    scene = asked.scenes.describe(index)
    thing = scene["objects"][0]
    known = {t: near for t, near in enumerate(fits) if near is not None}
    found = list(known)
    if len(found) < 2 or not patterned(thing["material"], thing["motion"], scene["camera"]):
        return
    params_TJ = torch.cat([near.params_NJ for near in known.values()]).to(x_TCHW.device)
    change = held(kind, x_TCHW[found], params_TJ, thing["colour"], scene["sky"])
    if change is not None:
        into.patterns.append(change)


def readable(maker: Maker, n: int) -> tuple[PromptSet, list[Palette]]:
    """The first n prompts for one object whose scenes' silhouettes are found in renders of them, with the colours to
    look for: an object that has its surroundings' colour, as a white one on snow, tells nothing."""
    asked = lone_prompts(DRAWN * n, SEED)
    device = maker.models.device
    kinds, _ = _kinds(asked)
    times = (maker.keyframe_times() + LATER)[1 :: max(1, maker.frames // CHECKED)][:CHECKED]
    index: list[int] = []
    colours: list[Palette] = []
    for first in range(0, len(kinds), maker.batch):
        if len(index) >= n:
            break
        scenes = asked.scenes[first : first + maker.batch]
        x_NCHW = next(maker.rendered(scenes, times)).flatten(0, 1)
        some = palettes(scenes, maker.size, device)
        rows = [i for i in range(len(scenes)) for _ in times]
        masks = segment(x_NCHW, [some[i] for i in rows], [kinds[first + i] for i in rows])
        covered = silhouettes(scenes, np.tile(times, (len(scenes), 1)), maker.size, device=device)
        good = overlap(masks, covered[:, :, 0].flatten(0, 1) > 0.5).view(len(scenes), -1).amin(1) >= LEAST
        index += [first + i for i in torch.nonzero(good)[:, 0].tolist()]
        colours += [some[i] for i in torch.nonzero(good)[:, 0].tolist()]
    return asked.some(index[:n]), colours[:n]


def drawn(x_CHW: Tensor, mask_HW: Tensor) -> Tensor:
    """The frame with the silhouette's outer edge drawn in."""
    edge = torch.nn.functional.max_pool2d(mask_HW.float()[None], 3, 1, 1)[0].bool() & ~mask_HW
    colour = x_CHW.new_tensor([1.0, -1.0, 1.0])[:, None, None]
    return torch.where(edge, colour, x_CHW)


def _kinds(asked: PromptSet) -> tuple[list[Kind], list[str]]:
    """What each scene's object may look like, and its motion."""
    things = [asked.scenes.describe(i)["objects"][0] for i in range(len(asked.prompts))]
    return [Kind.of(t["shape"], t["motion"]) for t in things], [t["motion"] for t in things]


def _images(maker: Maker, texts: list[str]) -> Iterator[Tensor]:
    """As `Maker.keyframes`, of the image model alone: frames that know nothing of each other."""
    batches = maker.keyframes(texts, SEED)
    while True:
        with maker.models.keyframes.temporal_off():
            x_BTCHW = next(batches, None)
        if x_BTCHW is None:
            return
        yield x_BTCHW
