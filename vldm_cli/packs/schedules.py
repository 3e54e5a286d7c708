"""Noise schedules of a pack's models, as diffusers' schedulers take them: named ones, those of the layers' training,
and a pack's own."""

import inspect

import diffusers

from vldm_cli.errors import RequestError
from vldm_cli.packs import configs
from vldm_cli.packs.contents import SCHEDULER, read_config
from vldm_cli.packs.files import Unusable
from vldm_cli.packs.named.places import Named, blame
from vldm_cli.packs.named.schemas import FAMILY_SCHEDULES, SCHEDULE_KIND
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.parts import SCHEDULERS
from vldm_cli.packs.values import only_known


def lender(pack: Pack, part: str) -> Pack:
    """The pack whose file `part` is: another one's, if the manifest names a pack to upscale with."""
    if part.startswith("upscaler_") and part not in pack.named and "upscaler" in pack.named:
        if not pack.named["upscaler"].pack:
            raise RequestError(f"pack {pack.name}: [parts.upscaler] names no pack; say `pack = NAME` there")
        return pack.upscaling
    return pack


def schedule(pack: Pack, part: str) -> dict:
    """The noise schedule of an image model ("unet", or an upscaler's name), as diffusers' schedulers take it: the named
    one, the one that goes with the keyframes' layers, or the image model's own. "image": that of an image model whose
    pictures another model makes move."""
    pack = lender(pack, part)
    if part == "image":
        if "image_schedule" in pack.named:
            return _named_schedule(pack, "image_schedule")
        config = pack.named["unet"].config
        if config is None or "schedule" not in configs.roles(config):
            raise RequestError(f"pack {pack.name}: it names no image_schedule; add it to its pack.toml")
        return _sound(configs.read(config, "schedule"))
    name = "schedule" if part == "unet" else f"{part}_schedule"
    if name in pack.named:
        return _named_schedule(pack, name)
    for other in ("keyframes", "unet") if part == "unet" else (part,):
        if other in pack.named:
            named = pack.named[other]
            for config in filter(None, (named.config, FAMILY_SCHEDULES.get(named.family or ""))):
                with Named(pack, other).blame(Named(pack, other).config_name):
                    if "schedule" in configs.roles(config):
                        return _sound(configs.read(config, "schedule"))
    if part not in SCHEDULERS or (part in pack.named and SCHEDULERS[part] not in pack.manifest.files):
        raise RequestError(f"pack {pack.name}: it names no {name}; add [parts.{name}] to its pack.toml")
    with blame(pack.sentence, SCHEDULERS[part], f"{SCHEDULERS[part]} of pack {pack.name}"):
        return _sound(read_config(pack.file(SCHEDULERS[part]), SCHEDULER))


def low_schedule(pack: Pack, part: str = "upscaler_frame") -> dict:
    """The noise that an upscaler sees its low-resolution frame with."""
    pack, name = lender(pack, part), f"{part}_low_schedule"
    if name in pack.named:
        return _named_schedule(pack, name)
    config = pack.named[part].config if part in pack.named else None
    if config is None or "low_schedule" not in configs.roles(config):
        raise RequestError(f"pack {pack.name}: it names no {name}; add [parts.{name}] to its pack.toml")
    return _sound(configs.read(config, "low_schedule"))


def _named_schedule(pack: Pack, name: str) -> dict:
    lies = Named(pack, name)
    with lies.blame(lies.config_name):
        return _sound({"prediction_type": "epsilon", **lies.config(SCHEDULE_KIND)})


def _usual(name: object) -> dict:
    """The settings of one of diffusers' schedulers by default; none of a class that it has not."""
    made = getattr(diffusers, name, None) if isinstance(name, str) and name.endswith("Scheduler") else None
    if not isinstance(made, type):
        return {}
    return {key: p.default for key, p in inspect.signature(made).parameters.items()}


def _sound(table: dict) -> dict:
    """The entries of a schedule that has been checked, if they go together."""
    usual = _usual(table.get("_class_name"))
    entries = {
        key: value
        for key, value in table.items()
        # diffusers writes every setting of a sampler down; one as its class has it says nothing of the noise
        if not key.startswith("_") and (key in SCHEDULER.schema or key not in usual or value != usual[key])
    }
    only_known(entries, SCHEDULER.schema)
    betas, steps = entries.get("trained_betas"), entries["num_train_timesteps"]
    if betas is not None and len(betas) != steps:
        raise Unusable(f"has {len(betas)} trained_betas and {steps} num_train_timesteps")
    return entries
