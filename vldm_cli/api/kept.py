"""Packs and networks that many videos are made with: each is opened once, and its models loaded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from vldm_cli.api.packs import LoadedPack, loaded
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.pack import Pack

if TYPE_CHECKING:
    from vldm_cli.packs.network import Network

Thing = TypeVar("Thing")

# A pack and the one that upscales its frames, or a clip's and the one after it: more would fill a GPU.
MOST = 2


class Kept:
    """What a process has opened, for all the videos that it makes, in threads side by side if need be; the oldest goes
    where there are more than `MOST`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._things: OrderedDict[Hashable, object] = OrderedDict()

    def pack(
        self, pack: str | Path | Choice | LoadedPack, device: str = "auto", dtype: str = "auto"
    ) -> LoadedPack:
        """As `packs.loaded`. Raises RequestError."""
        if isinstance(pack, LoadedPack):
            return loaded(pack, device, dtype)
        choice = pack if isinstance(pack, Choice) else Choice(str(pack))
        return self._once((choice, device, dtype), lambda: loaded(choice, device, dtype))

    def of(self, pack: Pack, device: str, dtype: str) -> LoadedPack:
        """An opened pack, loaded."""
        key = (str(pack.folder), pack.manifest.hash, device, dtype)
        return self._once(key, lambda: LoadedPack(pack, device, dtype))

    def network(self, path: Path) -> Network:
        """As `packs.network.open_network`. Raises RequestError."""
        from vldm_cli.packs.network import open_network

        return self._once(path, lambda: open_network(path))

    def _once(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        with self._lock:
            if key not in self._things:
                self._things[key] = make()
                while len(self._things) > MOST:
                    self._things.popitem(last=False)
            self._things.move_to_end(key)
            thing = self._things[key]
        return thing  # type: ignore[return-value]  # each key is of one kind of thing
