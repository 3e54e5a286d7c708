"""The autoencoder, the temporal decoder and the upscaler alone, on rendered clips, where the truth is known: each
against itself with its temporal layers switched off (METHOD §3 and §6).

The decoder gets two kinds of latents. Those of the encoder hardly flicker: where nothing moves, equal frames have equal
ones, which leaves its temporal layers nothing to mend. Those that the chain makes do: every 16th frame is encoded, and
those between are interpolated, as in `vldm generate`.
"""

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from vldm_cli.align.pixels import upsample
from vldm_cli.measure.between import APART, in_two
from vldm_cli.measure.clips import Maker, rounded
from vldm_cli.measure.consistency import flicker, psnr, ssim, warping_error
from vldm_cli.runs.progress import Meter, NullProgress
from vldm_cli.stages.decode import Decode
from vldm_cli.stages.plan import UPSCALE
from vldm_cli.stages.upscale import Upscale
from vldm_cli.stages.windows import fixed_windows
from vldm_cli.toyland.captions import captions
from vldm_cli.toyland.render import render
from vldm_cli.toyland.scene import sample_scenes

SEED = 4_000


class Means:
    """Means of named measures, by variant."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, list[float]]] = {}

    def add(self, variant: str, x_TCHW: Tensor, truth_TCHW: Tensor) -> None:
        """Measure one clip of at least two frames against its truth (which may be itself: the measures of one clip)."""
        measured = {"warping error": warping_error(x_TCHW)}
        if x_TCHW is not truth_TCHW:
            measured["psnr"], measured["ssim"] = psnr(x_TCHW, truth_TCHW), ssim(x_TCHW, truth_TCHW)
            measured["flicker"] = flicker(x_TCHW, truth_TCHW)
        for name, value in measured.items():
            self.values.setdefault(variant, {}).setdefault(name, []).append(value)

    def table(self) -> dict[str, dict[str, float | None]]:
        """Means over the clips that could be measured; None where none could."""
        return {
            variant: {name: _mean(values) for name, values in measures.items()}
            for variant, measures in self.values.items()
        }


def measure_decoder(maker: Maker, clips: int, frames: int) -> tuple[dict, list]:
    """Rendered clips of neighbouring frames as latents of the image encoder, and as interpolated ones, decoded with the
    temporal decoder in the chain's windows and frame by frame. The table by variant, and rows (text, frames) for a
    picture."""
    models, defaults = maker.models, maker.models.pack.manifest.defaults
    random = np.random.default_rng(SEED)
    scenes = sample_scenes(clips, random)
    said = iter(captions(scenes, random))
    windows = fixed_windows(frames, defaults.decode_window, defaults.decode_overlap)
    # up to the frame that interpolation needs at the end
    whole = APART * -(-(frames - 1) // APART) + 1
    means = Means()
    rows: list = []
    for rendered_BTCHW in maker.rendered(scenes, _times(maker, whole)):
        for whole_TCHW in rendered_BTCHW:
            truth_TCHW = whole_TCHW[:frames]
            z_TCHW = maker.encoded(whole_TCHW[None].to(models.device))[0]
            between_TCHW = in_two(maker, [next(said)], z_TCHW[None, ::APART])[0]
            shown = [("rendered", truth_TCHW)]
            for latents_TCHW, kind in ((z_TCHW, ""), (between_TCHW, ", interpolated")):
                for variant in ("temporal", "image"):
                    with models.decoder.temporal_off() if variant == "image" else nullcontext():
                        source = Decode(
                            windows, _source(latents_TCHW.cpu()), lambda: models.decoder, _meter(frames)
                        )
                        made_TCHW = rounded(torch.stack(list(source(0))))
                    means.add(variant + kind, made_TCHW, truth_TCHW)
                    shown.append((f"{variant} decoder{kind}", made_TCHW))
            means.add("rendered", truth_TCHW, truth_TCHW)
            rows = rows or [(text, x[:: max(1, frames // 8)]) for text, x in shown]
    return {"clips": clips, "frames": frames, **means.table()}, rows


def measure_upscaler(maker: Maker, clips: int, frames: int, space: str | None = None) -> tuple[dict, list]:
    """Rendered clips, and the same rendered at four times the size: upscaled as `generate` does by the pack's settings
    (in that space, if given) with its temporal layers, frame by frame, and by bicubic interpolation."""
    models, defaults = maker.models, maker.models.pack.manifest.defaults
    space = space or defaults.upscale_space
    upscaler = models.upscaler_in(space, own=True)
    scenes = sample_scenes(clips, np.random.default_rng(SEED + 1))
    times = _times(maker, frames)
    large = (UPSCALE * maker.size[0], UPSCALE * maker.size[1])
    windows = fixed_windows(frames, defaults.upscale_window, defaults.upscale_overlap)
    means = Means()
    rows: list = []
    for i in range(clips):
        scene = scenes[i : i + 1]
        low_TCHW = next(maker.rendered(scene, times))[0]
        truth_TCHW = rounded(2 * render(scene, times[None], large, device=models.device)[0] - 1)
        shown = [("rendered", truth_TCHW), ("bicubic", rounded(upsample(low_TCHW, UPSCALE)))]
        for variant in ("temporal", "image"):
            with upscaler.model.temporal_off() if variant == "image" else nullcontext():
                source = Upscale(
                    windows,
                    _source(low_TCHW),
                    lambda: upscaler,
                    lambda: models.upscaler_scheduler(defaults.scheduler, space),
                    _meter(frames),
                    seed=SEED + i,
                    steps=defaults.upscale_steps,
                    noise=defaults.upscale_noise,
                )
                shown.append((variant, rounded(torch.stack(list(source(0))))))
        for variant, x_TCHW in shown:
            means.add(variant, x_TCHW, truth_TCHW)
        rows = rows or [(f"{text}, ×{UPSCALE}, a part", _part(x[:4])) for text, x in shown]
    return {"clips": clips, "frames": frames, **means.table()}, rows


def _mean(values: list[float]) -> float | None:
    # a warping error is NaN where nothing is visible twice
    return None if np.isnan(values).all() else round(float(np.nanmean(values)), 4)


def _times(maker: Maker, frames: int) -> np.ndarray:
    """Neighbouring frames, begun where settling motions are under way."""
    return 1.0 + np.arange(frames) / float(maker.models.pack.manifest.video.fps)


def _source(items_TCHW: Tensor):
    return lambda start: iter(items_TCHW[start:])


def _meter(frames: int) -> Meter:
    return Meter(NullProgress(), "measure", frames)


def _part(x_TCHW: Tensor) -> Tensor:
    """The middle of large frames, a quarter of the width, where the details can be seen."""
    H, W = x_TCHW.shape[-2:]
    return x_TCHW[:, :, H * 3 // 8 : H * 5 // 8 + H // 8, W * 3 // 8 : W * 5 // 8]
