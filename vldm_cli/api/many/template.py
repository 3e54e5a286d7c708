"""Names of many videos, from one that has places for what differs: "out/{index:04}-{prompt}-{seed}.mp4". No torch."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from vldm_cli.errors import RequestError, shown

# The places in names of videos that prompts and clips become, and whether each is a number.
OF_PROMPTS = {"index": True, "prompt": False, "seed": True}
OF_CLIPS = {"index": True, "name": False}
# Digits that a number can be filled up to.
WIDEST = 20
_PARTS = re.compile(r"\{\{|\}\}|\{(\w*)(?::(0?\d{1,3}))?\}|[{}]")


class Template:
    """A name with places: `{index}`, `{seed}`, `{index:04}` or `{index:4}` with zeros up to four digits; `{{` and `}}`
    are braces. places: which there are, and whether each is a number. RequestError, naming the option, for others."""

    def __init__(self, text: str, option: str, places: Mapping[str, bool]) -> None:
        self.text, self.used = text, set[str]()
        self._option = option
        for found in _PARTS.finditer(text):
            name, width = found.groups()
            if found.group() in ("{{", "}}"):
                continue
            if name is None:
                raise RequestError(
                    f"{self._said} has a {found.group()} alone; write {found.group() * 2} for one"
                )
            if name not in places:
                there = ", ".join(f"{{{place}}}" for place in places)
                raise RequestError(f"{self._said} has {{{shown(name)}}}, and there are {there}")
            if width is not None and not (places[name] and 1 <= int(width) <= WIDEST):
                raise RequestError(
                    f"{self._said} has {found.group()}; a number can be filled up to {WIDEST} digits, as in "
                    "{index:04}, and nothing else"
                )
            self.used.add(name)

    @property
    def _said(self) -> str:
        return f"{self._option} {shown(self.text)}"

    def fill(self, values: Mapping[str, int | str]) -> str:
        """The name of one video."""

        def filled(found: re.Match[str]) -> str:
            name, width = found.groups()
            if name is None:
                return found.group()[0]
            value = values[name]
            return str(value).zfill(int(width)) if width else str(value)

        return _PARTS.sub(filled, self.text)


def has_place(places: Mapping[str, bool], *names: str | Path | None) -> bool:
    """Whether one of these names has one of the places: it is for many videos then, if only for a list of one."""
    return any(
        found.group(1) in places for name in names if name is not None for found in _PARTS.finditer(str(name))
    )


def out_template(out: str | Path | None, usual: str, places: Mapping[str, bool]) -> Template:
    """What `--out` means for many videos: a template; or a folder, in which they get their usual names, where it has
    neither a place nor a suffix. Raises RequestError."""
    if out is None:
        return Template(usual, "--out", places)
    text = str(out)
    template = Template(text, "--out", places)
    if not template.used and (not Path(text).suffix or Path(template.fill({})).is_dir()):
        return Template(os.path.join(text, usual), "--out", places)
    return template


def check_different(named: Iterable[tuple[str, Path, str]]) -> None:
    """That no two of them are one file, and none a folder of another. Each: where it is asked for, its name, and the
    option that gives it; the index alone differs whatever else is the same."""
    resolved: dict[Path, Path] = {}
    first: dict[Path, str] = {}
    options: dict[Path, str] = {}
    for where, path, option in named:
        parent = path.parent
        if parent not in resolved:
            resolved[parent] = Path(os.path.realpath(parent))
        whole = resolved[parent] / path.name
        if whole in first:
            raise RequestError(
                f"{first[whole]} and {where} are both to become {path}; put {{index}} into {option}"
            )
        first[whole], options[whole] = where, option
    for whole, where in first.items():
        inside = next((above for above in whole.parents if above in first), None)
        if inside is not None:
            raise RequestError(
                f"{where} is to lie in {inside}, which is a video itself ({first[inside]}); name another place with "
                f"{options[whole]}"
            )
