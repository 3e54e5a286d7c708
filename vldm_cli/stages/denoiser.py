"""One stage of latents: a model with its text, its guidance and its noise, ready to fill windows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from vldm_cli.align.context import Context
from vldm_cli.align.place import place_of
from vldm_cli.align.unet import VideoUNet
from vldm_cli.denoise.guidance import Guidance
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import sample
from vldm_cli.runs.memory import first_that_fits

OnStep = Callable[[int], None]
"""on_step(steps done)."""


@dataclass(frozen=True)
class Denoiser:
    """Fills windows of latents around the frames that are known in them.

    model and scheduler are asked for when the first window is filled (resuming may need none) and a scheduler for each
    call, since it has a state. frame_step: frames at the final rate between items of this stage; `told` is what the
    model is told of it, counted at the pack's rate, where that is another one. text: () → (text_BLD, negative_BLD), one
    row each, or None and None for a model that reads none. shape: (C, h, w) of a latent frame. first: the number of
    item 0's frame in the whole video. shared: the share of noise that all frames have in common. sketches: (3, H, W) in
    [0, 1] in pixels, by the items that follow them.
    """

    model: Callable[[], VideoUNet]
    scheduler: Callable[[], object]
    text: Callable[[], tuple[Tensor | None, Tensor | None]]
    seed: int
    stage: str
    frame_step: int
    steps: int
    shape: tuple[int, int, int]
    guidance: Guidance
    first: int = 0
    told: int | None = None
    shared: float = 0.0
    sketches: Mapping[int, Tensor] = field(default_factory=dict)

    def fill(
        self, starts: Sequence[int], known_BTCHW: Tensor, mask_BT: Tensor, on_step: OnStep | None = None
    ) -> Tensor:
        """Windows of equal length, the b-th one with the items from starts[b] on → latents (B, T, C, h, w), float32
        on the CPU. Known items (mask 1) come back exactly; noise belongs to the item's frame at the final rate."""
        model = self.model()
        device = place_of(model).device
        T = known_BTCHW.shape[1]

        def drawn(stage: str) -> Tensor:
            """Noise (B, T, C, h, w), each item's its frame's."""
            numbers = [[self.first + (start + t) * self.frame_step for t in range(T)] for start in starts]
            return torch.stack([frame_noise(self.seed, stage, n, self.shape, self.shared) for n in numbers])

        context = (
            Context.at(known_BTCHW.to(device, torch.float32), mask_BT.to(device)) if mask_BT.any() else None
        )
        text_BLD, negative_BLD = self.text()
        callback = None if on_step is None else lambda step, steps, x0_BTCHW: on_step(step)
        drawings = self._drawn(starts, T, device)

        def sampled(together: bool = True) -> Tensor:
            z_BTCHW = sample(
                model,
                self.scheduler(),
                drawn(self.stage).to(device),
                steps=self.steps,
                text_BLD=text_BLD,
                negative_BLD=negative_BLD,
                context=context,
                guidance=self.guidance,
                callback=callback,
                fresh=lambda step: drawn(f"{self.stage}/{step}").to(device),
                together=together,
                frame_step=self.told or self.frame_step,
                **drawings,
            )
            return z_BTCHW.float().cpu()

        # of several windows there are halves (`Interpolation`), of one only its passes
        ways = [sampled] if len(starts) > 1 else [sampled, partial(sampled, False)]
        return first_that_fits(*ways)

    def _drawn(self, starts: Sequence[int], T: int, device: torch.device) -> dict[str, Tensor]:
        """What windows are told of sketches; nothing where none has any."""
        here = [[self.sketches.get(start + t) for t in range(T)] for start in starts]
        mask_BT = torch.tensor([[one is not None for one in window] for window in here]).float()
        if not mask_BT.any():
            return {}
        nothing_CHW = torch.zeros_like(next(iter(self.sketches.values())))
        x_BTCHW = torch.stack(
            [torch.stack([nothing_CHW if one is None else one for one in window]) for window in here]
        )
        return {"sketch_BTCHW": x_BTCHW.to(device), "sketch_mask_BT": mask_BT.to(device)}
