"""Packs and networks that many videos are made with: each is opened once, and its models loaded once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vldm_cli.api.packs import LoadedPack, loaded
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.pack import Pack
from vldm_cli.runs.recent import Recent
from vldm_cli.stages.running import AS_USUAL, Running

if TYPE_CHECKING:
    from vldm_cli.packs.network import Network
    from vldm_cli.packs.networks.layers import Layers
    from vldm_cli.packs.refiner import OpenedRefiner

# Options that say which pack it is, and how and where it runs.
NAMING = ("pack", "device", "dtype", "running")


class Kept:
    """What a process has opened, for all the videos that it makes, in threads side by side if need be; the oldest goes
    where there are more than `recent.MOST`."""

    def __init__(self) -> None:
        self._things = Recent()
        self._refiners = Recent()  # which are small, and are to push out no pack

    def pack(
        self,
        pack: str | Path | Choice | LoadedPack,
        device: str = "auto",
        dtype: str = "auto",
        running: Running = AS_USUAL,
    ) -> LoadedPack:
        """As `packs.loaded`. Raises RequestError."""
        if isinstance(pack, LoadedPack):
            return loaded(pack, device, dtype, running)
        choice = pack if isinstance(pack, Choice) else Choice(str(pack))
        return self._things.once(
            (choice, device, dtype, running), lambda: loaded(choice, device, dtype, running)
        )

    def asked(self, options: Mapping[str, Any]) -> LoadedPack:
        """The pack that options of a command name, as its `prepare` takes them. Raises RequestError."""
        return self.pack(*(options[name] for name in NAMING))

    def of(self, pack: Pack, device: str, dtype: str, running: Running = AS_USUAL) -> LoadedPack:
        """An opened pack, loaded."""
        key = (str(pack.folder), pack.manifest.hash, device, dtype, running)
        return self._things.once(key, lambda: LoadedPack(pack, device, dtype, running))

    def network(self, path: Path) -> Network:
        """As `packs.network.open_network`. Raises RequestError."""
        from vldm_cli.packs.network import open_network

        return self._things.once(path, lambda: open_network(path))

    def refiner(self, path: Path | None) -> OpenedRefiner:
        """As `packs.refiner.open_refiner`. Raises RequestError."""
        from vldm_cli.packs.refiner import open_refiner

        return self._refiners.once(path, lambda: open_refiner(path))

    def layers(self, path: Path | None, model: Network) -> Layers | None:
        """The temporal layers in that file for a network that was opened here, or those that come with vldm for it, if
        there are any. Raises RequestError."""
        from vldm_cli.packs.networks.layers import layers_for, open_layers, shipped_layers

        image = model.network  # the very one: layers hold on to it
        if path is None:
            return self._things.once((image, None), lambda: layers_for(image, shipped_layers()))
        return self._things.once((image, path), lambda: open_layers(path, image, model.name))
