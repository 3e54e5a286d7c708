"""What the parts of a pack can do, as plans and commands ask it. No torch."""

from dataclasses import dataclass

from vldm_cli.packs.manifest import Manifest
from vldm_cli.packs.parts import PARTS

# What known frames of a window a keyframes' model was made for: any of them, its first one alone, or none.
ANY, FIRST, NONE = "any", "first", "none"
# Families whose image model is in their own file and reads no text.
_WITHOUT_TEXT = ("svd",)


@dataclass(frozen=True)
class Abilities:
    """keyframes: it makes videos at all. text: it reads prompts. context: one of ANY, FIRST, NONE. fills: its model can
    make the frames between known ones. temporal_decoder: its decoder was trained on frames of the pack's own rate.
    upscales: it has the upscaler that it chooses, or another pack's. own: its temporal layers are vldm's,
    which know what they were trained on and not much else. draws: its image model draws the first frame, from text
    which the keyframes' model does not hear. sketches: its keyframes follow drawings."""

    keyframes: bool
    text: bool
    context: str
    fills: bool
    temporal_decoder: bool
    upscales: bool
    own: bool
    draws: bool = False
    sketches: bool = False

    @classmethod
    def of(cls, manifest: Manifest) -> "Abilities":
        """Of a pack with that manifest."""
        named, listed = manifest.elsewhere.parts, manifest.files
        space = f"upscaler_{manifest.defaults.upscale_space}"
        upscales = "upscaler" in named or space in named or PARTS.get(space) in listed
        if "keyframes" not in named:  # vldm's own layers
            return cls(
                PARTS["keyframes"] in listed,
                True,
                ANY,
                PARTS["interpolation"] in listed,
                PARTS["decoder"] in listed,
                upscales,
                True,
            )
        family, reader = named["keyframes"].family, named.get("context")
        context = NONE if reader is None else FIRST if reader.family == "first-frame" else ANY
        draws = family in _WITHOUT_TEXT and "unet" in named and "text" in named
        text = family not in _WITHOUT_TEXT or draws
        return cls(True, text, context, context == ANY, False, upscales, False, draws, "sketch" in named)

    def remarks(self, between: str, goes_on: bool) -> list[str]:
        """What is to be said of a plan whose frames between keyframes are made so, goes_on: with known frames among the
        keyframes; nothing of vldm's own way."""
        known = {
            ANY: [],
            FIRST: [
                "each window goes on from the last frame of the one before, alone: motion is not carried on"
            ],
            NONE: ["known frames are put in the place of predictions: best effort, beyond one window"],
        }
        fills = ["frames between keyframes are made by motion, in pixels"] if between == "motion" else []
        return [
            *(known[self.context] if goes_on else []),
            *([] if self.text else ["the prompt is not read"]),
            *fills,
        ]
