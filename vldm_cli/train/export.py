"""Writing trained parts into the pack, and folding the latents' statistics into the autoencoder."""

import copy
import hashlib
import tempfile
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from filelock import FileLock
from torch import Tensor, nn

from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.save import save_part
from vldm_cli.packs.sizes import TOYLAND
from vldm_cli.packs.upscalers import add_upscaler


def export_part(pack: Pack, part: str, module: nn.Module) -> None:
    """Put `module` into the pack in 16 bits and seal it."""
    with _alone(pack):
        save_part(pack.folder, part, module)


def add_missing_upscaler(pack: Pack, space: str, seed: int) -> None:
    """Give a pack that has no whole upscaler of that space a new one of Toyland's sizes."""
    with _alone(pack):
        if space not in pack.upscalers:
            add_upscaler(pack.folder, space, TOYLAND, seed=seed)


def _alone(pack: Pack) -> FileLock:
    """Several processes may train parts of one pack at once: the lock lets one at a time write and seal, so that the
    manifest always lists the files that are there."""
    name = hashlib.sha256(str(Path(pack.folder).resolve()).encode()).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir()) / f"vldm-pack-{name}.lock")


def latent_statistics(latents_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """(mean, standard deviation) of each latent channel, (C,) float64."""
    flat = latents_NCHW.double().transpose(0, 1).flatten(1)
    return flat.mean(1), flat.std(1)


@torch.no_grad()
def fold(vae: AutoencoderKL, mean_C: Tensor, std_C: Tensor) -> AutoencoderKL:
    """A copy of an AutoencoderKL whose latents are (z − mean) / std of the given one's, and which makes the same
    frames of them. Only the 1×1 convolutions quant_conv and post_quant_conv change, so it stays an ordinary
    AutoencoderKL, and training can go on from it. Raises RequestError if it lacks them."""
    if vae.quant_conv is None or vae.post_quant_conv is None:
        raise RequestError(
            "this pack's autoencoder has no quant_conv to fold the latents' normalisation into"
        )
    folded = copy.deepcopy(vae).float()
    mean, std = (x.to(folded.quant_conv.weight.device) for x in (mean_C, std_C))
    C = len(mean)
    quant, post = folded.quant_conv, folded.post_quant_conv
    weight, bias = quant.weight.double(), quant.bias.double()
    # the first C rows give the latents' mean, the others the logarithm of their variance
    weight[:C] /= std[:, None, None, None]
    bias[:C] = (bias[:C] - mean) / std
    bias[C:] -= 2 * std.log()
    quant.weight.copy_(weight)
    quant.bias.copy_(bias)
    weight = post.weight.double()
    post.bias.copy_(post.bias.double() + weight[:, :, 0, 0] @ mean)
    post.weight.copy_(weight * std[:, None, None])
    folded.register_to_config(scaling_factor=1.0)
    return folded
