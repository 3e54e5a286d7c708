"""diffusers' UNetMotionModel, in which `AnimateDiffPipeline` saves image model and motion modules as one: the
configuration of the image model in it, which has the names that it has alone. No torch."""

from typing import Any

from vldm_cli.packs.schemas import UNET

CLASS = "UNetMotionModel"
_IMAGE = "UNet2DConditionModel"


def image_config(table: Any) -> Any:
    """The configuration of the image model in such a one; any other table stays what it is."""
    if not isinstance(table, dict) or table.get("_class_name") != CLASS:
        return table
    own = {name: value for name, value in table.items() if name in UNET}
    for side in ("down_block_types", "up_block_types"):
        kinds = table.get(side)
        if isinstance(kinds, list) and all(isinstance(kind, str) for kind in kinds):
            own[side] = [kind.replace("BlockMotion", "Block2D") for kind in kinds]
    # diffusers calls the number of heads "attention_head_dim" in the one and by its name in the other
    own["attention_head_dim"] = own.pop("num_attention_heads", 8)
    return {"_class_name": _IMAGE, **own}
