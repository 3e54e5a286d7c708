"""A pack on a device, with its models: loaded when first used, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vldm_cli.api.device import choose_device, choose_dtype
from vldm_cli.errors import RequestError
from vldm_cli.packs import pack as packs
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.combine import open_choice
from vldm_cli.packs.manifest import MANIFEST
from vldm_cli.packs.origins.home import pulled, pulled_packs
from vldm_cli.packs.origins.shipped import shipped
from vldm_cli.packs.pack import Pack
from vldm_cli.stages.running import AS_USUAL, Running

if TYPE_CHECKING:
    from vldm_cli.packs.words import Words
    from vldm_cli.stages.coming import ComingModels
    from vldm_cli.stages.models import Models
    from vldm_cli.stages.plan import Plan


class LoadedPack:
    """An opened pack and where its models run. Make one with `load_pack`, and give it to as many calls as you like:
    each model is loaded once, by the first call that needs it."""

    def __init__(
        self, pack: Pack, device: str = "auto", dtype: str = "auto", running: Running = AS_USUAL
    ) -> None:
        self.pack, self.running = pack, running
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
    def words(self) -> Words | None:
        """The tokenizer; None of a pack that reads no text."""
        from vldm_cli.pipelines.generate.prompt import words_of

        return words_of(self.pack)

    @cached_property
    def models(self) -> Models:
        """The models; what holds them until the last reference to this pack is gone."""
        from vldm_cli.stages.models import Models

        return Models(self.pack, self.device, self.dtype, self.running)

    def coming(self, plan: Plan | None = None) -> ComingModels:
        """What workers can get ready of it; plan: of the video, if there is but one."""
        from vldm_cli.packs.same import PackName
        from vldm_cli.stages.coming import ComingModels

        return ComingModels(PackName.of(self.pack), self.dtype, self.running, plan)


def check_moves(pack: Pack) -> None:
    """That a pack makes videos. Raises RequestError that says what else it is for."""
    keyframes = pack.named.get("keyframes")
    if keyframes and not pack.has("unet") and keyframes.family in ("animatediff", "animatediff-window"):
        raise RequestError(
            f"pack {pack.name} is motion without an image model; name it with --motion, and Stable Diffusion with "
            "--pack"
        )
    if pack.has("keyframes"):
        return
    if pack.has("unet"):
        moving = "sdxl-animatediff" if pack.has("text_2") else "sd15-lightning"
        raise RequestError(
            f"pack {pack.name} makes single pictures; name what makes them move with --motion, such as --motion "
            f"{moving} after `vldm packs pull {moving}`"
        )
    raise RequestError(
        f"pack {pack.name} makes no videos; use it with `vldm upscale CLIP --pack {pack.name}`"
    )


def known_packs() -> list[tuple[Pack, bool]]:
    """Every pack that has a name, unchecked, and whether it is here: those that come with vldm, that were fetched or
    made (`vldm packs pull`, `new`), and that can be fetched."""
    here = {name: Pack.open(folder, check=False) for name, folder in packs.embedded().items()}
    for folder in pulled_packs():
        with suppress(RequestError):  # one that was spoilt by hand hides no other
            pack = Pack.open(folder, check=False)
            here.setdefault(pack.name, pack)
    away = [Pack(Path(), manifest) for name, manifest in shipped().items() if name not in here]
    return [*((pack, True) for pack in here.values()), *((pack, False) for pack in away)]


def look_at(name: str) -> tuple[Pack, bool]:
    """The pack of that name, unchecked, and whether it is here. Raises RequestError where there is none."""
    known = pulled(name)
    if name in shipped() and not (known and (known / MANIFEST).is_file()):
        return Pack(Path(), shipped()[name]), False
    return Pack.open(name, check=False), True


def load_pack(
    name: str | Path = "toyland",
    *,
    motion: str | Path | None = None,
    loras: Sequence[str | Path] = (),
    vae: str | Path | None = None,
    embeddings: Sequence[str | Path] = (),
    device: str = "auto",
    dtype: str = "auto",
    running: Running = AS_USUAL,
) -> LoadedPack:
    """The pack of that name, or in that folder, for this device: "auto", "cuda", "cuda:N", "mps" or "cpu".

    name: also a diffusers folder, a checkpoint in one file, or OWNER/NAME of the hub if it has been fetched. motion:
    what makes an image model's pictures move (a file, a folder, a pack's name, OWNER/NAME). loras: "FILE" or
    "FILE:STRENGTH" each; vae: another autoencoder; embeddings: files of textual inversions. dtype: "auto", "float32",
    "bfloat16" or "float16"; "auto" is 16 bits where these are the faster ones. running: how its models are run. The
    files are checked now and the models loaded when they are first used. Raises RequestError when there is no such pack
    or device, or when a file of the pack is not what it should be.
    """
    moving, autoencoder = (None if word is None else str(word) for word in (motion, vae))
    choice = Choice(str(name), moving, tuple(map(str, loras)), autoencoder, tuple(map(str, embeddings)))
    loaded = LoadedPack(open_choice(choice), device, dtype, running)
    _ = loaded.dtype  # a device that is not here is refused now
    running.check(loaded.device)
    return loaded


def loaded(
    pack: str | Path | Choice | LoadedPack,
    device: str = "auto",
    dtype: str = "auto",
    running: Running = AS_USUAL,
) -> LoadedPack:
    """The pack itself if it is loaded; otherwise the one of that name or in that folder, its device not yet chosen.

    Raises RequestError as `load_pack` does, and where a loaded pack is asked for another device or number format.
    """
    if not isinstance(pack, LoadedPack):
        opened = open_choice(pack if isinstance(pack, Choice) else Choice(str(pack)))
        return LoadedPack(opened, device, dtype, running)
    for option, asked, has in (("device", device, pack.device), ("dtype", dtype, pack.dtype)):
        if asked not in ("auto", has):
            raise RequestError(
                f"--{option} {asked}: pack {pack.name} is loaded for {has}; leave it out or load the pack anew"
            )
    if running not in (AS_USUAL, pack.running):
        raise RequestError(f"pack {pack.name} is loaded to run in another way; load it anew, with running=")
    return pack


def device_of(
    pack: str | Path | Choice | LoadedPack | None, device: str, dtype: str, running: Running = AS_USUAL
) -> tuple[str, str]:
    """(device, number format) of a call. Raises RequestError when they are not here, or they or `running` not the
    loaded pack's."""
    if isinstance(pack, LoadedPack):
        pack = loaded(pack, device, dtype, running)
        return pack.device, pack.dtype
    chosen = choose_device(device)
    return chosen, choose_dtype(dtype, chosen)
