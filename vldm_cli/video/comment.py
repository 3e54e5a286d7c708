"""What vldm stores in a file, given to ffmpeg in a file of its own: longer than any command line may be."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vldm_cli.video import ffmpeg


def as_json(metadata: dict, **layout) -> str:
    """What is stored, as text of letters that UTF-8 has: in names there may be bytes that are no text, for which
    JSON's own escapes stand."""
    text = json.dumps(metadata, ensure_ascii=False, **layout)
    return text.encode("utf-8", "backslashreplace").decode()


@contextmanager
def commented(out: Path, tag: str, text: str) -> Iterator[list[str]]:
    """Options of an input of ffmpeg whose only tag that is, in a file beside `out` as long as the block lasts."""
    path = out.with_name(f".{out.name}.comment.txt")
    escaped = re.sub(r"([=;#\\\n])", r"\\\1", text)
    try:
        path.write_text(f";FFMETADATA1\n{tag}={escaped}\n", encoding="utf-8")
        yield ["-f", "ffmetadata", "-i", ffmpeg.local(path)]
    finally:
        path.unlink(missing_ok=True)
