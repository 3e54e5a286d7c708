"""Make examples/videos: twelve short videos and a long one, by the shipped weights.

python examples/videos.py [--out FOLDER] [--pack PACK] [--seed N] [--force]

Each is `vldm generate PROMPT --no-upscale --crf 20 --frames 96 --seed N` (the long one: `--frames 960`), for the one
seed N, none picked. Beside them comes a README.md with their prompts. Without --force, those that are there stay.
"""

import argparse
from pathlib import Path

from vldm_cli.api.device import choose_device, choose_dtype
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.run import generate
from vldm_cli.stages.models import Models

PROMPTS = {
    "ball": "a red ball bounces on green grass by day",
    "cube": "a blue cube slides right on sand by day",
    "cone": "a yellow cone grows on snow at sunset",
    "ring": "an orange ring falls from the sky on a wooden floor by day",
    "pan": "a striped red cylinder stands on grass by day, the camera pans right",
    "pyramid": "a green pyramid jumps on a checkered floor by day",
    "zoom": "a large purple ball stands on water at sunset, the camera zooms in",
    "orbit": "a shiny red cube stands on stone by day, the camera orbits",
    "two": "a yellow ball bounces to the left of a blue cube on snow by day",
    "around": "a small green ball orbits a large purple cone on sand by day",
    "forest": "driving on a road through the forest by day with traffic",
    "night": "driving on an empty road past houses at night, the road bends left",
}
LONG = {"long": "driving on a road with light traffic past houses at sunset"}
FRAMES, LONG_FRAMES, CRF = 96, 960, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "videos")
    parser.add_argument("--pack", default="toyland")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--force", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pack, device = Pack.open(args.pack), choose_device("auto")
    dtype = choose_dtype("auto", device)
    models = Models(pack, device, dtype)
    lines = [
        "# Videos that the shipped weights made",
        "",
        f"`python examples/videos.py`: seed {args.seed} for all, none picked; 256×160, 24 frames a second.",
        "",
        "| video | prompt | frames |",
        "| --- | --- | ---: |",
    ]
    for name, prompt in {**PROMPTS, **LONG}.items():
        path, frames = args.out / f"{name}.mp4", LONG_FRAMES if name in LONG else FRAMES
        request = GenerateRequest(
            prompt,
            path,
            frames=frames,
            seed=args.seed,
            upscale=False,
            crf=CRF,
            device=device,
            dtype=dtype,
            force=True,
        )
        if args.force or not path.exists():
            generate(request, pack, models=models)
        lines.append(f"| [{name}]({path.name}) | {prompt} | {frames} |")
        print(path, flush=True)
    (args.out / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
