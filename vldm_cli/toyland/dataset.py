"""Endless training clips of Toyland: batches of uint8 video with captions, and patches for the upscaler.

Everything follows from the seed, so the same dataset gives the same batches again, whatever the device.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vldm_cli.errors import RequestError
from vldm_cli.toyland.batch import SceneBatch
from vldm_cli.toyland.captions import captions
from vldm_cli.toyland.motion import settles
from vldm_cli.toyland.outlines import outlines
from vldm_cli.toyland.render import EAGER, Core, render
from vldm_cli.toyland.scene import TRAINED_CAMERA_SHARES, sample_scenes


@dataclass(frozen=True)
class Drawing:
    """How training draws Toyland, where it is not as it comes. `rolling`, `spinning`, `repeated`: see `sample_scenes`.
    `plain`: the share of captions in plain English (`plain`). `cell`: pixels along a cell of the grid that outlines are
    marked in; 0 for none."""

    rolling: float = 1.0
    spinning: float = 1.0
    repeated: float = 0.0
    plain: float = 0.0
    cell: int = 0


@dataclass
class ClipBatch:
    """n clips: `video_BTCHW` uint8 RGB, one caption, frame step, start time (seconds) and attributes each.

    `late_B`: the clip begins when a settling motion is already well under way or over, so its caption describes it
    only together with what came before: good for clips with context frames. `scenes`, `times_BT` (seconds): what was
    rendered. `outlines_BTHW`: see `outlines.outlines`, if asked for.
    """

    video_BTCHW: Tensor
    captions: list[str]
    frame_step_B: Tensor
    attributes: list[dict]
    start_B: Tensor
    late_B: Tensor
    scenes: SceneBatch
    times_BT: np.ndarray
    outlines_BTHW: Tensor | None = None


class ToylandClips:
    """Random windows of random scenes.

    `frames`: frames a clip. `frame_steps`: distance between its frames (in frames at `fps`) → probability; frame k of
    a clip is at t0 + k · step / fps seconds. `chunk`: clips rendered at once. `driving`: share of the road family.
    `late`: share of clips of settling scenes that begin after the motion has begun. `core`: the ray caster
    (`render.compiled_core()` is worth its wait for thousands of frames). `drawing`: what is drawn more often, and how.
    """

    def __init__(
        self,
        seed: int,
        frames: int,
        frame_steps: dict[int, float],
        size: tuple[int, int] = (160, 256),
        device="cpu",
        fps: float = 24,
        chunk: int = 128,
        driving: float = 0.2,
        late: float = 0.2,
        withheld: bool = False,
        core: Core = EAGER,
        drawing: Drawing = Drawing(),
    ):
        if frames < 1 or not frame_steps or min(frame_steps) < 1:
            raise RequestError("clips need at least one frame and frame steps of at least 1")
        self.rng = np.random.default_rng(seed)
        self.frames, self.size, self.device, self.fps, self.chunk = frames, size, device, fps, chunk
        self.steps = np.array(list(frame_steps))
        self.shares = np.array(list(frame_steps.values()), float)
        self.shares /= self.shares.sum()
        self.driving, self.late, self.withheld, self.core = driving, late, withheld, core
        self.drawing = drawing

    def scenes(self, n: int) -> SceneBatch:
        """The next n scenes."""
        return sample_scenes(
            n,
            self.rng,
            driving=self.driving,
            withheld=self.withheld,
            camera_shares=TRAINED_CAMERA_SHARES,
            rolling=self.drawing.rolling,
            spinning=self.drawing.spinning,
            repeated=self.drawing.repeated,
        )

    def _windows(self, scenes: SceneBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frame step (B,), start (B,) and lateness (B,) of a clip of each scene."""
        n = len(scenes)
        step = self.rng.choice(self.steps, n, p=self.shares)
        length = (self.frames - 1) * step / self.fps
        # Settling motions take 3 to 6 s from t = 0. A window of keyframes begins with the motion; a short window
        # lies anywhere inside it.
        early = -0.5 + self.rng.random(n) * (1.3 + np.clip(4.0 - length, 0, None))
        after = 0.8 + self.rng.random(n) * 7.5
        anywhere = self.rng.random(n) * 40.0
        settling = settles(scenes)
        late = settling & (self.rng.random(n) < self.late)
        return step, np.where(settling, np.where(late, after, early), anywhere), late

    def batch(self, n: int) -> ClipBatch:
        """The next n clips, on `device`."""
        scenes, cell = self.scenes(n), self.drawing.cell
        step, start, late = self._windows(scenes)
        times = start[:, None] + np.arange(self.frames) * step[:, None] / self.fps
        video = torch.empty(n, self.frames, 3, *self.size, dtype=torch.uint8, device=self.device)
        for i in range(0, n, self.chunk):
            part = slice(i, i + self.chunk)
            video[part] = _bytes(
                render(scenes[part], times[part], self.size, device=self.device, core=self.core)
            )
        return ClipBatch(
            video,
            captions(scenes, self.rng, self.drawing.plain),
            torch.as_tensor(step, device=self.device),
            [scenes.describe(i) for i in range(n)],
            torch.as_tensor(start, dtype=torch.float32, device=self.device),
            torch.as_tensor(late, device=self.device),
            scenes,
            times,
            outlines(scenes, times, self.size, cell, self.device) if cell else None,
        )

    def patch_pairs(self, n: int, patch_lr: tuple[int, int] = (64, 64), scale: int = 4):
        """Patches for training an upscaler: (hr, lr_full, y0_n, x0_n).

        hr uint8 (n,T,3,scale·h,scale·w) is the window at rows scale·y0… and columns scale·x0… of the clip rendered at
        `scale` times the size; lr_full uint8 (n,T,3,H,W) the whole clip at the usual size; y0, x0 (n,) low-resolution
        pixels. The low-resolution clip is rendered for itself, not a shrunk copy of the large one.
        """
        (H, W), (h, w) = self.size, patch_lr
        if h > H or w > W:
            raise RequestError(f"a patch of {h}×{w} does not fit into {H}×{W}")
        scenes = self.scenes(n)
        step, start, _ = self._windows(scenes)
        times = start[:, None] + np.arange(self.frames) * step[:, None] / self.fps
        y0, x0 = self.rng.integers(0, H - h + 1, n), self.rng.integers(0, W - w + 1, n)
        hr, lr = [], []
        for i in range(0, n, self.chunk):
            part = slice(i, i + self.chunk)
            window = (scale * y0[part], scale * x0[part], scale * h, scale * w)
            size = (scale * H, scale * W)
            hr.append(
                _bytes(render(scenes[part], times[part], size, window, device=self.device, core=self.core))
            )
            lr.append(
                _bytes(render(scenes[part], times[part], self.size, device=self.device, core=self.core))
            )
        corners = [torch.as_tensor(v, device=self.device) for v in (y0, x0)]
        return torch.cat(hr), torch.cat(lr), *corners


def _bytes(x: Tensor) -> Tensor:
    return (x * 255).round_().to(torch.uint8)
