"""What a plan costs: seconds a stage and peak memory, from a few measured constants a kind of device.

These are estimates for `--dry-run` and the doctor; beside them, a run on a CPU fetches its peak memory beforehand.
"""

NATIVE = 160 * 256  # pixels a frame at which the rates below were measured
MIB = 2**20

# The CPU's rates are measured on 2 cores with bf16 instructions (decoding before its end was in float32, 20 frames a
# second, less what that takes), its memory on 2 older ones (in float32), which take three times as long. CUDA's
# upscaler and writing are measured on an H100 and its host: of a 640×360 clip, in tiles of 200×240, the upscaler takes
# 16.1 ms a frame in bfloat16, and ffmpeg with two threads 74 ms. Larger frames have more threads now (`video.write`),
# so what is said of them is at the most. Frames a second: one pass of the denoiser over one latent frame, one decoded
# frame, one that motion fills in, one pass of the upscaler over one low-resolution frame, one finished frame written
# (160×256; sixteen times the pixels when upscaled).
RATES = {
    "cpu": {"denoise": 60.0, "decode": 13.0, "fill": 9.0, "upscale": 8.0, "write": 600.0},
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
# Of public checkpoints, reckoned from their shapes and not measured: floating point operations a second that large
# models reach in 16 bits; operations for a latent cell and weight (Stable Diffusion's UNet takes .8 T for 64×64 cells)
# and for a decoded pixel; bytes of activations for a latent cell of a window under guidance, and for a decoded pixel of
# one.
SPEED = {"cpu": 1e11, "mps": 3e12, "cuda": 1.5e14}
CELL, CELL_FLOPS, PIXEL_FLOPS = 64, 0.15, 9.5e6
CELL_BYTES, PIXEL_BYTES = 120_000, 3_000
# Of a GPU, where weights come block by block and blocks decode a few frames at a time (`align.small`): what stays of
# the weights and of the activations; and of the weights where denoisers' are in 8 bits, reckoned.
LOW_WEIGHTS, LOW_CELLS, LOW_PIXELS = 0.4, 0.6, 0.45
LOWEST_WEIGHTS = 0.27


def estimate(
    model_frames: dict[str, int],
    size: tuple[int, int],
    upscale: bool,
    decode_window: int,
    upscale_window: int,
    device: str,
    weights: int = 0,
) -> tuple[dict[str, float], int, int, int]:
    """(seconds by stage, peak bytes, those with `--memory low` and with `--memory lowest`) for a plan's `model_frames`
    (passes over single frames, by stage)."""
    rates = RATES[device]
    if weights:
        return _of_others(model_frames, size, upscale, decode_window, upscale_window, device, weights)
    area = size[0] * size[1] / NATIVE
    seconds = {}
    for stage, frames in model_frames.items():
        kind = stage if stage in rates else "denoise"
        pixels = area * (16 if stage == "write" and upscale else 1)
        seconds[stage] = round(frames * pixels / rates[kind], 3)
    peak = max(decode_window * DECODE_BYTES, upscale_window * UPSCALE_BYTES * upscale) * area
    whole = int(BASE[device] + peak)
    low = int(BASE[device] + LOW_PIXELS * peak) if device == "cuda" else whole
    return seconds, whole, low, low


def _of_others(
    model_frames: dict[str, int],
    size: tuple[int, int],
    upscale: bool,
    decode_window: int,
    upscale_window: int,
    device: str,
    weights: int,
) -> tuple[dict[str, float], int, int, int]:
    """The same for models whose files have so many bytes, two a weight."""
    pixels, speed = size[0] * size[1], SPEED[device]
    work = {
        "decode": pixels * PIXEL_FLOPS,
        "upscale": pixels / NATIVE * speed / RATES[device]["upscale"],
        "fill": pixels / NATIVE * speed / RATES[device]["fill"],
        "write": pixels * (16 if upscale else 1) / NATIVE * speed / RATES[device]["write"],
    }
    denoised = pixels / CELL * weights / 2 * CELL_FLOPS
    seconds = {
        stage: round(frames * work.get(stage, denoised) / speed, 3) for stage, frames in model_frames.items()
    }
    decoded = decode_window * pixels * PIXEL_BYTES
    cells = max(decode_window, upscale_window) * pixels // CELL * CELL_BYTES
    larger = upscale_window * UPSCALE_BYTES * upscale * pixels // NATIVE
    whole = BASE[device] + weights + max(decoded, cells, larger)
    if device != "cuda":
        return seconds, whole, whole, whole
    rest = BASE[device] + max(LOW_PIXELS * decoded, LOW_CELLS * cells, larger)
    return seconds, whole, int(rest + LOW_WEIGHTS * weights), int(rest + LOWEST_WEIGHTS * weights)
