"""A pack on a device, with its models: loaded when first used, and kept."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vldm_cli.api.device import choose_device, choose_dtype
from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import Pack

if TYPE_CHECKING:
    from vldm_cli.stages.models import Models


class LoadedPack:
    """An opened pack and where its models run. Make one with `load_pack`, and give it to as many calls as you like:
    each model is loaded once, by the first call that needs it."""

    def __init__(self, pack: Pack, device: str = "auto", dtype: str = "auto") -> None:
        self.pack = pack
        self._asked = (device, dtype)

    def __repr__(self) -> str:
        return f"LoadedPack({self.name!r}, device={self.device!r}, dtype={self.dtype!r})"

    @property
    def name(self) -> str:
        """The pack's name."""
        return self.pack.name

    @cached_property
    def device(self) -> str:
        """The device as torch names it, such as "cuda"."""
        return choose_device(self._asked[0])

    @cached_property
    def dtype(self) -> str:
        """The number format as torch names it, such as "bfloat16"."""
        return choose_dtype(self._asked[1], self.device)

    @cached_property
    def models(self) -> Models:
        """The models; what holds them until the last reference to this pack is gone."""
        from vldm_cli.stages.models import Models

        return Models(self.pack, self.device, self.dtype)


def load_pack(name: str | Path = "toyland", *, device: str = "auto", dtype: str = "auto") -> LoadedPack:
    """The pack of that name, or in that folder, for this device: "auto", "cuda", "cuda:N", "mps" or "cpu".

    dtype: "auto", "float32", "bfloat16" or "float16"; "auto" is bfloat16 where it is the faster one. The files are
    checked now and the models loaded when they are first used. Raises RequestError when there is no such pack or
    device, or when a file of the pack is not what it should be.
    """
    loaded = LoadedPack(Pack.open(name), device, dtype)
    _ = loaded.dtype  # a device that is not here is refused now
    return loaded


def loaded(pack: str | Path | LoadedPack, device: str = "auto", dtype: str = "auto") -> LoadedPack:
    """The pack itself if it is loaded; otherwise the one of that name or in that folder, its device not yet chosen.

    Raises RequestError as `load_pack` does, and where a loaded pack is asked for another device or number format.
    """
    if not isinstance(pack, LoadedPack):
        return LoadedPack(Pack.open(pack), device, dtype)
    for option, asked, has in (("device", device, pack.device), ("dtype", dtype, pack.dtype)):
        if asked not in ("auto", has):
            raise RequestError(
                f"--{option} {asked}: pack {pack.name} is loaded for {has}; leave it out or load the pack anew"
            )
    return pack


def device_of(pack: str | Path | LoadedPack | None, device: str, dtype: str) -> tuple[str, str]:
    """(device, number format) of a call. Raises RequestError when they are not here or not the loaded pack's."""
    if isinstance(pack, LoadedPack):
        pack = loaded(pack, device, dtype)
        return pack.device, pack.dtype
    chosen = choose_device(device)
    return chosen, choose_dtype(dtype, chosen)
