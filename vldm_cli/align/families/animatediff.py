"""AnimateDiff (Guo et al. 2023, arXiv:2307.04725): motion modules on Stable Diffusion 1.5, 2.1 or XL; AnimateLCM and
AnimateDiff-Lightning are the same layers, distilled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import Tensor, nn

from vldm_cli.align.foreign import Place, renamed
from vldm_cli.align.positions import keep_sinusoids

# Places of the picture that are attended to at a time, each a row of a batch: beyond 65 535 rows fused attention
# overflows a dimension of CUDA's grid.
PLACES = 32768

# guoyww's own files → diffusers' MotionAdapter
_ORIGINAL = (
    (r"^module\.", ""),
    (r"\.temporal_transformer\.", "."),
    (r"\.attention_blocks\.0\.", ".attn1."),
    (r"\.attention_blocks\.1\.", ".attn2."),
    (r"\.norms\.0\.", ".norm1."),
    (r"\.norms\.1\.", ".norm2."),
    (r"\.ff_norm\.", ".norm3."),
)


@dataclass(frozen=True)
class AnimateDiff:
    """norm: what the modules' group norm sees, one frame at a time as guoyww's code, which trained them, or the whole
    "window" as diffusers'; with one frame they are the same.

    config, as in diffusers' MotionAdapter's config.json: motion_layers_per_block (2), motion_num_attention_heads (8),
    motion_norm_num_groups (32), motion_max_seq_length (32; a window may be no longer), use_motion_mid_block.
    """

    norm: str = "frame"
    image = UNet2DConditionModel
    whole = False

    @property
    def name(self) -> str:
        return "animatediff" if self.norm == "frame" else "animatediff-window"

    def image_config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        raise ValueError("motion modules come without an image model")

    def places(self, image_model: UNet2DConditionModel, config: Mapping[str, Any]) -> Iterator[Place]:
        """A module after each pair of residual block and attention, or after the residual block where there is none."""
        run = _per_frame if self.norm == "frame" else _per_window
        for name, channels in _sites(image_model, config.get("use_motion_mid_block", True)):
            module = AnimateDiffTransformer3D(
                num_attention_heads=_one(config.get("motion_num_attention_heads", 8)),
                in_channels=channels,
                attention_head_dim=channels // _one(config.get("motion_num_attention_heads", 8)),
                num_layers=1,
                norm_num_groups=config.get("motion_norm_num_groups", 32),
                cross_attention_dim=None,
                activation_fn="geglu",
                attention_bias=False,
                positional_embeddings="sinusoidal",
                num_positional_embeddings=config.get("motion_max_seq_length", 32),
            )
            keep_sinusoids(module)
            yield Place(name, module, run)

    def key(self, theirs: str, image_model: nn.Module) -> str | None:
        """Of a MotionAdapter or of guoyww's own files; names that hold no motion module, and positions, are nothing."""
        if "motion_modules." not in theirs or "pos_encoder" in theirs or "pos_embed" in theirs:
            return None
        name, _, rest = renamed(theirs, _ORIGINAL).partition(".motion_modules.")
        index, _, rest = rest.partition(".")
        block = image_model.get_submodule(name)
        return f"{name}.{_kind(block)}.{index}.temporal.{rest}"


def motion_lora_key(theirs: str) -> tuple[str, str] | None:
    """A name in a MotionLoRA file, guoyww's or diffusers' → the weight that it is added to, as a file of layers names
    it, and "down" or "up"; None for what is none."""
    name = theirs.removeprefix("unet.")
    for half in ("down", "up"):
        ends = (
            f"_lora.{half}.weight",
            f".lora.{half}.weight",
            f".lora_{'A' if half == 'down' else 'B'}.weight",
        )
        for end in ends:
            if name.endswith(end):
                base = name.removesuffix(end).replace(".processor.", ".")
                return (f"{base}.0.weight" if base.endswith("to_out") else f"{base}.weight"), half
    return None


def _sites(unet: UNet2DConditionModel, mid: bool) -> Iterator[tuple[str, int]]:
    for side in ("down_blocks", "up_blocks"):
        for i, block in enumerate(getattr(unet, side)):
            for j, resnet in enumerate(block.resnets):
                yield f"{side}.{i}.{_kind(block)}.{j}", resnet.out_channels
    if mid:
        for j, attention in enumerate(unet.mid_block.attentions):
            yield f"mid_block.attentions.{j}", attention.in_channels


def _kind(block: nn.Module) -> str:
    """What a module follows: the attention where there is one."""
    return "attentions" if getattr(block, "has_cross_attention", False) else "resnets"


def _one(number) -> int:
    """Of a number for each level, all alike in every published set, the first."""
    return number[0] if isinstance(number, list | tuple) else number


def _per_frame(
    module: AnimateDiffTransformer3D, x_NCHW: Tensor, _args: tuple, _kwargs: dict, T: int
) -> Tensor:
    return x_NCHW + _attended(module, module.norm(x_NCHW), T)


def _per_window(
    module: AnimateDiffTransformer3D, x_NCHW: Tensor, _args: tuple, _kwargs: dict, T: int
) -> Tensor:
    h_BCTHW = module.norm(x_NCHW.unflatten(0, (-1, T)).transpose(1, 2))
    return x_NCHW + _attended(module, h_BCTHW.transpose(1, 2).flatten(0, 1), T)


def _attended(module: AnimateDiffTransformer3D, h_NCHW: Tensor, T: int) -> Tensor:
    """The module after its norm: each place of the picture attends to itself in all frames."""
    N, C, H, W = h_NCHW.shape
    h_PTC = h_NCHW.unflatten(0, (-1, T)).permute(0, 3, 4, 1, 2).reshape(-1, T, C)
    parts = []
    for part_PTC in h_PTC.split(PLACES):
        part_PTC = module.proj_in(part_PTC)
        for block in module.transformer_blocks:
            part_PTC = block(part_PTC)
        parts.append(module.proj_out(part_PTC))
    h_PTC = torch.cat(parts) if len(parts) > 1 else parts[0]
    return h_PTC.view(N // T, H, W, T, C).permute(0, 3, 4, 1, 2).reshape(N, C, H, W)
