"""How truly `extend` goes on: rendered clips of one object, continued, held against what the renderer shows then.

Where the object is in the last frame that was made is found by looking for it as it should look there, around the place
where it should be: how far off that is, is the error.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.extend.job import Options, make_job
from vldm_cli.pipelines.extend.run import run
from vldm_cli.stages.models import Models
from vldm_cli.toyland.batch import SceneBatch
from vldm_cli.toyland.captions import captions
from vldm_cli.toyland.render import render
from vldm_cli.toyland.scene import sample_scenes
from vldm_cli.toyland.world import COLOURS
from vldm_cli.video.clip import open_clip
from vldm_cli.video.write import encode_segment

SEED = 3_000
GIVEN = 33  # frames of each clip
CRF = 4
REACH = 0.5  # of the height: how far from its place an object is looked for
SEEN = 0.04  # a change of colour by more than this shows
LEAST_PIXELS = 12
NEAR = 0.05  # of the width: the bar


def measure_continuation(
    pack: Pack, device: str, dtype: str, clips: int = 32, frames: int = 24, steps: int | None = None
) -> dict:
    """Errors of the object's place after so many new frames, as shares of the frame's width.

    `extended`: of what the pack made. `standing still`: of the last frame that it was given, so how far things moved.
    `moving`: both for the clips alone whose object went further than NEAR in that time.
    """
    video, rng = pack.manifest.video, np.random.default_rng(SEED)
    models, size = Models(pack, device, dtype), (video.height, video.width)
    errors: dict[str, list[float]] = {"extended": [], "standing still": []}
    scenes = sample_scenes(clips, rng, family="objects", objects=1)
    texts, begins = captions(scenes, rng), rng.uniform(0, 20, clips)
    with TemporaryDirectory() as folder:
        for i in range(clips):
            scene = scenes[i : i + 1]
            times_BT = begins[i] + np.arange(GIVEN + frames)[None] / float(video.fps)
            x_TCHW = render(scene, times_BT, size, device=device)[0].cpu()
            mask_HW = object_mask(scene, times_BT[:, -1:], size, device)
            if mask_HW.sum() < LEAST_PIXELS:  # hidden, or out of the frame
                continue
            path, out = Path(folder) / f"{i}.mp4", Path(folder) / f"{i}-extended.mp4"
            encode_segment(path, _images(x_TCHW[:GIVEN]), video.fps, "mp4", CRF)
            options = Options(
                frames, texts[i], None, True, SEED + i, steps, crf=CRF, device=device, dtype=dtype
            )
            run(make_job(open_clip(path), pack, out, options, models=models), str(i))
            for name, made_CHW in (("extended", _last(out)), ("standing still", x_TCHW[GIVEN - 1])):
                dy, dx = displacement(x_TCHW[-1], mask_HW, made_CHW, round(REACH * size[0]))
                errors[name].append((dy**2 + dx**2) ** 0.5 / size[1])
            path.unlink()
            out.unlink()
    moved = np.array(errors["standing still"]) > NEAR
    return {
        "pack": {"name": pack.manifest.name, "hash": pack.manifest.hash},
        "frames": frames,
        "clips": len(errors["extended"]),
        **_tables(np.array(values) for values in errors.values()),
        "moving": _tables(np.array(values)[moved] for values in errors.values())
        | {"clips": int(moved.sum())},
    }


def object_mask(scene: SceneBatch, times_B1: np.ndarray, size: tuple[int, int], device: str) -> Tensor:
    """Where object 0 shows (height, width), 0 or 1: where another colour of it changes the frame."""
    colour_BK = scene.colour_BK.copy()
    colour_BK[:, 0] = (colour_BK[:, 0] + len(COLOURS) // 2) % len(COLOURS)
    one, other = (
        render(s, times_B1, size, device=device)[0, 0] for s in (scene, replace(scene, colour_BK=colour_BK))
    )
    return ((one - other).abs().amax(0) > SEEN).float().cpu()


def displacement(true_CHW: Tensor, mask_HW: Tensor, made_CHW: Tensor, reach: int) -> tuple[int, int]:
    """By how many pixels (down, right) the masked part of the true frame must go to fit the made one best, in least
    squares of what lies inside the frame; at most `reach` either way."""
    rows, columns = mask_HW.any(1).nonzero()[:, 0], mask_HW.any(0).nonzero()[:, 0]
    y, x = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    part_CHW, weight_HW = true_CHW[:, y, x], mask_HW[y, x]
    pad = (reach, reach, reach, reach)
    inside_HW = F.pad(torch.ones_like(mask_HW), pad)
    made_CHW = F.pad(made_CHW, pad)
    window = (slice(y.start, y.stop + 2 * reach), slice(x.start, x.stop + 2 * reach))
    made_CHW, inside_HW = made_CHW[:, window[0], window[1]], inside_HW[window]
    kernel_1CHW = (part_CHW * weight_HW)[None]
    squares = F.conv2d((made_CHW**2).sum(0)[None, None], weight_HW[None, None])
    products = F.conv2d(made_CHW[None], kernel_1CHW)
    own = F.conv2d(inside_HW[None, None], (part_CHW**2 * weight_HW).sum(0)[None, None])
    seen = F.conv2d(inside_HW[None, None], weight_HW[None, None])
    error_HW = ((squares - 2 * products + own) / seen.clamp(min=1e-6))[0, 0]
    # Where most of it would be outside there is too little to go by.
    error_HW = torch.where(seen[0, 0] > 0.5 * weight_HW.sum(), error_HW, torch.inf)
    best = int(error_HW.argmin())
    return best // error_HW.shape[1] - reach, best % error_HW.shape[1] - reach


def _images(x_TCHW: Tensor) -> list[np.ndarray]:
    return list((x_TCHW * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy())


def _last(path: Path) -> Tensor:
    """The last frame (3, H, W) in [0, 1]."""
    clip = open_clip(path)
    raw = clip.raw(rgb=True)
    frame = next(clip.read(clip.frames - 1, raw))
    return torch.from_numpy(raw.planes(frame)[0].astype(np.float32)).permute(2, 0, 1) / 255


def _tables(errors: Iterable[np.ndarray]) -> dict[str, dict]:
    return {name: _table(e) for name, e in zip(("extended", "standing still"), errors, strict=True)}


def _table(errors: np.ndarray) -> dict[str, float | None]:
    if not len(errors):
        return {"median": None, "mean": None, "within 5 %": None}
    return {
        "median": round(float(np.median(errors)), 4),
        "mean": round(float(errors.mean()), 4),
        "within 5 %": round(float((errors <= NEAR).mean()), 4),
    }
