"""Where a part's configuration and weights lie: in the pack's own folder, or where its manifest says.

Both are read in the same way, and whatever is wrong with either is a RequestError that names pack, part, file and what
to do about it. No torch until weights are asked for.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vldm_cli.errors import RequestError, RunError
from vldm_cli.packs import configs
from vldm_cli.packs.contents import Kind, read_config, sound
from vldm_cli.packs.files import Unusable, read_json
from vldm_cli.packs.located import beside, found, located
from vldm_cli.packs.named.motion_unet import image_config
from vldm_cli.packs.origins.pickles import converted, is_pickle
from vldm_cli.packs.pack import PARTS, Pack
from vldm_cli.packs.parts import SCHEDULERS, config_of
from vldm_cli.packs.shards import read_index

if TYPE_CHECKING:
    from vldm_cli.packs.sources import Convert, Source

# What a part is to the checkpoint that it is from, where that is not its own name.
_ROLES = {
    "tokenizer_2": "tokenizer",
    "sketch": "context",
    "upscaler_frame": "unet",
    "upscaler_frame_vae": "vae",
    "upscaler_frame_text": "text",
    "upscaler_frame_tokenizer": "tokenizer",
    "upscaler_frame_schedule": "schedule",
    "upscaler_frame_low_schedule": "low_schedule",
}
# What the configuration beside a file of weights is called.
_CONFIG = "config.json"


@dataclass(frozen=True)
class Place(ABC):
    """Where `part` of `pack` lies. Make one with `place`."""

    pack: Pack
    part: str

    @property
    @abstractmethod
    def name(self) -> str:
        """The file of weights, for sentences."""

    @property
    @abstractmethod
    def config_name(self) -> str:
        """The configuration, for sentences."""

    @abstractmethod
    def source(self, convert: "Convert | None" = None, prefix: str = "") -> "Source":
        """The file of weights, its names converted; nothing of them is read. Raises Unusable, and RequestError where it
        is not here."""

    @abstractmethod
    def config(self, kind: Kind) -> dict:
        """The configuration, checked. Raises Unusable, RequestError where it is not here."""

    @abstractmethod
    def sentence(self, name: str, fault: object) -> str:
        """What is wrong with that file, and the remedy; `fault` goes behind its name."""

    @contextmanager
    def blame(self, name: str | None = None) -> Iterator[None]:
        """Whatever is wrong within is told of that file, by default that of the weights: RequestError."""
        name = name or self.name
        with blame(self.sentence, name, f"{name} of pack {self.pack.name}"):
            yield


class Own(Place):
    """In the pack's folder."""

    @property
    def name(self) -> str:
        return PARTS[self.part]

    @property
    def config_name(self) -> str:
        return SCHEDULERS[self.part] if self.part not in PARTS else config_of(self.part)

    def source(self, convert: "Convert | None" = None, prefix: str = "") -> "Source":
        from vldm_cli.packs.sources import Source  # with it comes torch

        return Source.of(self.pack.file(self.name), prefix, convert)

    def config(self, kind: Kind) -> dict:
        return read_config(self.pack.file(self.config_name), kind)

    def sentence(self, name: str, fault: object) -> str:
        return self.pack.sentence(name, fault)


class Named(Place):
    """Elsewhere, as the manifest says."""

    @property
    def origin(self):
        """What the manifest says of it."""
        return self.pack.named[self.part]

    @property
    def role(self) -> str:
        """What it is to its checkpoint."""
        return _ROLES.get(self.part, self.part)

    @property
    def name(self) -> str:
        return self.origin.name

    @property
    def config_name(self) -> str:
        if self.origin.config or not self._config_file:
            return f"[parts.{self.part}]"
        return str(PurePosixPath(self.origin.hub or self.origin.path or ".", self._config_file))

    @property
    def path(self) -> Path:
        """The file that is named. Raises RequestError where it is not here."""
        return self.pack.located(self.part)

    def source(self, convert: "Convert | None" = None, prefix: str = "") -> "Source":
        if not self.origin.shards:
            return source(self.path, convert, prefix)
        from vldm_cli.packs.sources import Source  # with it comes torch

        where = read_index(read_json(self.path))
        paths = [located(shard, self.pack.folder, self.pack.name) for shard in self.origin.shards]
        return Source.of_shards(where, paths, prefix, convert)

    def config(self, kind: Kind) -> dict:
        if self.origin.config:
            return sound(configs.read(self.origin.config, self.role), kind)
        if not self._config_file:
            having = ", ".join(name for name in configs.names() if self.role in configs.roles(name))
            raise Unusable(
                f"needs the name of a configuration, for its file brings none; use one of {having}"
            )
        return sound(image_config(read_json(self.beside(self._config_file))), kind)

    def beside(self, name: str) -> Path:
        """Another file of where it comes from. Raises RequestError where it is not here."""
        return beside(self.origin, name, self.pack.folder, self.pack.name)

    def sentence(self, name: str, fault: object) -> str:
        remedy = f"name one that fits in [parts.{self.part}] of {self.pack.folder / 'pack.toml'}"
        if self.pack.manifest.choice:  # a pack in memory has none
            remedy = "name one that fits"
        if self.origin.hub:
            remedy = f"fetch it again with `vldm packs pull {self.pack.name}`, or {remedy}"
        return f"pack {self.pack.name}: {self.part}: {name} {fault}; {remedy}"

    def found(self, name: str) -> bool:
        """Whether that one is here."""
        return found(self.origin, name, self.pack.folder) is not None

    @property
    def _config_file(self) -> str:
        """The configuration that lies where the weights do; "" where there is none."""
        own = self.origin.config_file
        if own or self.role.endswith("schedule"):
            return own or self.origin.file  # a schedule is nothing but a configuration
        usual = str(PurePosixPath(self.origin.file).with_name(_CONFIG)) if self.origin.file else ""
        here = usual and self.found(usual)
        return usual if here and self.origin.layout == "diffusers" else ""


def source(path: Path, convert: "Convert | None" = None, prefix: str = "") -> "Source":
    """A file of weights that lies anywhere; of a pickle, what it was converted to. Raises Unusable."""
    from vldm_cli.packs.sources import Source  # with it comes torch

    remark = ""
    if is_pickle(path):
        path, remark = converted(path)
    return replace(Source.of(path, prefix, convert), remark=remark)


def place(pack: Pack, part: str) -> Own | Named:
    """Where that part lies."""
    return Named(pack, part) if part in pack.named else Own(pack, part)


@contextmanager
def blame(sentence, name: str, shown: str) -> Iterator[None]:
    """Whatever is wrong within is told of that file: RequestError of sentence(name, fault)."""
    try:
        yield
    except Unusable as error:
        raise RequestError(sentence(name, error)) from error
    except ValueError as error:
        raise RequestError(sentence(name, f"is unusable: {error}")) from error
    except MemoryError as error:
        raise RunError(f"memory ran out while {shown} was checked; free some, then again") from error
