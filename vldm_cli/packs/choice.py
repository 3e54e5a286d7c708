"""What a person named to make a pack of: a pack, and what is put in or added. No torch."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vldm_cli.errors import RequestError, shown

_LONGEST, _LONGEST_PART = 4000, 255  # letters and bytes; file systems stop about there


@dataclass(frozen=True)
class Choice:
    """pack: a name, a folder, a file or OWNER/NAME. motion: of what makes its pictures move; loras: FILE or
    FILE:STRENGTH; vae: of its autoencoder; embeddings: files of textual inversions."""

    pack: str
    motion: str | None = None
    loras: tuple[str, ...] = ()
    vae: str | None = None
    embeddings: tuple[str, ...] = ()

    def settled(self, pack: str, is_name: Callable[[str], bool]) -> "Choice":
        """The same from anywhere: of the pack that is found as `pack`, names of files and folders absolute, but for
        what `is_name` knows as a pack's name."""
        motion = self.motion if self.motion is None or is_name(self.motion) else absolute(self.motion)
        vae = None if self.vae is None else absolute(self.vae)
        loras, embeddings = (tuple(map(absolute, names)) for names in (self.loras, self.embeddings))
        return Choice(pack, motion, loras, vae, embeddings)

    @classmethod
    def read(cls, table: Any) -> "Choice | None":
        """Of a table that `as_table` made; None where it is none."""
        if not isinstance(table, dict):
            return None
        pack, motion, vae = (table.get(name) for name in ("pack", "motion", "vae"))
        loras, embeddings = (table.get(name, []) for name in ("loras", "embeddings"))
        words = [pack, *(one for one in (motion, vae) if one is not None)]
        if not isinstance(loras, list) or not isinstance(embeddings, list):
            return None
        if not all(isinstance(word, str) for word in (*words, *loras, *embeddings)):
            return None
        return cls(str(pack), motion, tuple(loras), vae, tuple(embeddings))

    @property
    def plain(self) -> bool:
        """Whether it is a pack as it is."""
        return self == Choice(self.pack)

    def as_table(self) -> dict:
        """For JSON; what is not chosen is left out."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value
        }

    def words(self) -> Iterator[str]:
        """The options that choose it on the command line."""
        for named in self.named():
            yield from named

    def named(self) -> Iterator[tuple[str, str]]:
        """The same, each option with what it names."""
        yield "--pack", self.pack
        for option, values in (
            ("--motion", [self.motion]),
            ("--lora", self.loras),
            ("--vae", [self.vae]),
            ("--embedding", self.embeddings),
        ):
            for value in values:
                if value:
                    yield option, value


def check_name(option: str, name: str) -> None:
    """That it can be the name of a file, a folder or a repository. Raises RequestError."""
    parts = [part.encode("utf-8", "surrogatepass") for part in Path(name).parts]
    if len(name) > _LONGEST or any(len(part) > _LONGEST_PART for part in parts):
        raise RequestError(f"{option} {shown(name)} is longer than any file's name; give another one")


def expanded(name: str | Path) -> Path:
    """The path, from the home folder on where it begins with ~; as it stands where nobody is called so."""
    try:
        return Path(name).expanduser()
    except (RuntimeError, ValueError):
        return Path(name)


def strength_of(lora: str) -> tuple[str, str | None]:
    """ "FILE:STRENGTH" → its two halves; a file whose name has a colon in it is taken as it is."""
    file, colon, strength = lora.rpartition(":")
    if not colon or not file or expanded(lora).exists() or "/" in strength or "\\" in strength:
        return lora, None
    return file, strength


def absolute(name: str | Path) -> str:
    """The name, absolute where there is such a file or folder."""
    file, strength = strength_of(str(name))
    path = expanded(file)
    found = str(path.resolve()) if path.exists() else file
    return found if strength is None else f"{found}:{strength}"
