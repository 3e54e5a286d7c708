"""Whether the parts of a pack go together, where some of them lie elsewhere: each may be sound, and of another model.

By their configurations alone.
"""

from collections.abc import Iterator

from vldm_cli.align.pooled import pooled_width
from vldm_cli.packs.contents import TEXT, UNET, VAE, Kind
from vldm_cli.packs.named.places import Named, place
from vldm_cli.packs.named.schemas import EYES_KIND, FAMILY_KINDS, SPARSECTRL_KIND, WHOLE
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.schemas import SD_SCALE, XL_SCALE


def disagreements(pack: Pack) -> Iterator[str]:
    """One sentence for each two parts that do not go together. Raises RequestError for one that cannot be read."""
    if not pack.named:
        return
    parts = _Parts(pack)
    yield from _latents(parts)
    yield from _words(parts)
    yield from _upscaler(parts)


class _Parts:
    """The configurations of a pack's parts, None for those that it has not."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        family = pack.named["keyframes"].family if "keyframes" in pack.named else None
        self.moving = "keyframes" if family in WHOLE else "unet"
        self.unet = self.of(self.moving, FAMILY_KINDS[family] if family in WHOLE else UNET)

    def of(self, part: str, kind: Kind) -> dict | None:
        if not self.pack.has(part):
            return None
        lies = place(self.pack, part)
        with lies.blame(lies.config_name):
            return lies.config(kind)

    def apart(self, part: str, other: str, why: str) -> str:
        names = [place(self.pack, name) for name in (part, other)]
        of_one, of_other = (f"{lies.part} ({_said(lies)})" for lies in names)
        return f"pack {self.pack.name}: {of_one} does not go with {of_other}: {why}; name parts of one kind"


def _latents(parts: _Parts) -> Iterator[str]:
    """Latent frames are of one space: as many channels, scaled alike."""
    unet, vae = parts.unet, parts.of("vae", VAE)
    named = parts.pack.named.get("decoder")
    decoder = (
        parts.of("decoder", FAMILY_KINDS["svd-decoder"]) if named and named.family == "svd-decoder" else None
    )
    if unet is not None and parts.moving == "unet" and unet["in_channels"] != unet["out_channels"]:
        yield (
            f"pack {parts.pack.name}: unet ({_said(place(parts.pack, 'unet'))}) takes {unet['in_channels']} channels "
            f"and gives {unet['out_channels']}: it fills in or edits pictures; name one that makes them"
        )
    if unet is not None and vae is not None and parts.moving == "unet":
        scale, wanted = vae.get("scaling_factor", SD_SCALE), XL_SCALE if pooled_width(unet) else SD_SCALE
        if scale in (SD_SCALE, XL_SCALE) and scale != wanted:
            yield parts.apart("vae", "unet", f"its latents are scaled by {scale:g}, and not by {wanted:g}")
    for part, config in (("vae", vae), ("decoder", decoder)):
        if config is None:
            continue
        channels = config["latent_channels"]
        if unet is not None and unet["out_channels"] != channels:
            yield parts.apart(
                part, parts.moving, f"{channels} latent channels, and not {unet['out_channels']}"
            )
        factor = parts.pack.manifest.video.latent_factor
        if 2 ** (len(config["block_out_channels"]) - 1) != factor:
            yield (
                f"pack {parts.pack.name}: {part} ({_said(place(parts.pack, part))}) has "
                f"{len(config['block_out_channels'])} levels, which is none of latent_factor {factor} in pack.toml; "
                "name another one"
            )
    if vae is not None and decoder is not None:
        scales = [config.get("scaling_factor", SD_SCALE) for config in (decoder, vae)]
        if abs(scales[0] - scales[1]) > 1e-4 * scales[1]:
            yield parts.apart(
                "decoder", "vae", f"its latents are scaled by {scales[0]:g}, and not by {scales[1]:g}"
            )


def _words(parts: _Parts) -> Iterator[str]:
    """The image model attends to what the text encoder, or what sees pictures, is as wide as; so does what reads known
    frames for it."""
    unet = parts.unet
    if unet is None:
        return
    wide = unet["cross_attention_dim"]
    # where an image model draws what another one makes move, it is the one that hears words
    drawing = parts.of("unet", UNET) if parts.moving != "unet" else None
    two = parts.moving == "unet" and (pooled_width(unet) > 0 or parts.pack.has("text_2"))
    if two:
        yield from _two_texts(parts, unet)
    for part, kind, entry in (("text", TEXT, "hidden_size"), ("eyes", EYES_KIND, "projection_dim")):
        if two and part == "text":
            continue
        heard, hears, other = parts.of(part, kind), wide, parts.moving
        if part == "text" and drawing is not None:
            hears, other = drawing["cross_attention_dim"], "unet"
        if heard is not None and heard.get(entry, 512) != hears:
            yield parts.apart(part, other, f"it is {heard.get(entry, 512)} wide, and not {hears}")
    for part in ("context", "sketch"):
        named = parts.pack.named.get(part)
        reader = parts.of(part, SPARSECTRL_KIND) if named and named.family == "sparsectrl" else None
        if reader is not None and list(reader["block_out_channels"]) != list(unet["block_out_channels"]):
            yield parts.apart(part, parts.moving, "it was made for an image model of another shape")
        elif reader is not None and reader["cross_attention_dim"] != wide:
            yield parts.apart(
                part, parts.moving, f"it attends to {reader['cross_attention_dim']}, and not to {wide}"
            )


def _two_texts(parts: _Parts, unet: dict) -> Iterator[str]:
    """Stable Diffusion XL attends to both text encoders side by side, and is told a vector of the second's."""
    first, second = parts.of("text", TEXT), parts.of("text_2", TEXT)
    if second is not None and not pooled_width(unet):
        yield parts.apart("text_2", "unet", "it is of Stable Diffusion XL")
        return
    if first is not None and second is None:
        yield (
            f"pack {parts.pack.name}: its image model is Stable Diffusion XL's, which hears two text encoders; name "
            "the second as [parts.text_2], and [parts.tokenizer_2]"
        )
    if first is None or second is None:
        return
    wide = first["hidden_size"] + second["hidden_size"]
    if wide != unet["cross_attention_dim"]:
        yield parts.apart(
            "text_2", "unet", f"with text it is {wide} wide, and not {unet['cross_attention_dim']}"
        )
    elif second.get("projection_dim", 512) != pooled_width(unet):
        why = f"its text as one vector is {second.get('projection_dim', 512)} wide, and not {pooled_width(unet)}"
        yield parts.apart("text_2", "unet", why)


def _upscaler(parts: _Parts) -> Iterator[str]:
    unet = parts.of("upscaler_frame", UNET)
    if unet is None:
        return
    text, vae = parts.of("upscaler_frame_text", TEXT), parts.of("upscaler_frame_vae", VAE)
    if text is not None and text["hidden_size"] != unet["cross_attention_dim"]:
        why = f"it is {text['hidden_size']} wide, and not {unet['cross_attention_dim']}"
        yield parts.apart("upscaler_frame_text", "upscaler_frame", why)
    if vae is not None and (unet["out_channels"], unet["in_channels"]) != (
        vae["latent_channels"],
        vae["latent_channels"] + 3,
    ):
        why = f"{vae['latent_channels']} latent channels and 3 of a picture, and not {unet['in_channels']}"
        yield parts.apart("upscaler_frame_vae", "upscaler_frame", why)


def _said(lies) -> str:
    if isinstance(lies, Named):
        return lies.name if lies.origin.file else lies.config_name
    return lies.name
