"""A pack as it is named from machine to machine. No torch."""

from dataclasses import dataclass
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.combine import open_choice
from vldm_cli.packs.pack import Pack


@dataclass(frozen=True)
class PackName:
    """A pack, by what may lead to it on any machine, and its hash."""

    name: str
    folder: Path
    choice: Choice | None
    hash: str

    @classmethod
    def of(cls, pack: Pack) -> "PackName":
        return cls(pack.name, pack.folder, pack.manifest.choice, pack.manifest.hash)

    def found(self, check: bool) -> Pack:
        """The pack of that hash: where it lies on the machine that the run was begun on, or of that name here. Raises
        RequestError where there is none. check: every file of it is looked at; RequestError for one that is damaged."""
        there = []
        for word in [self.choice] if self.choice else [Choice(str(self.folder)), Choice(self.name)]:
            try:
                pack = open_choice(word, check=False)
            except RequestError:
                continue  # what leads to it elsewhere need not be here
            if pack.manifest.hash == self.hash:
                return open_choice(word) if check else pack
            there.append(pack.manifest.hash)
        if there:
            raise RequestError(
                f"pack {self.name} is another one where a worker runs (hash {there[0][:12]}, not {self.hash[:12]}); "
                "install the same pack everywhere"
            )
        raise RequestError(f"pack {self.name} is not there where a worker runs; install it on every machine")
