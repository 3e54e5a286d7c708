"""How fast `vldm upscale` is on a clip of some size, with the models loaded: reading and writing included."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from vldm_cli.measure.speed import PeakMemory
from vldm_cli.pipelines.clip.job import Job
from vldm_cli.pipelines.clip.run import run
from vldm_cli.runs.result import Video
from vldm_cli.stages.plan import SEGMENT
from vldm_cli.video import ffmpeg
from vldm_cli.video.clip import open_clip
from vldm_cli.video.kinds import open_container
from vldm_cli.video.segments import encode_frames
from vldm_cli.video.write import encode_segment

CRF = 16  # of the made clip
RATE = Fraction(24)


Jobs = Callable[[Path, Path], Job]
"""jobs(clip, out): what upscales the clip into the file, models as they were the time before."""


def measure_upscale(size: tuple[int, int], frames: int, jobs: Jobs) -> dict:
    """The second of two runs on a made clip of that (height, width), from opening the clip to the whole file. RunError
    when ffmpeg fails.

    Stages work side by side on a GPU: "upscale" is how long the writing waited for frames, "write" all else of it.
    "encoder_seconds" is what ffmpeg takes for these frames when they are there already: nothing can be faster.
    """
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        encode_segment(clip, moving(frames, *size), RATE, "mp4", CRF)
        one = jobs(clip, Path(folder) / "first.mp4")
        run(one, one.clip.fingerprint())
        began = time.perf_counter()
        with PeakMemory(os.getpid()) as peak:
            job = jobs(clip, Path(folder) / "second.mp4")
            opened = time.perf_counter() - began
            result = run(job, job.clip.fingerprint())
        wall = time.perf_counter() - began
        return _table(result, wall, opened, job.settings["dtype"], peak.bytes, encoder_seconds(job))


def moving(frames: int, height: int, width: int) -> Iterator[np.ndarray]:
    """uint8 (H, W, 3) frames of a picture that moves: random, with as much detail at each size as photographs have
    (amplitudes fall as 1/f; Field 1987), the same ones each time."""
    random = np.random.default_rng(0)
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    f[0, 0] = np.inf  # no mean but the one below
    waves = np.fft.rfft2(random.standard_normal((3, height, width))) / f
    picture = np.fft.irfft2(waves, (height, width))
    picture = picture / picture.std() * 50 + 128
    image = np.ascontiguousarray(picture.round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
    for frame in range(frames):
        yield np.roll(
            image, (frame, 3 * frame), (0, 1)
        )  # what leaves on one side returns on the other, seamlessly


def encoder_seconds(job: Job) -> float:
    """What ffmpeg takes to code the finished file's frames once more; measured on its first segment."""
    made = open_clip(job.out)
    seen = min(SEGMENT, made.frames)
    frames = list(islice(made.read(0, job.raw), seen))
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        kind = open_container(job.out)
        encode_frames(Path(folder) / "a.mp4", frames, job.raw, job.look, job.times, 0, kind, job.crf)
        return (time.perf_counter() - began) / seen * made.frames


def _table(result: Video, wall: float, opened: float, dtype: str, host: int | None, encoder: float) -> dict:
    made = result.as_table()
    return {
        **{name: made[name] for name in ("frames", "width", "height", "settings", "device")},
        "dtype": dtype,
        "wall_seconds": round(wall, 3),
        "frames_per_second": round(result.frames / wall, 3),
        "first_segment_seconds": round(opened + made["seconds"]["first_segment"], 3),
        "stages": {"open": round(opened, 3), **made["seconds"]["stages"]},
        "encoder_seconds": round(encoder, 3),
        "encoder": ffmpeg.probe(["-version"])[0].decode().split(" Copyright")[0],
        "peak_memory_bytes": host if made["device"] == "cpu" and host else made["peak_memory_bytes"],
        "peak_host_bytes": host,
    }
