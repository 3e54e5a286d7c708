"""`--preview`: one picture of the video so far, refreshed while it is made."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vldm_cli.errors import RunError
from vldm_cli.runs.store import Store
from vldm_cli.video.picture import write_png

THUMBNAILS = 12
COLUMNS = 4
WIDTH, TALLEST = 256, 512
UNIT = "preview"


class Thumbnails:
    """Up to twelve, evenly spaced over a video of so many frames. They are units of the journal, so that a run which
    goes on has the ones of before, and each process those of all."""

    def __init__(self, frames: int, journal: Store) -> None:
        self.journal = journal
        count = min(THUMBNAILS, frames)
        self.shown = [i * (frames - 1) // max(1, count - 1) for i in range(count)]

    def see(self, frame: int, image: np.ndarray) -> None:
        """A finished frame goes by: uint8 (H, W, 3)."""
        if frame in self.shown:
            picture = Image.fromarray(image)
            scale = min(WIDTH / picture.width, TALLEST / picture.height)
            size = max(1, round(scale * picture.width)), max(1, round(scale * picture.height))
            small = np.array(picture.resize(size, Image.Resampling.LANCZOS))
            self.journal.save(UNIT, frame, {"image": torch.from_numpy(small)})


class ContactSheet(Thumbnails):
    """A sheet of them; what is not made yet is grey."""

    def __init__(self, path: Path, frames: int, journal: Store) -> None:
        super().__init__(frames, journal)
        self.path = path
        self.part = path.with_name(f".{path.name}.part")
        self.part.unlink(missing_ok=True)  # of a run that was killed while it wrote

    def write(self) -> None:
        """The sheet as a PNG; the file under its name is always whole. RunError when it cannot be written."""
        units = {frame: self.journal.load(UNIT, frame) for frame in self.shown}
        images = {frame: unit["image"].numpy() for frame, unit in units.items() if unit is not None}
        if not images:
            return
        height = next(iter(images.values())).shape[0]
        columns = min(COLUMNS, len(self.shown))
        rows = -(-len(self.shown) // columns)
        sheet = Image.new("RGB", (columns * WIDTH, rows * height), (64, 64, 64))
        for i, frame in enumerate(self.shown):
            if frame in images:
                sheet.paste(Image.fromarray(images[frame]), (i % columns * WIDTH, i // columns * height))
        try:
            write_png(self.part, np.asarray(sheet), sheet=True)
            os.replace(self.part, self.path)
        except OSError as error:
            self.part.unlink(missing_ok=True)
            raise RunError(f"cannot write --preview {self.path} ({error.strerror or error})") from error
