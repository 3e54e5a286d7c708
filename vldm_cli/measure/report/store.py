"""Finished sections of a measurement, kept in a folder: so that it can be split over processes, and goes on."""

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from vldm_cli.errors import RequestError
from vldm_cli.video.picture import look, pixels, write_png

IDENTITY = "measurement.json"


class Store:
    """A folder of finished sections; without a folder nothing is kept.

    Several processes may fill one folder at once: every file is put in place by a rename. machine: what this process
    measures on; `machines` are those of all sections that were loaded or saved, each once. Raises RequestError where
    the folder holds a measurement of something else.
    """

    def __init__(self, folder: Path | None, identity: dict, machine: dict[str, str] | None = None):
        self.folder = folder
        self.machine = machine or {}
        self.machines: list[dict[str, str]] = []
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / IDENTITY
        identity = json.loads(json.dumps(identity))
        if not path.is_file():
            _write(path, json.dumps(identity, indent=1))
            return
        theirs = _read(path)
        for key, value in identity.items():
            if theirs.get(key) != value:
                raise RequestError(
                    f"{folder} holds measurements with {key} {_short(theirs.get(key))}, not {_short(value)}; "
                    "name another folder"
                )

    def has(self, name: str) -> bool:
        """Whether the section is finished."""
        return self.folder is not None and (self.folder / f"{name}.json").is_file()

    def load(self, name: str) -> tuple[dict, dict[str, Image.Image]] | None:
        """The section's table and its pictures by title, or None."""
        if self.folder is None or not self.has(name):
            return None
        stored = _read(self.folder / f"{name}.json")
        pictures = {}
        for title, file in stored["pictures"].items():
            pictures[title] = Image.fromarray(pixels(look(self.folder / file)))
        self._seen(stored.get("machine", {}))
        return stored["table"], pictures

    def save(self, name: str, table: dict, pictures: dict[str, Image.Image]) -> None:
        """Keep a finished section."""
        self._seen(self.machine)
        if self.folder is None:
            return
        files = {}
        for i, (title, image) in enumerate(pictures.items()):
            files[title] = f"{name}-{i}.png"
            temporary = self.folder / f".{files[title]}.{os.getpid()}.tmp"
            write_png(temporary, np.asarray(image.convert("RGB")))
            os.replace(temporary, self.folder / files[title])
        _write(
            self.folder / f"{name}.json",
            json.dumps({"machine": self.machine, "table": table, "pictures": files}, indent=1),
        )

    def _seen(self, machine: dict[str, str]) -> None:
        if machine and machine not in self.machines:
            self.machines.append(machine)


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise RequestError(f"{path} is damaged ({error}); delete it and measure again") from error


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text + "\n")
    os.replace(temporary, path)


def _short(value) -> str:
    return f"{value!s:.60}"
