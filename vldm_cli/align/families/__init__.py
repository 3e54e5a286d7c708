"""Families of temporal layers that others have trained, one file each; `FAMILIES` has them by the name in manifests."""

from vldm_cli.align.families.animatediff import AnimateDiff
from vldm_cli.align.families.modelscope import ModelScope
from vldm_cli.align.families.svd import StableVideoDiffusion
from vldm_cli.align.families.svd_decoder import StableVideoDecoder
from vldm_cli.align.foreign import Family

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        AnimateDiff(),
        AnimateDiff(norm="window"),
        StableVideoDiffusion(),
        StableVideoDecoder(),
        ModelScope(),
    )
}
