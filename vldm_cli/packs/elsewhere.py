"""Parts of a pack that lie elsewhere: which file of which repository or folder, what it is, its licence. No torch.

A pack's own files are listed in `[files]` and lie where `parts` says. A part may be named instead, by a section of its
own: `[parts.unet]` with `hub`, `revision` and `file`, or with `path` and `file`; so a manifest alone makes one pack of
several public checkpoints, and holds none of their weights.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

# What may lie elsewhere. `tokenizer` and `schedule` are configurations alone; `text_2` and its tokenizer are Stable
# Diffusion XL's second ones; `context` is how known frames reach the keyframes' model, `sketch` what reads sketches for
# it and `eyes` what sees a picture; `image_schedule` that of an image model whose pictures another one makes move;
# `upscaler` is a whole upscaler of another pack (`pack`).
NAMES = (
    "unet",
    "vae",
    "text",
    "tokenizer",
    "text_2",
    "tokenizer_2",
    "schedule",
    "image_schedule",
    "keyframes",
    "context",
    "sketch",
    "eyes",
    "decoder",
    "upscaler",
    "upscaler_frame",
    "upscaler_frame_vae",
    "upscaler_frame_text",
    "upscaler_frame_tokenizer",
    "upscaler_frame_schedule",
    "upscaler_frame_low_schedule",
)
# How a file's keys are spelt: as diffusers (and transformers) do, or as the original code, in one file with all parts.
LAYOUTS = ("diffusers", "original")
# What a LoRA may be added to: the image model with its text encoder, or the temporal layers.
TARGETS = ("image", "motion")
# What other programs call the vectors of every textual inversion, so that no word is named by it.
NAMELESS = ("emb_params", "string_to_param.*")


@dataclass(frozen=True)
class Origin:
    """Where one file comes from. file: its name in the repository or below `path`, with folders. hub: owner/name, at
    `revision` (a commit; None: the newest). path: a folder, absolute or from the pack's. size in bytes."""

    file: str = ""
    hub: str | None = None
    revision: str | None = None
    path: str | None = None
    sha256: str | None = None
    size: int | None = None
    licence: str = ""

    @property
    def name(self) -> str:
        """For sentences: the repository with the file, or the file's path."""
        return f"{self.hub}/{self.file}" if self.hub else str(PurePosixPath(self.path or ".", self.file))

    @property
    def place(self) -> tuple:
        """What tells one file from another."""
        return self.hub, self.revision, self.path, self.file


@dataclass(frozen=True)
class Part(Origin):
    """One part. family: of temporal layers (`align.families.FAMILIES`), or of what reads known frames ("sparsectrl",
    "first-frame"). layout: one of LAYOUTS. config: the name of a configuration that vldm brings along (`configs`);
    config_file: one that lies where the file does. pack: the name of the pack whose upscaler it is. scale: of a
    reader's residuals. fps, bucket, noise: what a "first-frame" reader tells its model;
    fps: None for the keyframes' rate of the video. optional: the pack is whole
    without it, for a licence that not everybody accepts (`vldm packs pull`). shards: the files of weights, where `file`
    is an index of several (`shards`)."""

    family: str | None = None
    layout: str = "diffusers"
    config: str | None = None
    config_file: str | None = None
    pack: str | None = None
    scale: float = 1.0
    fps: float | None = None
    bucket: float | None = None
    noise: float | None = None
    optional: bool = False
    shards: tuple[Origin, ...] = ()


@dataclass(frozen=True)
class Addition(Origin):
    """A LoRA. to: one of TARGETS."""

    to: str = "image"
    strength: float = 1.0


@dataclass(frozen=True)
class Embedding(Origin):
    """A textual inversion; token: the word that stands for it in prompts ("": as its file says)."""

    token: str = ""


@dataclass(frozen=True)
class Elsewhere:
    """All that a manifest names."""

    parts: dict[str, Part] = field(default_factory=dict)
    loras: tuple[Addition, ...] = ()
    embeddings: tuple[Embedding, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.parts or self.loras or self.embeddings)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Parts, the files of those in several, LoRAs and words, one after the other."""
        shards = (shard for part in self.parts.values() for shard in part.shards)
        return (*self.parts.values(), *shards, *self.loras, *self.embeddings)

    def changed(self, change: Callable) -> "Elsewhere":
        """The same with each of them as `change` makes it."""

        def whole(part: Part) -> Part:
            return replace(change(part), shards=tuple(map(change, part.shards)))

        return Elsewhere(
            {name: whole(part) for name, part in self.parts.items()},
            tuple(map(change, self.loras)),
            tuple(map(change, self.embeddings)),
        )

    @property
    def files(self) -> list[Origin]:
        """Everything that must be here before the pack can be used, each file once."""
        found: dict[tuple, Origin] = {}
        for part in self.parts.values():
            for origin in needed(part):
                found.setdefault(origin.place, origin)
        for origin in (*self.loras, *self.embeddings):
            found.setdefault(origin.place, origin)
        return list(found.values())


# What a CLIP tokenizer is beside its vocabulary.
VOCABULARY, MERGES = "vocab.json", "merges.txt"


def needed(part: Part) -> Iterator[Origin]:
    """The files of a part: its own, those of which it is the index, the configuration that lies where it does, and the
    merges of a vocabulary."""
    if part.file:
        yield part
    yield from part.shards
    own = PurePosixPath(part.file)
    beside = [part.config_file, str(own.with_name(MERGES)) if own.name == VOCABULARY else None]
    for name in filter(None, beside):
        yield Origin(name, part.hub, part.revision, part.path, licence=part.licence)
