"""A source of one fixed clip, and what the tests of several parts need."""

import torch

from vldm_cli.packs.pack import Pack
from vldm_cli.train.data.batches import Clips, Patches
from vldm_cli.train.objectives import Setup


class OneClip:
    """A red square on green that moves two pixels a frame; every clip and patch asked for is cut from it alike."""

    def __init__(self, size=(32, 48), device="cpu"):
        self.size, self.device = size, device

    def check(self, frames, frame_steps):
        pass

    def video(self, frames, step=1, scale=1):
        height, width = (scale * x for x in self.size)
        video = torch.zeros(frames, 3, height, width, dtype=torch.uint8, device=self.device)
        video[:, 1] = 160
        for i in range(frames):
            x = scale * (4 + 2 * i * step % 24)
            video[i, :, 8 * scale : 24 * scale, x : x + 16 * scale] = torch.tensor([220, 20, 30])[
                :, None, None
            ]
        return video

    def clips(self, seed, n, frames, frame_steps):
        step = min(frame_steps)
        video = self.video(frames, step).expand(n, -1, -1, -1, -1).contiguous()
        step_B = torch.full((n,), step, device=self.device)
        return Clips(video, ["a red cube rolls right"] * n, step_B, torch.zeros_like(step_B).bool())

    def patches(self, seed, n, frames, patch, scale):
        high = self.video(frames, scale=scale)[..., : patch * scale, 8 * scale : (8 + patch) * scale]
        low = self.video(frames)
        corner = (torch.full((n,), at, device=self.device) for at in (0, 8))
        return [Patches(high.expand(n, -1, -1, -1, -1), low.expand(n, -1, -1, -1, -1), *corner)]


def setup(pack: Pack, **changes) -> Setup:
    device = changes.get("device", torch.device("cpu"))
    given = {
        "source": OneClip(device=device),
        "device": device,
        "dtype": torch.float32,
        "batch": 4,
        "bank_frames": 8,
    }
    return Setup(pack=pack, **{**given, **changes})
