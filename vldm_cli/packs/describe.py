"""What a pack can do, in words, by its parts. No torch."""

from vldm_cli.packs.pack import UPSCALERS, Pack

_OWN = ("unet", "vae", "text", "keyframes", "interpolation", "decoder")
# How known frames reach a model, and what that is good for.
_WITH_ANY = ("a picture that begins to move", "extend", "interpolate")
_WITH_FIRST = ("a picture that begins to move", "extend from the last frame, without its motion")
_WITH_NONE = ("a picture that begins to move and extend, as well as it can",)


def abilities(pack: Pack) -> list[str]:
    """What `vldm packs show` lists."""
    found: list[str] = []
    keyframes, context = pack.named.get("keyframes"), pack.named.get("context")
    if all(map(pack.has, _OWN)) and keyframes is None:
        found = ["generate"]
    elif keyframes is not None:
        whole = pack.has("unet") or keyframes.family in ("svd", "modelscope")
        if not whole:
            found = [f"motion for an image model, with --motion {pack.name}"]
        else:
            reader = context.family if context else None
            found = ["generate"] if pack.has("text") else []
            found += {"sparsectrl": _WITH_ANY, "first-frame": _WITH_FIRST}.get(reader or "", _WITH_NONE)
    elif pack.has("unet"):
        found = ["single pictures, which --motion makes move"]
    spaces = [
        *pack.upscalers,
        *(["frame"] if pack.has("upscaler_frame") and "frame" not in UPSCALERS else []),
    ]
    found += [f"upscale ×4 in {space} space" for space in spaces]
    lender = pack.named.get("upscaler")
    if lender and lender.pack:
        found.append(f"upscale ×4 with the upscaler of {lender.pack}")
    return found
