"""Contact sheets of what was measured."""

from PIL import Image, ImageDraw
from torch import Tensor

Rows = list[tuple[str, Tensor]]
GAP, LINE, FRAME_WIDTH = 4, 14, 160


def contact_sheet(rows: list[tuple[str, Tensor]]) -> Image.Image:
    """Rows of (text, frames (T, 3, H, W) in [−1, 1]) as one picture, frames shrunk to a width that fits."""
    drawn = [(text, [_frame(x) for x in frames]) for text, frames in rows]
    width = max(len(frames) * (frames[0].width + GAP) for _, frames in drawn) + GAP
    height = sum(frames[0].height + LINE + GAP for _, frames in drawn) + GAP
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    y = GAP
    for text, frames in drawn:
        # the letters that PIL's own font has
        draw.text((GAP, y), text.encode("latin-1", "replace").decode("latin-1"), fill="black")
        y += LINE
        for i, frame in enumerate(frames):
            sheet.paste(frame, (GAP + i * (frame.width + GAP), y))
        y += frames[0].height + GAP
    return sheet


def _frame(x_CHW: Tensor) -> Image.Image:
    values = ((x_CHW.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(values)
    if image.width > FRAME_WIDTH:
        image = image.resize(
            (FRAME_WIDTH, round(image.height * FRAME_WIDTH / image.width)), Image.Resampling.BOX
        )
    return image
