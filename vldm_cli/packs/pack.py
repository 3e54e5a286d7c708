"""A pack: one folder that holds a whole Video LDM, with a manifest that names and checks every file of it.

The image part is in diffusers' own layout (it opens in `StableDiffusionPipeline.from_pretrained`); beside it
lie the temporal layers, one safetensors file a part, and the upscalers. `pack.toml` carries name, licence,
the numbers that the chain needs and the sha256 of every file. Nothing here imports torch, so the commands
can check a request before anything heavy is loaded.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.manifest import MANIFEST, Manifest, read_manifest

# Which pictures and clips of others a pack was trained on, with their licences; no such file: none.
SOURCES = "SOURCES.csv"

# Where each part of a pack lies.
PARTS = {
    "unet": "unet/diffusion_pytorch_model.safetensors",
    "vae": "vae/diffusion_pytorch_model.safetensors",
    "text": "text_encoder/model.safetensors",
    "keyframes": "temporal/keyframes.safetensors",
    "interpolation": "temporal/interpolation.safetensors",
    "decoder": "temporal/decoder.safetensors",
    "upscaler_pixel": "upscaler_pixel/unet/diffusion_pytorch_model.safetensors",
    "upscaler_pixel_temporal": "upscaler_pixel/temporal.safetensors",
    "upscaler_pixel_own": "upscaler_pixel/own.safetensors",  # for frames that the pack makes itself
    "upscaler_latent_vae": "upscaler_latent/vae/diffusion_pytorch_model.safetensors",
    "upscaler_latent": "upscaler_latent/unet/diffusion_pytorch_model.safetensors",
    "upscaler_latent_temporal": "upscaler_latent/temporal.safetensors",
    "probe": "probe/diffusion_pytorch_model.safetensors",  # no model of videos: what measures them
}

# The parts that are temporal layers alone; the others are whole image models.
TEMPORAL_PARTS = (
    "keyframes",
    "interpolation",
    "decoder",
    "upscaler_pixel_temporal",
    "upscaler_pixel_own",
    "upscaler_latent_temporal",
)
# Of these, second sets of some of a part's layers, which a pack may have: its own frames are of one world, clips of
# people's own of many, and what makes the former steady makes the latter soft.
OWN = {"upscaler_pixel_temporal": "upscaler_pixel_own"}

# What an upscaler of each space (`manifest.SPACES`) is made of, and what `vldm train` calls that, in its order.
UPSCALERS = {
    "pixel": {"upscaler_pixel": "upscaler-image", "upscaler_pixel_temporal": "upscaler"},
    "latent": {
        "upscaler_latent_vae": "upscaler-latent-autoencoder",
        "upscaler_latent": "upscaler-latent-image",
        "upscaler_latent_temporal": "upscaler-latent",
    },
}


@dataclass(frozen=True)
class Pack:
    """An opened pack. Make one with `Pack.open`."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, name_or_folder: str | Path = "toyland", check: bool = True) -> "Pack":
        """The pack of that name (embedded ones) or in that folder, with every file checked unless told
        otherwise.

        Raises RequestError when there is none, or when a file of it is missing, truncated or not the listed
        one.
        """
        folder = _find(name_or_folder)
        pack = cls(folder, read_manifest(folder))
        if check:
            for problem in pack.problems():
                raise RequestError(problem)
        return pack

    @property
    def name(self) -> str:
        return self.manifest.name

    def path(self, *parts: str) -> Path:
        """A path inside the pack's folder."""
        return self.folder.joinpath(*parts)

    def has(self, part: str) -> bool:
        """Whether the pack holds that part (a key of PARTS)."""
        return self.path(PARTS[part]).is_file()

    @property
    def upscalers(self) -> tuple[str, ...]:
        """The spaces (keys of UPSCALERS) that the pack holds a whole upscaler for."""
        return tuple(space for space, parts in UPSCALERS.items() if all(map(self.has, parts)))

    @property
    def upscales(self) -> bool:
        """Whether the upscaler that the pack chooses is there."""
        return self.manifest.defaults.upscale_space in self.upscalers

    def problems(self) -> list[str]:
        """One sentence for each listed file that is missing, truncated or changed; empty when all is well."""
        remedy = f"check the pack with `vldm packs check {self.folder}` and install it again"
        if self.folder in embedded().values():
            remedy = f"check the pack with `vldm packs check {self.name}` and install vldm again"
        found = []
        for relative, sha256 in self.manifest.files.items():
            path = self.folder / relative
            if not path.is_file():
                found.append(f"pack {self.name}: {relative} is missing; {remedy}")
            elif _truncated(path):
                found.append(f"pack {self.name}: {relative} is truncated; {remedy}")
            elif file_sha256(path) != sha256:
                found.append(f"pack {self.name}: {relative} is damaged (wrong checksum); {remedy}")
        return found


def embedded() -> dict[str, Path]:
    """Name → folder of the packs that come with vldm: inside the installed package, or beside it in a
    checkout."""
    package = Path(__file__).resolve().parent.parent
    found = {}
    for weights in (package.parent / "weights", package / "weights"):
        for manifest in sorted(weights.glob(f"*/{MANIFEST}")):
            found[manifest.parent.name] = manifest.parent
    return found


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _find(name_or_folder: str | Path) -> Path:
    known = embedded()
    if str(name_or_folder) in known:
        return known[str(name_or_folder)]
    folder = Path(name_or_folder).expanduser()
    if (folder / MANIFEST).is_file():
        return folder.resolve()
    if folder.is_dir():
        raise RequestError(
            f"{name_or_folder} is no pack: there is no {MANIFEST} in it; name a pack or its folder"
        )
    names = ", ".join(known) or "none is installed"
    raise RequestError(
        f"there is no pack {name_or_folder!s:.80}; known packs: {names} (or name a pack's folder)"
    )


def _truncated(path: Path) -> bool:
    """Whether a file is empty or, for safetensors, shorter than its own header says it is."""
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        return size == 0
    if size < 8:
        return True
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
        if header > size - 8:
            return True
        try:
            tensors = json.loads(file.read(header))
        except ValueError:
            return False  # not truncated but damaged: the checksum says so
    ends = [entry["data_offsets"][1] for key, entry in tensors.items() if key != "__metadata__"]
    return 8 + header + max(ends, default=0) > size
