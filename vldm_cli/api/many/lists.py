"""A list of videos in a file: a line each (a prompt or a clip's name, or a JSON object), or a table each in TOML.

Whatever is wrong is one sentence with the number of the line: nothing is skipped in silence. No torch.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vldm_cli.errors import RequestError, shown

# Bytes of a file, and videos in it: a thousand times what anybody waits for.
LONGEST = 1 << 24
MOST = 100_000
TEXT, NUMBER, RATE, FLAG = "a text", "a number", "a rate", "true or false"
TEXTS = "a text or a list of texts"
_TYPES: dict[str, tuple[type, ...]] = {
    TEXT: (str,),
    NUMBER: (int, float),
    RATE: (int, float, str),
    FLAG: (bool,),
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TABLE = re.compile(r"^[ \t]*\[\[[ \t]*video[ \t]*\]\]", re.MULTILINE)
# Of the whole command, whose models are loaded once and whose places are one person's.
_OF_THE_COMMAND = {"pack", "motion", "lora", "vae", "embedding", "device", "dtype", "model"}
_OF_THE_COMMAND |= {"plain", "memory", "fast"}


@dataclass(frozen=True)
class Line:
    """One video that is asked for. where: the line, in words, for whoever reads about it; told: options by their names
    in Python, `subject` ("prompt" or "clip") among them."""

    where: str
    told: dict[str, Any]


def read(path: Path, subject: str, known: Mapping[str, str]) -> list[Line]:
    """The videos of a file. known: options that a line may have besides its subject, and what each is (`TEXT`, …).
    Raises RequestError, naming the line, for what cannot be read."""
    known = {subject: TEXT, **known}
    text = _text(path)
    if path.suffix.lower() == ".toml":
        lines = list(_tables(path, text, subject, known))
    else:
        lines = list(_lines(path, text, subject, known))
    if not lines:
        raise RequestError(f"{path} has no {subject} in it; write one a line")
    if len(lines) > MOST:
        raise RequestError(
            f"{path} has {len(lines)} videos in it, and {MOST} are the most; cut it into parts"
        )
    return lines


def placed(where: str, error: RequestError) -> RequestError:
    """The same with the line that it is about, unless it names that itself; there is none where `where` is empty."""
    named = not where or where in str(error)
    return RequestError(str(error) if named else f"{where.rstrip(',')}: {error}", error.again)


def _text(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(LONGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(f"cannot read the list {path} ({reason}); check its name") from error
    if len(data) > LONGEST:
        raise RequestError(f"{path} has more than {LONGEST >> 20} MiB, which is no list; check its name")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise RequestError(f"{path} is UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = len(re.findall(rb"\r\n|\n|\r", data[: error.start])) + 1
        raise RequestError(f"line {number} of {path} is no UTF-8 text; save the file as UTF-8") from error


def _lines(path: Path, text: str, subject: str, known: Mapping[str, str]) -> Iterator[Line]:
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        line, where = raw.strip(), f"line {number} of {path}"
        if not line or line.startswith("#"):
            continue
        if line.startswith("{"):
            yield Line(where, _checked(where, _object(where, line), subject, known))
            continue
        found = _CONTROL.search(line)
        if found:
            raise RequestError(
                f"{where} holds a control character ({found.group()!a}); take it out, or save the file as text"
            )
        yield Line(where, {subject: line})


def _object(where: str, line: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise RequestError(f"{where} says {shown(twice)} twice; say it once")
        return table

    try:
        return json.loads(line, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        reason = (
            f"{error.msg} at letter {error.colno}" if isinstance(error, json.JSONDecodeError) else "too large"
        )
        raise RequestError(
            f'{where} is no JSON object ({reason}); write one such as {{"prompt": "a red ball", "seed": 7}}'
        ) from error


def _tables(path: Path, text: str, subject: str, known: Mapping[str, str]) -> Iterator[Line]:
    try:
        whole = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "too large"
        raise RequestError(f"{path} is no TOML ({shown(reason)}); mend it") from error
    tables = whole.pop("video", [])
    other = next(iter(whole), None)
    if other is not None or not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        named = "video" if other is None else shown(other)
        raise RequestError(f"{path} has {named} outside of a video; write a table [[video]] for each")
    starts = [text.count("\n", 0, found.start()) + 1 for found in _TABLE.finditer(text)]
    for number, table in enumerate(tables, 1):
        where = f"video {number} of {path}"
        if len(starts) == len(tables):
            where += f", line {starts[number - 1]},"
        yield Line(where, _checked(where, table, subject, known))


def _checked(where: str, table: dict[str, Any], subject: str, known: Mapping[str, str]) -> dict[str, Any]:
    """The table with names as in Python. RequestError for an option that there is not, or of another type."""
    told: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name in _OF_THE_COMMAND:
            raise RequestError(
                f"{where} has {shown(key)}, which is of the whole command, whose models are loaded once; give it as "
                f"--{name}"
            )
        if name not in known:
            raise RequestError(f"{where} has {shown(key)}, which no video has; there are {', '.join(known)}")
        if name in told:
            raise RequestError(f"{where} says {shown(key)} twice; say it once")
        if value is None:
            continue
        kind = known[name]
        if kind == TEXTS:
            values = value if isinstance(value, list) else [value]
            right = all(isinstance(one, str) and one and "\0" not in one for one in values)
        else:
            right = isinstance(value, _TYPES[kind]) and isinstance(value, bool) == (kind == FLAG)
        if not right:
            said = f"the text {shown(value)}" if isinstance(value, str) else shown(value)
            raise RequestError(f"{where.rstrip(',')}: {name} is {said}, and {known[name]} is wanted")
        if isinstance(value, str) and ("\0" in value or (name == subject and not value.strip())):
            raise RequestError(f"{where.rstrip(',')}: {name} is {shown(value)}, which is none")
        told[name] = value
    if subject not in told:
        raise RequestError(f"{where} has no {subject}")
    return told
