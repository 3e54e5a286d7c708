"""Writing the parts of a pack: safetensors in 16 bits, each put in place whole, and the manifest sealed
after it."""

import json
import os
import tomllib
from pathlib import Path

from vldm_cli.packs.manifest import MANIFEST
from vldm_cli.packs.origins.written import write_manifest, write_text
from vldm_cli.packs.pack import OWN, PARTS, SOURCES, TEMPORAL_PARTS, file_sha256

# Only these belong to a pack; checkpoints or notes lying beside them are not listed in the manifest.
CONTENT = (
    "model_index.json",
    "unet",
    "vae",
    "text_encoder",
    "tokenizer",
    "scheduler",
    "temporal",
    "upscaler_pixel",
    "upscaler_latent",
    "upscaler_frame",
    "probe",
    SOURCES,
)


def save_part(pack_folder: str | Path, part: str, module, dtype=None) -> Path:
    """Put `module` into the pack as `part` and seal the manifest; returns the weights' file.

    `part` is a key of `PARTS`. Parts of temporal layers take a VideoUNet or VideoDecoder (those of `OWN` keep the
    tensors of `CLOSING` alone), `text` the CLIPTextModel, the others the diffusers model; temporal layers attached
    to a spatial model are left out of its file. `dtype` of the stored weights: float16 unless told otherwise (the
    models are small enough in value for it). A reader never sees half a file: everything is written to a temporary
    name and renamed.
    """
    import torch
    from safetensors.torch import save_file

    from vldm_cli.align.temporal import CLOSING

    dtype = dtype or torch.float16
    path = Path(pack_folder) / PARTS[part]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if part in TEMPORAL_PARTS:
        module.save_temporal(temporary, dtype, CLOSING if part in OWN.values() else ("",))
    else:
        state = module.state_dict()
        tensors = {key: _stored(value, dtype) for key, value in state.items() if ".temporal." not in key}
        save_file(tensors, temporary, metadata={"format": "pt"})
        # transformers' configurations are objects, diffusers' are dictionaries that the model writes out
        config = json.loads(module.config.to_json_string() if part == "text" else module.to_json_string())
        if part == "text":
            # stock transformers would run it in the 16 bits that it is stored in, beside a UNet in 32
            config["dtype"] = "float32"
        config.pop("_name_or_path", None)  # the folder that the module was read from: nobody else's business
        write_text(path.parent / "config.json", json.dumps(config, indent=2) + "\n")
    os.replace(temporary, path)
    seal(pack_folder)
    return path


def seal(pack_folder: str | Path) -> None:
    """Rewrite the manifest's `[files]`: the sha256 of everything that now belongs to the pack."""
    folder = Path(pack_folder)
    table = tomllib.loads((folder / MANIFEST).read_text())
    paths = []
    for name in CONTENT:
        item = folder / name
        paths += [item] if item.is_file() else [p for p in item.rglob("*") if p.is_file()]
    visible = sorted(p for p in paths if not p.name.startswith("."))
    table["files"] = {p.relative_to(folder).as_posix(): file_sha256(p) for p in visible}
    write_manifest(folder, table)


def _stored(tensor, dtype):
    tensor = tensor.detach().cpu()
    return (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous()
