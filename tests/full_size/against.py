"""`vldm generate` and diffusers' AnimateDiffPipeline with the same random weights at full size, the same noise, one
GPU: seconds from the call to the MP4, and how far apart the frames are, also from those made in float32.

python -m tests.full_size.against FOLDER [--size 512] [--frames 16] [--steps 25] [--reference] [--plain]
"""

import argparse
import json
import time
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import torch
from diffusers import AnimateDiffPipeline, AutoencoderKL, DDIMScheduler, MotionAdapter, UNet2DConditionModel
from diffusers.utils import export_to_video
from safetensors.torch import load_file

import vldm_cli as vldm
from tests.align.families.common import LINEAR
from tests.full_size.packs import write
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.packs import configs
from vldm_cli.stages.running import Running

PROMPT = "a corgi surfs at sunset"


def pack(folder: Path) -> Path:
    """The pack, written once; its group norms over whole windows, and a decoder of single frames, as diffusers has
    them."""
    if not (folder / "pack.toml").exists():
        write("sd15-animatediff", folder, without=("upscaler", "decoder"))
        manifest = folder / "pack.toml"
        text = manifest.read_text()
        assert 'family = "animatediff"' in text
        manifest.write_text(text.replace('family = "animatediff"', 'family = "animatediff-window"'))
    return folder


def peer(folder: Path, device: str, dtype: torch.dtype) -> AnimateDiffPipeline:
    """diffusers' pipeline with the pack's weights. It is given texts that the pack's encoder has read."""

    def filled(kind, config: str, role: str, file: str):
        model = kind(**configs.read(config, role))
        model.load_state_dict(load_file(folder / file))
        return model.to(device, dtype).eval()

    pipe = AnimateDiffPipeline(
        vae=filled(AutoencoderKL, "sd15", "vae", "vae.safetensors"),
        text_encoder=None,
        tokenizer=None,
        unet=filled(UNet2DConditionModel, "sd15", "unet", "unet.safetensors"),
        motion_adapter=filled(MotionAdapter, "animatediff-v3", "keyframes", "keyframes.safetensors"),
        scheduler=DDIMScheduler(**LINEAR),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Decibels between frames uint8 (T, H, W, 3)."""
    return float(10 * np.log10(255**2 / max(((a.astype(float) - b) ** 2).mean(), 1e-9)))


class Race:
    def __init__(self, folder: Path, out: Path, asked: argparse.Namespace) -> None:
        self.folder, self.out, self.asked = folder, out, asked
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.noise = frame_noise(3, "keyframes", range(asked.frames), (4, asked.size // 8, asked.size // 8))
        out.mkdir(parents=True, exist_ok=True)

    def ours(self, dtype: str, file: str, loaded: vldm.LoadedPack) -> float:
        """Seconds of one video to `file`: an MP4, or a folder of pictures, which lose nothing."""
        began = time.perf_counter()
        vldm.generate(
            PROMPT,
            self.out / file,
            pack=loaded,
            frames=self.asked.frames,
            size=(self.asked.size, self.asked.size),
            fps=8,
            interpolation=1,
            steps=self.asked.steps,
            guidance=7.5,
            seed=3,
            upscale=False,
            force=True,
        )
        return time.perf_counter() - began

    def theirs(self, pipe: AnimateDiffPipeline, said: torch.Tensor, file: str) -> tuple[float, np.ndarray]:
        """Seconds of one MP4, and the frames before it was encoded."""
        began = time.perf_counter()
        dtype = pipe.unet.dtype
        frames = pipe(
            prompt_embeds=said[:1],
            negative_prompt_embeds=said[1:],
            num_frames=self.asked.frames,
            height=self.asked.size,
            width=self.asked.size,
            num_inference_steps=self.asked.steps,
            guidance_scale=7.5,
            latents=self.noise.transpose(0, 1)[None].to(self.device, dtype),
            output_type="np",
        ).frames[0]
        export_to_video(list(frames), str(self.out / file), fps=8)
        return time.perf_counter() - began, (frames * 255).round().astype(np.uint8)

    def load(self, dtype: str) -> vldm.LoadedPack:
        return vldm.load_pack(
            self.folder, device=self.device, dtype=dtype, running=Running(plain=self.asked.plain)
        )

    def both(self, dtype: str, times: int) -> dict:
        """Both with these numbers: seconds of each time, and frames."""
        loaded = self.load(dtype)
        number = getattr(torch, dtype)
        with torch.inference_mode():
            said = loaded.models.text.called([PROMPT, ""]).last_hidden_state.to(number)
        pipe = peer(self.folder, self.device, number)
        found: dict = {"ours": [], "theirs": []}
        for _ in range(times):
            found["ours"].append(self.ours(dtype, f"ours-{dtype}.mp4", loaded))
            seconds, frames = self.theirs(pipe, said, f"theirs-{dtype}.mp4")
            found["theirs"].append(seconds)
        self.ours(dtype, f"ours-{dtype}", loaded)
        found["frames"] = (
            np.stack([iio.imread(p) for p in sorted((self.out / f"ours-{dtype}").glob("*.png"))]),
            frames,
        )
        return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("against"))
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--dtype", default="float16")
    parser.add_argument("--reference", action="store_true", help="both in float32 too")
    parser.add_argument("--plain", action=argparse.BooleanOptionalAction, default=None)
    asked = parser.parse_args()
    race = Race(pack(asked.folder), asked.out, asked)
    found = race.both(asked.dtype, asked.times)
    ours, theirs = found.pop("frames")
    found["psnr"] = psnr(ours, theirs)
    print(json.dumps(found), flush=True)
    if asked.reference:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        exact = race.both("float32", 1)
        one, other = exact.pop("frames")
        found["float32"] = {
            **exact,
            "psnr": psnr(one, other),
            "ours from it": psnr(ours, one),
            "theirs from it": psnr(theirs, other),
        }
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
