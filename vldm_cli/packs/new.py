"""Whole packs with random weights: where training starts, and what tests run on."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import diffusers
import torch
from diffusers import DDIMScheduler

from vldm_cli.align import align
from vldm_cli.errors import RequestError
from vldm_cli.packs.image_models import SCHEDULE, new_text, new_unet, new_vae
from vldm_cli.packs.manifest import MANIFEST
from vldm_cli.packs.origins.written import write_manifest
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.save import save_part, seal
from vldm_cli.packs.sizes import TINY, Sizes
from vldm_cli.packs.upscalers import add_upscaler, randomise_zeros


def new_pack(
    folder: str | Path,
    sizes: Sizes = TINY,
    words: Iterable[str] | None = None,
    name: str | None = None,
    zero_init: bool = True,
    seed: int = 0,
) -> Pack:
    """A complete pack with random weights in `folder`, and opened. The same seed gives the same weights.

    `words` the text encoder shall know: Toyland's vocabulary by default. With `zero_init=False` the last
    layers of the temporal branches and of the upscalers are random too, so that what they do can be seen (trained
    ones start as the identity, and as a bicubic filter). Raises RequestError when the folder already holds a pack.
    """
    folder = Path(folder)
    if (folder / MANIFEST).exists():
        raise RequestError(f"{folder} already holds a pack; name another folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise RequestError(f"{folder} holds other things already; name a new folder, or an empty one")
    if words is None:
        from vldm_cli.toyland.captions import vocabulary

        words = vocabulary()
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder, _manifest(sizes, name or folder.name))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer, text = new_text(sizes, words)
        tokenizer.save_pretrained(folder / "tokenizer")
        save_part(folder, "text", text)
        save_part(folder, "vae", new_vae(sizes))
        save_part(folder, "unet", new_unet(sizes))
        for part, model, own in (
            (
                "keyframes",
                new_unet(sizes),
                {
                    "embed_dim": sizes.temporal_embed,
                    "reach": "space-time",
                    "text_dim": 2 * sizes.text_width,
                    "reader_dim": sizes.reader_width,
                    "waves": sizes.temporal_waves,
                },
            ),
            ("interpolation", new_unet(sizes), {"embed_dim": sizes.temporal_embed}),
            ("decoder", new_vae(sizes), {}),
        ):
            video = align(model, **own)
            if not zero_init:
                randomise_zeros(video.temporal_parameters())
            save_part(folder, part, video)
    DDIMScheduler(**SCHEDULE).save_pretrained(folder / "scheduler")
    for space in sizes.upscalers:
        add_upscaler(folder, space, sizes, zero_init, seed)
    (folder / "model_index.json").write_text(json.dumps(_model_index(), indent=2) + "\n")
    seal(folder)
    return Pack.open(os.path.abspath(folder))


def _manifest(sizes: Sizes, name: str) -> dict:
    return {
        "name": name,
        "version": 1,
        "licence": "Apache-2.0",
        "description": f"{name}: a Video LDM for {sizes.width}×{sizes.height} video",
        "video": {
            "width": sizes.width,
            "height": sizes.height,
            "fps": "24",
            "keyframe_step": 16,
            "window": sizes.window,
            "context": 2,
            "latent_factor": sizes.latent_factor,
            "size_multiple": sizes.size_multiple,
        },
        "defaults": sizes.defaults,
        "files": {},
    }


def _model_index() -> dict:
    """What stock diffusers needs to open the image part as a Stable Diffusion pipeline."""
    return {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
