"""How long `vldm generate` takes and how much memory it needs: as a person types it, or with models loaded."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from vldm_cli.errors import RunError
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate.request import GenerateRequest


def measure_command(request: GenerateRequest, pack: Pack, device: str, dtype: str) -> dict:
    """`vldm generate` in a process of its own: everything counts, from its start to its end.

    Raises RunError when it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "vldm_cli", "generate", request.prompt, "-o", f"{folder}/speed.mp4"]
        command += [] if request.frames is None else ["--frames", str(request.frames)]
        command += [] if request.interpolation is None else ["--interpolation", str(request.interpolation)]
        command += [] if request.upscale is None else ["--upscale" if request.upscale else "--no-upscale"]
        command += ["--seed", str(request.seed)]
        command += ["--pack", str(pack.folder), "--device", device, "--dtype", dtype, "--json", "-q"]
        began = time.perf_counter()
        with tempfile.TemporaryFile() as words:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=words)
            with PeakMemory(process.pid) as peak:
                output = process.communicate()[0]
            wall = time.perf_counter() - began
            words.seek(0)
            if process.returncode:
                said = words.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
                raise RunError(f"the measured command failed: {said[-1]}")
        return _table(json.loads(output), wall, dtype, peak.bytes, began_late=True)


def measure_loaded(request: GenerateRequest, pack: Pack, device: str, dtype: str) -> dict:
    """The second of two videos in this process, with the models loaded and everything warm."""
    from vldm_cli.pipelines.generate.run import generate
    from vldm_cli.stages.models import Models

    models = Models(pack, device, dtype)
    with tempfile.TemporaryDirectory() as folder:
        one = replace(request, device=device, dtype=dtype, out=Path(folder) / "first.mp4")
        generate(one, pack, models=models)
        with PeakMemory(os.getpid()) as peak:
            result = generate(replace(one, out=Path(folder) / "second.mp4"), pack, models=models)
    return _table(result.as_table(), result.total_seconds, dtype, peak.bytes, began_late=False)


def _table(made: dict, wall: float, dtype: str, peak: int | None, began_late: bool) -> dict:
    # What a process does before its own clock starts (importing torch) delays its first frames as well.
    before = wall - made["seconds"]["wall"] if began_late else 0.0
    host = made["device"] == "cpu"
    return {
        "frames": made["frames"],
        "width": made["width"],
        "height": made["height"],
        "device": made["device"],
        "dtype": dtype,
        "wall_seconds": round(wall, 3),
        "frames_per_second": round(made["frames"] / wall, 3),
        "first_segment_seconds": round(before + made["seconds"]["first_segment"], 3),
        "stages": {"start": round(before, 3), **made["seconds"]["stages"]},
        "peak_memory_bytes": peak if host and peak else made["peak_memory_bytes"],
    }


class PeakMemory:
    """The most memory that a process and its children (ffmpeg) were seen to hold together; `bytes` is None where the
    system has no /proc. A context manager that looks ten times a second."""

    def __init__(self, pid: int) -> None:
        self._pid, self._done = pid, threading.Event()
        self.bytes: int | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        if Path("/proc/self/statm").exists():
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while not self._done.wait(0.1):
            pages = sum(_resident_pages(pid) for pid in _family(self._pid))
            self.bytes = max(self.bytes or 0, pages * page)


def _family(pid: int) -> list[int]:
    """A process and all that it has started and that still run."""
    found = [pid]
    for one in found:
        for tasks in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in _text(tasks).split()]
    return found


def _resident_pages(pid: int) -> int:
    fields = _text(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) if fields else 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has ended meanwhile
        return ""
