"""What a pack can do, in words for a person (`vldm packs show`), by its parts. No torch."""

from vldm_cli.packs.named.schemas import WHOLE
from vldm_cli.packs.pack import Pack

_OWN = ("unet", "vae", "text", "keyframes", "interpolation", "decoder")
# How known frames reach a model → what that is good for.
_CONTEXT = {
    "sparsectrl": ("a picture that begins to move", "extend"),
    "first-frame": ("a picture that begins to move", "extend from the last frame, without its motion"),
    None: ("a picture that begins to move, and going on, as well as it can with --replacement",),
}


def abilities(pack: Pack) -> list[str]:
    """What `vldm packs show` lists."""
    return [*_moves(pack), *_enlarges(pack)]


def _moves(pack: Pack) -> tuple[str, ...]:
    keyframes, context = pack.named.get("keyframes"), pack.named.get("context")
    if keyframes is None:
        if all(map(pack.has, _OWN)):
            return ("generate",)
        if pack.has("unet"):
            return ("single pictures, which --motion makes move",)
        autoencoder = pack.has("vae") or pack.has("decoder")
        return (f"an autoencoder, with --vae {pack.name}",) if autoencoder else ()
    if not pack.has("unet") and keyframes.family not in WHOLE:
        return (f"motion for an image model, with --motion {pack.name}",)
    known = _CONTEXT.get(context.family if context else None, _CONTEXT[None])
    if "sketch" in pack.named:
        known = (*known, "sketches that keyframes follow, with --sketch")
    return ("generate", *known) if pack.has("text") else known


def _enlarges(pack: Pack) -> list[str]:
    lender = pack.named.get("upscaler")
    if lender:
        return [f"upscale ×4 with the upscaler of {lender.pack}"]
    return [f"upscale ×4 in {space} space" for space in pack.upscalers]
