"""Products in 8 bits: which layers, by which scales, and what is refused."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from tests.align import shapes
from vldm_cli.align import align
from vldm_cli.align.fast import fp8
from vldm_cli.errors import RequestError


@pytest.fixture
def torchao(monkeypatch):
    """A torchao that only notes what it is asked."""
    asked = SimpleNamespace(layers=[], how=None)

    def quantize_(model, how, taken):
        asked.how = how
        asked.layers += [name for name, module in model.named_modules() if taken(module, name)]

    package, inner = ModuleType("torchao"), ModuleType("torchao.quantization")
    vars(inner).update(
        PerRow=lambda: "row",
        PerTensor=lambda: "tensor",
        Float8DynamicActivationFloat8WeightConfig=lambda **options: options,
        quantize_=quantize_,
    )
    package.quantization = inner
    monkeypatch.setitem(sys.modules, "torchao", package)
    monkeypatch.setitem(sys.modules, "torchao.quantization", inner)
    return asked


def model(dtype=torch.float32):
    made = align(shapes.stable_diffusion_21(), head_dim=4).eval()
    shapes.randomise(made)
    return made.to(dtype)


def test_layers_that_are_taken(torchao):
    made = model()
    last = made.unet.mid_block.attentions[0].transformer_blocks[0].ff.net[2]
    nn.init.zeros_(last.weight.data[3])
    fp8.multiply_in_fp8(made)
    layers = torchao.layers
    assert any(name.endswith("attn1.to_q") for name in layers)
    assert any(name.endswith("temporal.qkv") for name in layers)
    assert not any(word in name for name in layers for word in ("emb", "norm", "temporal.out", "conv"))
    assert "mid_block.attentions.0.transformer_blocks.0.ff.net.2" not in layers  # it has a row of zeros
    linear = dict(made.unet.named_modules())
    assert all(linear[name].weight.shape[side] % 16 == 0 for name in layers for side in (0, 1))


@pytest.mark.parametrize("dtype, scales", [(torch.bfloat16, "row"), (torch.float16, "tensor")])
def test_scales_by_row_are_for_bfloat16(torchao, dtype, scales):
    fp8.multiply_in_fp8(model(dtype))
    assert torchao.how["granularity"] == scales and torchao.how["activation_value_lb"] > 0


def test_the_gpu_has_to_be_able_to(torchao, monkeypatch):
    for found, said in (((8, 9), None), ((12, 0), None), ((8, 6), "8.6"), ((7, 5), "7.5")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=found: found)
        if said is None:
            fp8.check("cuda:1")
            continue
        with pytest.raises(
            RequestError, match=f"needs a GPU of compute capability 8.9 or more, and cuda:1 has {said}; leave"
        ):
            fp8.check("cuda:1")


def test_without_torchao(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(RequestError, match=r"--fast fp8 needs torchao, which is not here; .*'vldm\[fp8\]'`"):
        fp8.check("cuda")
    monkeypatch.setitem(sys.modules, "torchao", ModuleType("torchao"))  # such as an old one
    monkeypatch.delitem(sys.modules, "torchao.quantization", raising=False)
    with pytest.raises(RequestError, match="--fast fp8 needs torchao, which cannot be loaded here"):
        fp8.check("cuda")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_by_torchao_itself_it_is_nearly_the_same(monkeypatch, dtype):
    """Its arithmetic on a CPU, where the extra is installed."""
    pytest.importorskip("torchao", reason="the extra fp8 is not installed")
    from torchao.quantization import quant_api

    monkeypatch.setattr(quant_api, "_check_hardware_support", lambda granularity: None)
    made = model(dtype)
    inputs = shapes.unet_inputs(made.unet)
    inputs = {
        n: x.to(dtype) if torch.is_tensor(x) and x.is_floating_point() else x for n, x in inputs.items()
    }
    inputs["text_BLD"][0] = 0  # as some models hear an empty text
    exact = made(**inputs).float()
    fp8.multiply_in_fp8(made)
    error = made(**inputs).float() - exact
    assert 0 < float(error.norm() / exact.norm()) < 0.1
