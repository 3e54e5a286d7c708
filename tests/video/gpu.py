"""An ffmpeg whose h264_nvenc is x264 in disguise: with the options of one, and the packets of the other."""

import sys
from pathlib import Path

from vldm_cli.video import ffmpeg

SCRIPT = """#!{python}
import os, sys
words = sys.argv[1:]
if "encoder=h264_nvenc" in words:
    sys.exit(print("Encoder h264_nvenc [a disguise]:"))
if "h264_nvenc" in words:
    with open({log!r}, "a") as log:
        log.write(" ".join(words) + "\\n")
    first, last = words.index("h264_nvenc") - 1, words.index("-g") + 2
    quality = words[words.index("-cq") + 1]
    words[first:last] = ["-c:v", "libx264", "-preset", "fast", "-crf", quality, "-bf", "0", "-threads", "1"]
os.execv({real!r}, [{real!r}, *words])
"""


def disguised(folder: Path) -> tuple[Path, Path]:
    """(the program, the file that gets a line for each of its calls that encode)."""
    program, log = folder / "ffmpeg", folder / "calls"
    log.touch()
    program.write_text(SCRIPT.format(python=sys.executable, real=ffmpeg.ffmpeg_exe(), log=str(log)))
    program.chmod(0o755)
    return program, log
