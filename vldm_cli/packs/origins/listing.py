"""What lies in a folder in diffusers' layout, wherever it is. No torch."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from vldm_cli.errors import RequestError
from vldm_cli.packs.elsewhere import Origin, Part
from vldm_cli.packs.files import Unusable, inside, read_json
from vldm_cli.packs.shards import beside, index_names
from vldm_cli.packs.values import shown

# Which file of weights is taken where there are several: half the bytes first. Pickles last, for torch reads them with
# care and slowly.
ENDINGS = (".fp16.safetensors", ".safetensors", ".fp16.bin", ".bin")
# How diffusers calls a model's weights, and transformers.
DIFFUSERS, TRANSFORMERS = "diffusion_pytorch_model", "model"


class Listing(Protocol):
    """Files by their names with / between folders. `name` is for sentences; hub and revision as of an `Origin`."""

    @property
    def name(self) -> str: ...
    @property
    def hub(self) -> str | None: ...
    @property
    def revision(self) -> str | None: ...
    @property
    def licence(self) -> str: ...

    def has(self, file: str) -> bool:
        """Whether there is such a file."""

    def read(self, file: str) -> Any:
        """What a JSON file holds. Raises RequestError where it is missing or none."""


@dataclass(frozen=True)
class Folder:
    """A folder on the disk, or what the hub's cache has of a repository at one commit."""

    root: Path
    name: str
    hub: str | None = None
    revision: str | None = None
    licence: str = ""

    def has(self, file: str) -> bool:
        return (self.root / file).is_file()

    def read(self, file: str) -> Any:
        try:
            return read_json(inside(self.root, file, links=self.hub is not None))
        except Unusable as error:
            raise RequestError(f"{self.name}: {file} {error}; name another model") from error


def part(listing: Listing, folder: str, weights: str = DIFFUSERS, **told) -> Part:
    """The model in a folder of it ("": at its top) with the configuration beside it. Raises RequestError."""
    there = PurePosixPath(folder)
    config = str(there / "config.json")
    if not listing.has(config):
        raise RequestError(f"{listing.name} has no {config}; name a whole model in diffusers' layout")
    for ending in ENDINGS:
        whole = f"{weights}{ending}"
        file = str(there / whole)
        if listing.has(file):
            return placed(listing, file, config_file=config, **told)
        for index in (str(there / name) for name in index_names(whole)):
            if listing.has(index):
                shards = _shards(listing, index)
                return placed(listing, index, config_file=config, shards=shards, **told)
    wanted = there / f"{weights}.safetensors"
    raise RequestError(f"{listing.name} has no {wanted}; name a whole model in diffusers' layout")


def _shards(listing: Listing, index: str) -> tuple[Origin, ...]:
    """The files of weights that an index names, all of which must be there."""
    try:
        names = beside(index, listing.read(index))
    except Unusable as error:
        raise RequestError(f"{listing.name}: {index} {error}; name another model") from error
    for name in names:
        if not listing.has(name):
            raise RequestError(
                f"{listing.name} has no {name}, which {PurePosixPath(index).name} names; bring it back or name another "
                "model"
            )
    return tuple(Origin(name, listing.hub, listing.revision, licence=listing.licence) for name in names)


def tokenizer(listing: Listing, folder: str = "tokenizer") -> Part:
    """The tokenizer in a folder of it: a CLIP vocabulary with its merges, or one file with all."""
    there = PurePosixPath(folder)
    # the first of them says how prompts are filled up (`named.tokenizers`)
    configs = (str(there / f"{name}.json") for name in ("special_tokens_map", "tokenizer_config"))
    config = next(filter(listing.has, configs), None)
    for name in ("vocab.json", "tokenizer.json"):
        if listing.has(str(there / name)):
            return placed(listing, str(there / name), config_file=config)
    raise RequestError(
        f"{listing.name} has no {there / 'vocab.json'}; name a whole model in diffusers' layout"
    )


def schedule(listing: Listing, folder: str = "scheduler") -> Part:
    """The noise schedule in a folder of it."""
    config = str(PurePosixPath(folder, "scheduler_config.json"))
    if not listing.has(config):
        raise RequestError(f"{listing.name} has no {config}; name a whole model in diffusers' layout")
    return placed(listing, "", config_file=config)


def placed(listing: Listing, file: str, **told) -> Part:
    """A part that lies there."""
    return Part(file=file, hub=listing.hub, revision=listing.revision, licence=listing.licence, **told)


def class_of(listing: Listing, config: str) -> str:
    """The class that a configuration is of, "" where it says none."""
    table = listing.read(config)
    name = table.get("_class_name", "") if isinstance(table, dict) else ""
    return shown(name) if isinstance(name, str) and name else ""
