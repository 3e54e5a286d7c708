"""What the original code calls the blocks of a UNet2DConditionModel: kohya's LoRAs of Stable Diffusion XL use that."""

from collections.abc import Iterator

from diffusers import UNet2DConditionModel
from torch import nn

_AROUND = {
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
_RESNET = {
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def original_names(unet: nn.Module) -> dict[str, str]:
    """Modules of the image model by the names that the original code has for them; none of any other model."""
    if not isinstance(unet, UNet2DConditionModel):
        return {}
    blocks = {**_AROUND, **dict(_down(unet)), **dict(_up(unet))}
    found = {}
    for name, _ in unet.named_modules():
        ours = name
        while ours and ours not in blocks:
            ours = ours.rpartition(".")[0]
        if ours:
            rest = name[len(ours) :]
            if ".resnets." in f".{ours}":
                rest = "".join(f".{_RESNET.get(part, part)}" for part in rest.split(".")[1:])
            found[blocks[ours] + rest] = name
    return found


def _down(unet: UNet2DConditionModel) -> Iterator[tuple[str, str]]:
    number = 1
    for i, block in enumerate(unet.down_blocks):
        for j in range(len(block.resnets)):
            yield f"down_blocks.{i}.resnets.{j}", f"input_blocks.{number}.0"
            yield f"down_blocks.{i}.attentions.{j}", f"input_blocks.{number}.1"
            number += 1
        if block.downsamplers:
            yield f"down_blocks.{i}.downsamplers.0.conv", f"input_blocks.{number}.0.op"
            number += 1


def _up(unet: UNet2DConditionModel) -> Iterator[tuple[str, str]]:
    number = 0
    for i, block in enumerate(unet.up_blocks):
        for j in range(len(block.resnets)):
            yield f"up_blocks.{i}.resnets.{j}", f"output_blocks.{number}.0"
            yield f"up_blocks.{i}.attentions.{j}", f"output_blocks.{number}.1"
            number += 1
        # it comes last of its level, behind an attention if there is one
        after = 2 if getattr(block, "has_cross_attention", False) else 1
        yield f"up_blocks.{i}.upsamplers.0", f"output_blocks.{number - 1}.{after}"
