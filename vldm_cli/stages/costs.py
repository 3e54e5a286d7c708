"""What a plan costs: seconds a stage and peak memory, from a few measured constants a kind of device.

These are estimates for `--dry-run` and the doctor; beside them, a run on a CPU fetches its peak memory beforehand.
"""

NATIVE = 160 * 256  # pixels a frame at which the rates below were measured
MIB = 2**20

# The CPU's rates are measured on 2 cores with bf16 instructions, its memory on 2 older ones (in float32), which take
# three times as long. CUDA's upscaler and writing are measured on an H100 and its host: of a 640×360 clip, in tiles of
# 200×240, the upscaler takes 16.1 ms a frame in bfloat16, and ffmpeg with two threads 74 ms. Larger frames have more
# threads now (`video.write`), so what is said of them is at the most. Frames a second: one pass of the denoiser over
# one latent frame, one decoded frame, one that motion fills in, one pass of the upscaler over one low-resolution frame,
# one finished frame written (160×256; sixteen times the pixels when upscaled).
RATES = {
    "cpu": {"denoise": 60.0, "decode": 20.0, "fill": 9.0, "upscale": 8.0, "write": 600.0},
    "mps": {"denoise": 300.0, "decode": 100.0, "fill": 36.0, "upscale": 20.0, "write": 600.0},
    "cuda": {"denoise": 3000.0, "decode": 1000.0, "fill": 144.0, "upscale": 430.0, "write": 1200.0},
}
# Bytes: interpreter, libraries and loaded models; then for each frame of a window of the decoder and of the upscaler
# (activations, at 160×256 low-resolution pixels) and for each finished pixel that waits for its window. Of the
# decoder's, 36 MiB are activations (measured with each block mapped alone); the heap was seen to lose up to 40 between
# them.
BASE = {"cpu": 1000 * MIB, "mps": 1300 * MIB, "cuda": 700 * MIB}
DECODE_BYTES = 80 * MIB
UPSCALE_BYTES = 230 * MIB
# The upscaler of each space beside that: how fast it is, and how much memory a frame of its window takes.
# That of frame space is reckoned from its 500 M weights, not measured.
SPACE_COSTS = {"pixel": (1.0, 1.0), "latent": (0.65, 1.2), "frame": (0.02, 8.0)}


def estimate(
    model_frames: dict[str, int],
    size: tuple[int, int],
    upscale: bool,
    decode_window: int,
    upscale_window: int,
    device: str,
) -> tuple[dict[str, float], int]:
    """(seconds by stage, peak bytes) for a plan's `model_frames` (passes over single frames, by stage)."""
    rates = RATES[device]
    area = size[0] * size[1] / NATIVE
    seconds = {}
    for stage, frames in model_frames.items():
        kind = stage if stage in rates else "denoise"
        pixels = area * (16 if stage == "write" and upscale else 1)
        seconds[stage] = round(frames * pixels / rates[kind], 3)
    peak = max(decode_window * DECODE_BYTES, upscale_window * UPSCALE_BYTES * upscale) * area
    return seconds, int(BASE[device] + peak)
