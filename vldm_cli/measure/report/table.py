"""What came out of a run, as `--json` prints it."""

from vldm_cli.pipelines.generate.request import GenerateResult


def as_table(result: GenerateResult) -> dict:
    """The JSON object of CLI.md for one finished video."""
    first = result.first_segment_seconds
    return {
        "out": str(result.out),
        "frames": result.frames,
        "fps": str(result.fps),
        "width": result.width,
        "height": result.height,
        "seconds": {
            "wall": result.total_seconds,
            "first_segment": None if first is None else round(first, 3),
            "stages": result.seconds,
        },
        "seed": result.seed,
        "prompt": result.prompt,
        "pack": result.pack,
        "settings": result.settings,
        "device": result.device,
        "peak_memory_bytes": result.peak_memory_bytes,
        "warnings": result.warnings,
    }
