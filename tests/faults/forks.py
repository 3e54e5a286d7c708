"""A program: runs vldm commands one after the other, each in a fork of a process that has imported everything and
computed nothing, and ends them before a file operation of theirs. Cases come as lines of JSON on stdin; for each a line
goes out: its exit code (negative: the signal that ended it), stdout, stderr, and its file operations.

A case: `argv`, `cwd`; `at`: SIGKILL comes before the file operation of that number, or before the first that matches
the regular expression `match`; `signals`: these come instead, one after the other.
"""

import importlib
import json
import os
import re
import signal
import sys
from pathlib import Path

LIMIT = 120  # seconds, after which a case ends by SIGALRM: nothing here takes so long that it is not for ever
WATCHED = {
    *("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate", "shutil.rmtree"),
    "subprocess.Popen",
}
# What the commands import when they run, which takes longer than a tiny video does.
IMPORTED = (
    *(f"vldm_cli.api.{name}" for name in ("generate", "extend", "interpolate", "upscale", "variations")),
    *("vldm_cli.api.many.clips", "vldm_cli.api.sketches", "vldm_cli.stages.models", "vldm_cli.packs.refiner"),
    *(f"vldm_cli.pipelines.{name}.job" for name in ("extend", "interpolate", "upscale")),
    *("vldm_cli.pipelines.generate.run", "vldm_cli.pipelines.extend.run", "vldm_cli.pipelines.clip.run"),
    "imageio_ffmpeg",
)


def main() -> None:
    from vldm_cli.commands import app, environment

    environment.prepare()
    for name in IMPORTED:
        importlib.import_module(name)

    for line in sys.stdin:
        case = json.loads(line)
        log = Path(case["log"])
        log.mkdir()
        child = os.fork()
        if child == 0:
            _child(app, case, log)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        read = {
            name: (log / name).read_text() if (log / name).exists() else "" for name in ("out", "err", "ops")
        }
        print(json.dumps({"code": code, **read}), flush=True)


def _child(app, case: dict, log: Path) -> None:
    try:
        os.setsid()
        signal.alarm(LIMIT)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(log / name, os.O_WRONLY | os.O_CREAT), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(case["cwd"])
        sys.argv = ["vldm", *case["argv"]]
        _hook(case, os.open(log / "ops", os.O_WRONLY | os.O_CREAT))
        app.main()
    finally:
        os._exit(99)


def _hook(case: dict, ops: int) -> None:
    place, count = case["cwd"], 0

    def audit(event: str, arguments: tuple) -> None:
        nonlocal count
        if event not in WATCHED:
            return
        where = str(arguments[0])
        if event == "open" and not (
            isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        ):
            return
        if event != "subprocess.Popen" and where.startswith("/") and not where.startswith(place):
            return
        count += 1
        words = f"{event} {where}"
        os.write(ops, f"{words}\n".encode())
        if count == case.get("at") or (case.get("match") and re.search(case["match"], words)):
            case["match"] = None
            for name in case.get("signals", ["SIGKILL"]):
                os.kill(os.getpid(), getattr(signal, name))

    sys.addaudithook(audit)


if __name__ == "__main__":
    main()
