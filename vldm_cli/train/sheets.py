"""Contact sheets: rows of frames with a caption each, drawn with PIL."""

import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from vldm_cli.train.frames import to_bytes

GAP, LINE = 4, 14


def contact_sheet(rows: list[tuple[str, Tensor]]) -> Image.Image:
    """Rows of (caption, frames in [−1, 1] of shape (T, 3, H, W)) → one picture."""
    drawn = [(caption, to_bytes(frames).permute(0, 2, 3, 1).cpu().numpy()) for caption, frames in rows]
    width = max(len(f) * (f.shape[2] + GAP) for _, f in drawn) + GAP
    height = sum(f.shape[1] + LINE + GAP for _, f in drawn) + GAP
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    y = GAP
    for caption, frames in drawn:
        draw.text((GAP, y), caption[: width // 6], fill="black")
        y += LINE
        for i, frame in enumerate(frames):
            sheet.paste(Image.fromarray(frame), (GAP + i * (frame.shape[1] + GAP), y))
        y += frames.shape[1] + GAP
    return sheet


class FrameByFrame(nn.Module):
    """An image UNet in a video UNet's clothes, so that the sampler can run it: frames as B videos of T = 1."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.unet = unet

    def forward(self, z_BTCHW: Tensor, timestep, text_BLD: Tensor, *, context=None) -> Tensor:
        t_B = torch.as_tensor(timestep, device=z_BTCHW.device).expand(len(z_BTCHW))
        return self.unet(z_BTCHW[:, 0], t_B, text_BLD, return_dict=False)[0][:, None]
