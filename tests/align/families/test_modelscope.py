"""ModelScope's layers on a UNet2DConditionModel are diffusers' UNet3DConditionModel."""

import pytest
import torch
from diffusers import UNet2DConditionModel, UNet3DConditionModel

from tests.align.families.common import close, filled, randomised
from vldm_cli.align.families import FAMILIES
from vldm_cli.align.foreign import ForeignUNet

FAMILY = FAMILIES["modelscope"]


def pair(dtype):
    torch.manual_seed(0)
    theirs = UNet3DConditionModel(
        sample_size=16,
        block_out_channels=(32, 32, 64, 64),
        attention_head_dim=8,
        cross_attention_dim=16,
        norm_num_groups=8,
    )
    theirs = randomised(theirs).to(dtype)
    unet = UNet2DConditionModel(**FAMILY.image_config(theirs.config)).to(dtype)
    model = ForeignUNet(unet, FAMILY, theirs.config).to(dtype).eval()
    return theirs, filled(model, unet, theirs.state_dict())


@pytest.mark.parametrize(("dtype", "T"), [(torch.float32, 5), (torch.float64, 4), (torch.float32, 1)])
@torch.no_grad()
def test_it_is_diffusers_model(dtype, T):
    theirs, model = pair(dtype)
    z, text = torch.randn(2, T, 4, 16, 24, dtype=dtype), torch.randn(2, 7, 16, dtype=dtype)
    t = torch.tensor([3, 777])
    close(model(z, t, text), theirs(z.transpose(1, 2), t, text).sample.transpose(1, 2))


@torch.no_grad()
def test_off_it_is_its_image_model_bit_for_bit():
    _, model = pair(torch.float32)
    z, text, t = torch.randn(1, 3, 4, 16, 16), torch.randn(1, 7, 16), torch.tensor([500])
    with model.temporal_off():
        frames = model(z, t, text)[0]
    assert not torch.equal(frames, model(z, t, text)[0])
    # the same image model, whose blocks nothing follows: another one, its weights elsewhere in memory, may be off by a
    # rounding where a matrix is of few rows
    for block in model.unet.modules():
        block._forward_hooks.clear()
    x = z[0].contiguous(memory_format=torch.channels_last)
    assert torch.equal(frames, model.unet(x, t.repeat(3), text.repeat(3, 1, 1)).sample)


def test_real_sizes_are_one_to_one():
    with torch.device("meta"):
        theirs = UNet3DConditionModel(sample_size=32)
        unet = UNet2DConditionModel(**FAMILY.image_config(theirs.config))
        plain = {k: v.shape for k, v in unet.state_dict().items()}
        sd21 = UNet2DConditionModel(
            sample_size=96,
            cross_attention_dim=1024,
            attention_head_dim=(5, 10, 20, 20),
            use_linear_projection=True,
        )
        ForeignUNet(unet, FAMILY, theirs.config)
    assert plain == {k: v.shape for k, v in sd21.state_dict().items()}
    mapped = {FAMILY.key(k, unet): v.shape for k, v in theirs.state_dict().items()}
    assert mapped == {k: v.shape for k, v in unet.state_dict().items()}
    assert len(mapped) == 1480
    assert round(sum(s.numel() for s in mapped.values()) / 1e6, 1) == 1411.2
