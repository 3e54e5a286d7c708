"""A super-resolution network of others as a teacher for looks, where the truth itself has little detail.

The truth of footage is as sharp as its camera, its focus and its codec left it, and an upscaler that learns from soft
frames learns to be soft. So a network such as Real-ESRGAN's (Wang et al. 2021), frozen, enlarges the low resolution
that the upscaler sees, before noise is added to it, and the upscaler is drawn to what it shows: to its likeness (LPIPS)
and to its fine structure (L1 above what the low resolution can hold; below that the truth alone knows the colours). An
L1 to the truth gives the middle of all that may be there, which is blur; what a network makes is a function of the low
resolution, and can be learned.

How much it counts is each example's own: as much as the truth lacks of the detail that the teacher shows, and as much
as the teacher is right in what the truth does have, for from a bad low resolution it makes things up. Where truth is as
detailed, and in the rendered world, which is exact, the truth alone counts. An example is seen some dozens of
times, always with the same low resolution, and a teacher of 17 M weights takes ten times what a step takes for one. So
examples are enlarged once, when they are made.
"""

from pathlib import Path

import torch
from torch import Tensor

from vldm_cli.align.pixels import level
from vldm_cli.errors import RequestError
from vldm_cli.packs.network import Network, open_network
from vldm_cli.packs.values import shown
from vldm_cli.stages.plan import UPSCALE
from vldm_cli.train.data.bank import chunk_seed
from vldm_cli.train.data.mixture import shares
from vldm_cli.train.frames import to_bytes, to_model
from vldm_cli.train.onestep import PERCEPTUAL_WEIGHT
from vldm_cli.train.perceptual import Perceptual

# Parts that have a use for it: those that learn from footage what a single step gives.
TAUGHT = ("upscaler-image", "upscaler", "upscaler-latent-image", "upscaler-latent")
# Fine structure is a frame without its means over squares of 2·2 + 1 pixels, which pass half of what has one eighth of
# a cycle a pixel: the finest that the low resolution of a ×4 upscaler can hold.
FINE_RADIUS = 2
# Coarse structure is what these leave, without its means over four low-resolution pixels, which say where it is light.
COARSE_RADIUS = 8
# How many times as much as the same difference to the truth: an example that is heeded by a third, as the softer ones
# of photos and clips are with Real-ESRGAN's x4plus, is drawn to both alike.
LOUDNESS = 3.0
# Squares of fine structure below one of 255 levels are nobody's detail.
FLAT = (2 / 255) ** 2
# What `Looks.examples` gives.
NAMES: tuple[str, ...] = ("frame", "shown", "heed")
# Frames enlarged at a time, and what keeps the choice of a clip's frame apart from other draws by an example's seed.
AT_A_TIME, FRAME_KEY = 32, 1 << 41


class Looks:
    """The teacher; sha256: of its file. Raises RequestError where it enlarges by another factor than upscalers do."""

    def __init__(self, opened: Network, option: str):
        if opened.network.scale != UPSCALE:
            raise RequestError(
                f"{option} {shown(opened.name)} enlarges {opened.network.scale} times, and the upscaler {UPSCALE}; "
                f"name a network that enlarges {UPSCALE} times"
            )
        self.network, self.formats, self.sha256 = opened.network, opened.formats, opened.sha256

    @classmethod
    def open(cls, path: Path, part: str, data: str) -> "Looks":
        """The network that --looks names, on the CPU. Raises RequestError where there is none, and where the part, or
        what it is trained on, has no use for it."""
        if part not in TAUGHT:
            raise RequestError(f"--looks is for {', '.join(TAUGHT)}, not for {part}; leave it out")
        if set(shares(data)) == {"toyland"}:
            raise RequestError("--looks is for footage, and --data toyland has none; add a folder of clips")
        return cls(open_network(path, "--looks"), "--looks")

    def to(self, device: torch.device, dtype: torch.dtype) -> "Looks":
        """Moved there, in float32 if the network knows no such format; itself."""
        known = str(dtype).removeprefix("torch.") in self.formats
        self.network.to(device, dtype if known else torch.float32)
        return self

    @torch.no_grad()
    def examples(
        self, high_BTCHW: Tensor, low_BTCHW: Tensor, rendered_B: Tensor, seed: int
    ) -> dict[str, Tensor]:
        """Of uint8 clips, for the bank: frame, int64 (B,), which frame of each is taught, by the seed; shown, uint8
        (B, 3, H, W), what the teacher makes of it; heed, (B,), how much that counts, which is nothing in rendered
        clips."""
        B, T = low_BTCHW.shape[:2]
        chance = torch.Generator().manual_seed(chunk_seed(seed, FRAME_KEY))
        frame_B = torch.randint(T, (B,), generator=chance).to(low_BTCHW.device)
        shown_BCHW, heed_B = torch.zeros_like(high_BTCHW[:, 0]), torch.zeros(B, device=low_BTCHW.device)
        for some in (~rendered_B).nonzero()[:, 0].split(AT_A_TIME):
            low, truth = (x[some, frame_B[some]] for x in (low_BTCHW, high_BTCHW))
            made = to_bytes(2 * self.network.several(low.float() / 255).float() - 1)
            shown_BCHW[some] = made
            pair = to_model(truth, torch.float32), to_model(made, torch.float32)
            heed_B[some] = lacking(*pair) * right(*pair)
        return dict(zip(NAMES, (frame_B, shown_BCHW, heed_B), strict=True))


def fine(x_NCHW: Tensor) -> Tensor:
    """The fine structure of frames, (N, C, H, W)."""
    return x_NCHW - level(x_NCHW, FINE_RADIUS)


def lacking(truth_NCHW: Tensor, shown_NCHW: Tensor) -> Tensor:
    """How much the truth lacks of the detail that is shown, (N,): 1 where it has none of it, 0 where it has as much,
    and where there is none at all. Frames in [−1, 1]; measured in squares of their fine structure."""
    known_N, seen_N = (fine(x).square().mean((1, 2, 3)) for x in (truth_NCHW, shown_NCHW))
    return (seen_N - known_N).clamp_min(0) / (seen_N + FLAT)


def coarse(x_NCHW: Tensor) -> Tensor:
    """What the low resolution can hold of frames, without the colours of whole areas, (N, C, H, W)."""
    return level(x_NCHW, FINE_RADIUS) - level(x_NCHW, COARSE_RADIUS)


def right(truth_NCHW: Tensor, shown_NCHW: Tensor) -> Tensor:
    """How much of the truth's coarse structure is shown as it is, (N,): 1 for all of it, 0 where what is shown is off
    by as much as the truth has, which is the case where it is made up."""
    known, seen = coarse(truth_NCHW), coarse(shown_NCHW)
    off_N, had_N = (x.square().mean((1, 2, 3)) for x in (seen - known, known))
    return (1 - off_N / (had_N + FLAT)).clamp_min(0)


def looks_loss(
    made_BTCHW: Tensor,
    taught: dict[str, Tensor],
    weight_B: Tensor,
    perceptual: Perceptual | None,
) -> Tensor:
    """How far clips in [−1, 1] are from what the teacher shows, as much as it counts: a number. taught: `examples` of
    them; weight: how much detail is wanted of each, (B,). A window that ends before the taught frame is left alone.
    Nothing here depends on values, so a step with it may be recorded."""
    T = made_BTCHW.shape[1]
    frame_B, shown_BCHW = taught["frame"], to_model(taught["shown"], torch.float32)
    # of a gather the gradient is a plain scatter; that of an index by tensors would be sorted first
    index = frame_B.clamp_max(T - 1)[:, None, None, None, None]
    made_BCHW = torch.take_along_dim(made_BTCHW.float(), index, 1)[:, 0]
    far_B = (fine(made_BCHW) - fine(shown_BCHW)).abs().mean((1, 2, 3))
    if perceptual is not None:
        far_B = far_B + PERCEPTUAL_WEIGHT * perceptual.distance(shown_BCHW, made_BCHW)
    return LOUDNESS * (weight_B * taught["heed"] * (frame_B < T) * far_B).mean()
