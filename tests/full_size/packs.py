"""A shipped manifest's pack at full size with random weights, to measure what it costs: no public weight is needed.

python -m tests.full_size.packs sd15-animatediff FOLDER [PART LEFT OUT …]
vldm generate "a dog" --pack FOLDER --frames 64 …
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

import torch
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from safetensors.torch import save_file

from tests.packs.named.test_full_size import shapes
from tests.packs.origins.test_shipped import kind_of
from vldm_cli.packs.origins.shipped import shipped
from vldm_cli.packs.origins.written import as_table, write_manifest


def drawn(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Weights in float16 that keep what goes through them in bounds: norms and biases as they begin, positions as every
    such file has them."""
    if name.endswith("pos_embed.pe"):
        return SinusoidalPositionalEmbedding(shape[2], shape[1]).pe.half()
    if len(shape) < 2:
        return torch.full(shape, float(name.endswith("weight")), dtype=torch.float16)
    device = generator.device
    values = torch.randn(shape, generator=generator, device=device) * (0.5 / prod(shape[1:]) ** 0.5)
    return values.half().cpu()


def write(name: str, folder: Path, without: Sequence[str] = ()) -> None:
    """The pack in `folder`, without its LoRAs and these parts: "upscaler", which is a pack of its own, "decoder", …"""
    folder.mkdir(parents=True)
    generator = torch.Generator("cuda" if torch.cuda.is_available() else "cpu").manual_seed(0)
    manifest = shipped()[name]
    parts = {}
    for part, one in manifest.elsewhere.parts.items():
        if part in without:
            continue
        if one.file and part not in ("tokenizer", "upscaler_frame_tokenizer"):
            file = f"{part}.safetensors"
            wanted = shapes(*kind_of(part, one))
            save_file({key: drawn(key, shape, generator) for key, shape in wanted.items()}, folder / file)
            one = replace(one, hub=None, revision=None, path=".", file=file)
        elif one.file:
            one = replace(one, hub=None, revision=None, file="", config=one.config)
        parts[part] = one
    every = replace(manifest.elsewhere, parts=parts, loras=())
    write_manifest(folder, as_table(replace(manifest, elsewhere=every)))


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
