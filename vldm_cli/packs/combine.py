"""A pack with other motion, LoRAs, another autoencoder or words added: what `--motion`, `--lora`, `--vae` and
`--embedding` make of it. No torch but for pickles; nothing is loaded."""

import os
from dataclasses import replace

from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice, check_name, expanded
from vldm_cli.packs.elsewhere import Elsewhere
from vldm_cli.packs.manifest import MANIFEST
from vldm_cli.packs.origins import additions
from vldm_cli.packs.origins.home import pulled
from vldm_cli.packs.origins.identity import pinned
from vldm_cli.packs.origins.motion import motion
from vldm_cli.packs.origins.numbers import NOT_STATED
from vldm_cli.packs.origins.shipped import shipped
from vldm_cli.packs.origins.written import as_table, write_manifest
from vldm_cli.packs.pack import Pack, embedded


def open_choice(choice: Choice, check: bool = True) -> Pack:
    """The pack that was chosen, as `Pack.open`. Raises RequestError."""
    for option, name in choice.named():
        check_name(option, name)
    pack = Pack.open(choice.pack, check)
    return pack if choice.plain else combined(pack, choice, check)


def combined(pack: Pack, choice: Choice, check: bool = True) -> Pack:
    """The pack with what the choice puts in or adds, which must be here: nothing is fetched. It lies in memory alone.
    Raises RequestError, naming the option, for what does not go with it."""
    every = absolute(pack)
    manifest = pack.manifest
    parts, loras = dict(every.parts), list(every.loras)
    if choice.motion:
        if not pack.has("unet"):
            raise RequestError(
                f"--motion goes with an image model, and pack {pack.name} has none; name Stable Diffusion with --pack"
            )
        moving = motion(choice.motion)
        # prompts go to the image model's text encoder
        defaults = replace(moving.defaults, reader=manifest.defaults.reader)
        if (
            "eyes" in moving.parts
        ):  # it moves the image model's pictures, which go on being drawn as they were
            if "schedule" in parts:
                parts["image_schedule"] = parts.pop("schedule")
            defaults = replace(defaults, guidance=manifest.defaults.guidance)
        for name in ("keyframes", "context", "sketch", "interpolation"):
            parts.pop(name, None)
        parts |= moving.parts
        loras += moving.loras
        video = replace(moving.video, width=manifest.video.width, height=manifest.video.height)
        manifest = replace(manifest, video=video, defaults=defaults)
    two = "text_2" in parts
    for named in choice.loras:
        one = additions.lora(named)
        if one.to == "motion" and "keyframes" not in parts:
            raise RequestError(
                f"--lora {named} is a MotionLoRA, and pack {pack.name} has no motion modules; name some with --motion"
            )
        loras.append(one)
    if choice.vae:
        name, part = additions.vae(choice.vae, additions.XL if two else additions.SD)
        parts[name] = part
        if name == "vae":
            parts.pop("decoder", None)  # else it would go on decoding
    words = [*every.embeddings, *(additions.embedding(named, two) for named in choice.embeddings)]
    whole = Elsewhere(parts, tuple(loras), tuple(words))
    told = choice.settled(_word_of(pack), is_name)
    manifest = replace(manifest, elsewhere=whole, licence=_licence(manifest.licence, whole), choice=told)
    made = replace(pack, manifest=manifest).identified()
    if check:
        for problem in made.problems():
            raise RequestError(problem)
    return made


def write_choice(name_or_folder: str, choice: Choice) -> Pack:
    """Writes what was chosen as a manifest of its own, with where every file lies and its sha256: into a folder, or
    under a name that `Pack.open` knows from then on. Raises RequestError, and writes nothing, where that is taken or
    cannot be."""
    pack = open_choice(choice)
    if pack.manifest.files:
        raise RequestError(
            f"pack {pack.name} holds its files itself, and a manifest alone cannot have them; give the options to "
            f"`vldm generate --pack {choice.pack}`"
        )
    own = None if "/" in name_or_folder or os.sep in name_or_folder else pulled(name_or_folder)
    if own is not None and name_or_folder in {*embedded(), *shipped()}:
        raise RequestError(f"{name_or_folder} is the name of a pack that comes with vldm; take another one")
    folder = own or expanded(name_or_folder).resolve()
    if (folder / MANIFEST).exists():
        raise RequestError(f"{folder} already holds a pack; name another one")
    every = pinned(absolute(pack), pack.folder)
    manifest = replace(pack.manifest, name=folder.name[:100], elsewhere=every)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_manifest(folder, as_table(manifest))
    except OSError as error:
        raise RequestError(
            f"cannot write {folder / MANIFEST} ({error.strerror}); name another place"
        ) from error
    return Pack.open(folder)


def _licence(own: str, every: Elsewhere) -> str:
    """The pack's licence with those of parts that came in."""
    told = dict.fromkeys(one.licence for one in every.origins)
    others = [name for name in told if name and name not in own]
    return ", ".join([*([] if own == NOT_STATED and others else [own]), *others])


def _word_of(pack: Pack) -> str:
    """What `Pack.open` finds the pack by, from anywhere."""
    if pack.manifest.choice:
        return pack.manifest.choice.pack
    known = {*embedded().values(), *filter(None, [pulled(pack.name)])}
    return pack.name if pack.folder in known else str(pack.folder)


def is_name(name: str) -> bool:
    """Whether a pack of that name was fetched or made."""
    folder = pulled(name)
    return folder is not None and (folder / MANIFEST).is_file()


def absolute(pack: Pack) -> Elsewhere:
    """What the pack names, local files by their absolute places."""

    def one(origin):
        if origin.hub or not (origin.file or getattr(origin, "config_file", None)):
            return origin
        return replace(origin, path=str((pack.folder / (origin.path or ".")).resolve()))

    return pack.manifest.elsewhere.changed(one)
