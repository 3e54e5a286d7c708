"""What `import vldm_cli` can do: a video made, watched as it is made, gone on with, slowed down and enlarged.

python examples/api.py [--out FOLDER] [--pack PACK] [--frames N] [--device DEVICE]

Each step is what the command of the same name does.
"""

import argparse
from pathlib import Path

import numpy as np

import vldm_cli as vldm

PROMPT = "a red ball bounces on green grass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("api"), help="a new or empty folder")
    parser.add_argument("--pack", default="toyland")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    # Models are loaded when they are first needed, and kept for all that follows.
    pack = vldm.load_pack(args.pack, device=args.device)

    def show(event: vldm.ProgressEvent) -> None:
        if event.done == event.total:
            print(f"  {event.stage}: all {event.total} done, {event.frames} frames so far")

    video = vldm.generate(
        PROMPT, args.out / "ball.mp4", pack=pack, frames=args.frames, seed=7, upscale=False, on_progress=show
    )
    print(f"{video.out}: {video.frames} frames of {video.width}x{video.height} in {video.total_seconds} s")

    # The same frames without a file, a few at a time, in memory that does not grow with the length.
    with vldm.stream(PROMPT, pack=pack, frames=args.frames, seed=7, upscale=False) as stream:
        for frames in stream:  # uint8 (N, H, W, 3)
            print(f"  {len(frames)} more frames, of mean colour {np.round(frames.mean((0, 1, 2)))}")

    longer = vldm.extend(video.out, args.out / "longer.mp4", pack=pack, frames=6)
    slow = vldm.interpolate(longer.out, args.out / "slow.mp4", slow=True, engine="motion", device=args.device)
    large = vldm.upscale(video.out, args.out / "large.mp4", pack=pack, scale=2)
    for made in (longer, slow, large):
        print(f"{made.out}: {made.frames} frames of {made.width}x{made.height} at {float(made.fps):g} fps")
    print("made again by:", vldm.info(video.out).command)

    try:
        vldm.generate("a red ball", args.out / "ball.mp4", pack=pack)
    except vldm.RequestError as error:  # nothing is written over
        print("refused:", error)


if __name__ == "__main__":
    main()
