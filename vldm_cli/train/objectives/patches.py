"""What the training of every upscaler's parts needs: an upscaler in the pack, and patches with the low resolution that
it will see."""

import torch
from torch import Tensor

from vldm_cli.errors import RequestError
from vldm_cli.packs.load import load_decoder
from vldm_cli.packs.pack import UPSCALERS
from vldm_cli.stages.plan import UPSCALE
from vldm_cli.train.data.bank import chunk_seed
from vldm_cli.train.export import add_missing_upscaler
from vldm_cli.train.frames import ENCODE_FRAMES, encode, to_bytes
from vldm_cli.train.objectives.base import Setup

# Low-resolution pixels along a side.
PATCH = 48
ROUNDTRIP_SHARE = 0.6


def ensure_upscaler(setup: Setup, space: str, part: str) -> None:
    """The first part of an upscaler that is trained gives it to a pack without one; for the others, RequestError."""
    first, *_ = UPSCALERS[space].values()
    if part == first:
        add_missing_upscaler(setup.pack, space, setup.seed)
    elif space not in setup.pack.upscalers:
        raise RequestError(
            f"pack {setup.pack.name} has no whole upscaler in {space} space; "
            f"begin with `vldm train {first} --pack {setup.pack.folder}`"
        )


class UpscalerPatches:
    """Patches of a run's source; with `vae_roundtrip`, some of what vldm itself renders has been through the pack's
    autoencoder, as what it generates has. roundtrip: which share of it."""

    def __init__(self, setup: Setup, roundtrip: float = ROUNDTRIP_SHARE):
        self.setup, self.roundtrip = setup, roundtrip
        video = setup.pack.manifest.video
        # divisible by what the UNets' levels and an autoencoder need
        self.size = min(PATCH, video.height, video.width) // 8 * 8
        self.decoder = load_decoder(setup.pack, setup.device, setup.dtype) if setup.vae_roundtrip else None

    def draw(self, seed: int, n: int, frames: int) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 (n, T, 3, 4·size, 4·size) and (n, T, 3, size, size), and which of them vldm rendered, (n,): a
        function of the seed."""
        found = []
        for i, patches in enumerate(self.setup.source.patches(seed, n, frames, self.size, UPSCALE)):
            low = patches.low_BTCHW
            if self.decoder is not None and patches.made:
                low = self._some_through_the_autoencoder(low, chunk_seed(seed, 1 + i))
            rendered_B = torch.full((len(low),), patches.made, device=low.device)
            found.append((patches.high_BTCHW, patches.low_patches(low, self.size, self.size), rendered_B))
        high, low, rendered_B = (torch.cat(parts) for parts in zip(*found, strict=True))
        return high, low, rendered_B

    @torch.no_grad()
    def _some_through_the_autoencoder(self, low_BTCHW: Tensor, seed: int) -> Tensor:
        """Some of the clips as the pack's autoencoder gives them back, by its temporal decoder if they are longer."""
        frames = low_BTCHW.shape[1]
        chosen = torch.rand(len(low_BTCHW), generator=torch.Generator().manual_seed(seed)) < self.roundtrip
        low_BTCHW = low_BTCHW.clone()
        assert self.decoder is not None  # or nothing goes through it
        self.decoder.state.on = frames > 1
        for some in chosen.nonzero()[:, 0].to(low_BTCHW.device).split(max(1, ENCODE_FRAMES // frames)):
            z = encode(self.decoder.vae, low_BTCHW[some], self.setup.dtype).to(self.setup.dtype)
            low_BTCHW[some] = to_bytes(self.decoder.decode(z))
        return low_BTCHW
