"""A video by a pack of `packs` on a GPU of which no more than so much may be taken, as if it were a small one: seconds
of each stage, the memory at the most, and what models hold of it.

python -m tests.full_size.small FOLDER [--gib 6] [--memory low] [--frames 16] [--size 512x512] [--image FILE]
"""

import argparse
import gc
import json
from pathlib import Path

import torch

import vldm_cli as vldm
from vldm_cli.stages.running import MEMORY, Running


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gib", type=float, help="of the GPU's memory; all of it by default")
    parser.add_argument("--memory", default="high", choices=MEMORY)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--image", type=Path)
    parser.add_argument("--fps", default="8")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--plain", action=argparse.BooleanOptionalAction, default=None)
    asked = parser.parse_args()
    if asked.gib:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(asked.gib * 2**30 / total)
    running = Running(plain=asked.plain, memory=asked.memory)
    pack = vldm.load_pack(asked.folder, device="cuda", dtype="float16", running=running)
    width, height = (int(side) for side in asked.size.split("x"))
    for _ in range(2):  # the second one has everything loaded
        try:
            made = vldm.generate(
                "a corgi surfs at sunset",
                "small.mp4",
                pack=pack,
                frames=asked.frames,
                size=(width, height),
                fps=asked.fps,
                interpolation=1,
                steps=asked.steps,
                image=asked.image,
                seed=1,
                upscale=False,
                resume=False,  # a run before, of other settings, may have been stopped for want of memory
                force=True,
            )
        finally:
            gc.collect()
            held = torch.cuda.memory_allocated()  # by models, between two videos
            print(json.dumps({"held": held, "reserved": torch.cuda.max_memory_reserved()}), flush=True)
        told = {"wall": made.total_seconds, "stages": made.seconds, "peak": made.peak_memory_bytes}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
