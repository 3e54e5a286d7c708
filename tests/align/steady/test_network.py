"""Temporal layers on networks for pictures of several makes."""

import pytest
import torch
from safetensors.torch import load_file
from spandrel import MAIN_REGISTRY
from spandrel.architectures.DAT import DAT
from spandrel.architectures.SPAN import SPAN
from spandrel.architectures.SwinIR import SwinIR

from tests import networks
from vldm_cli.align.network import ImageNetwork
from vldm_cli.align.steady.body import find_body, from_maps, to_maps, token_size
from vldm_cli.align.steady.layers import LARGEST_SHARE, TABLE
from vldm_cli.align.steady.network import align_network, motion_before
from vldm_cli.align.steady.saved import Others, alike, fingerprint, load_layers, save_layers


def of_weights(state):
    found = MAIN_REGISTRY.load(state)
    return ImageNetwork(found.model, lambda x: found.model(x), found.scale, found.input_channels)


def of_module(module, scale, multiple=1):
    torch.manual_seed(0)
    return ImageNetwork(module.float(), module, scale, multiple=multiple)


MAKES = {
    "esrgan x4": (lambda: of_weights(networks.esrgan(blocks=3)), "RRDB", 3, "maps"),
    "esrgan x2, which folds": (lambda: of_weights(networks.esrgan(2, blocks=3)), "RRDB", 3, "maps"),
    "esrgan with opacity": (lambda: of_weights(networks.esrgan(channels=4, blocks=2)), "RRDB", 2, "maps"),
    "compact x3": (lambda: of_weights(networks.compact(3, depth=3)), "Conv2d", 4, "maps"),
    "span": (
        lambda: of_module(SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2), 2),
        "SPAB",
        6,
        "maps",
    ),
    "swinir, of tokens": (
        lambda: of_module(
            SwinIR(
                img_size=16,
                embed_dim=12,
                depths=[1, 1, 1],
                num_heads=[2, 2, 2],
                window_size=8,
                upscale=2,
                upsampler="pixelshuffledirect",
            ),
            2,
            8,
        ),
        "RSTB",
        3,
        "tokens",
    ),
    "dat, of tokens": (
        lambda: of_module(
            DAT(
                img_size=16,
                embed_dim=32,
                split_size=[4, 4],
                depth=[1, 1],
                num_heads=[2, 2],
                upscale=2,
                upsampler="pixelshuffledirect",
            ),
            2,
            4,
        ),
        "ResidualGroup",
        2,
        "tokens",
    ),
}


def clip(T=3, height=16, width=24, clips=1):
    torch.manual_seed(1)
    still = torch.nn.functional.interpolate(
        torch.rand(clips, 3, height // 3, width // 3), (height, width + T), mode="bicubic"
    )
    return torch.stack([still[..., t : t + width] for t in range(T)], 1).clamp(0, 1)


def shaken(steady, by=0.05):
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in steady.layers.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    return steady


@pytest.mark.parametrize("make", MAKES)
@torch.no_grad()
def test_new_layers_change_nothing_and_others_see_the_frame_before(make):
    build, kind, count, layout = MAKES[make]
    image = build()
    steady, x_BTCHW = align_network(image), clip()
    body = steady.body
    assert (type(body.modules[0]).__name__, len(body.modules), body.layout) == (kind, count, layout)
    moved = motion_before(x_BTCHW)
    alone = steady.alone(x_BTCHW[0])[None]
    torch.testing.assert_close(steady(x_BTCHW, moved, steady.begin()), alone, atol=1e-5, rtol=1e-5)
    shaken(steady)
    before, after = steady(x_BTCHW, moved, steady.begin()), x_BTCHW.clone()
    after[:, 0] = 1 - after[:, 0]
    changed = (steady(after, moved, steady.begin()) - before).abs().mean((0, 2, 3, 4))
    assert (changed > 1e-5).all()
    # outside of its call the network is what it was
    torch.testing.assert_close(steady.alone(x_BTCHW[0])[None], alone, atol=0, rtol=0)
    assert not any(block._forward_hooks for block in steady.blocks)


@torch.no_grad()
def test_frame_after_frame_is_the_same_as_all_at_once():
    steady = shaken(align_network(of_weights(networks.esrgan(blocks=3))))
    x_BTCHW = clip(4, clips=2)
    whole = steady(x_BTCHW, motion_before(x_BTCHW), steady.begin())
    state, before, made = steady.begin(), None, []
    for t in range(4):
        frame = x_BTCHW[:, t : t + 1]
        made.append(steady(frame, motion_before(frame, before), state))
        before = x_BTCHW[:, t]
    torch.testing.assert_close(torch.cat(made, 1), whole, atol=1e-5, rtol=1e-5)


def test_layers_are_small_beside_the_network():
    image = of_weights(networks.esrgan(width=64, blocks=3))
    layers = align_network(image).layers
    assert sum(p.numel() for p in layers.parameters()) <= LARGEST_SHARE * image.weights
    largest = align_network(image, TABLE[0]).layers
    assert 2 * sum(p.numel() for p in largest.parameters()) <= 3 * 2**20  # bytes in 16 bits


def test_only_the_layers_learn():
    steady = align_network(of_weights(networks.esrgan(blocks=2)))
    x_BTCHW = clip()
    shaken(steady)(x_BTCHW, motion_before(x_BTCHW), steady.begin()).square().mean().backward()
    assert all(p.grad is None for p in steady.image.module.parameters())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in steady.layers.parameters())


def test_motion_is_found_and_a_first_frame_has_none():
    x_BTCHW = clip(3, 48, 64)
    flow_BTCHW, agree_BTCHW = motion_before(x_BTCHW)
    assert not flow_BTCHW[:, 0].any() and not agree_BTCHW[:, 0].any()
    inner = flow_BTCHW[0, 1:, :, 8:-8, 8:-8]
    assert (inner[:, 0] - 1).abs().median() < 0.1 and inner[:, 1].abs().median() < 0.1
    assert agree_BTCHW[0, 1:, :, 8:-8, 8:-8].mean() > 0.9
    again = motion_before(x_BTCHW[:, 1:], x_BTCHW[:, 0])
    torch.testing.assert_close(again[0], flow_BTCHW[:, 1:])


@pytest.mark.parametrize("layout", ["maps", "last", "tokens"])
def test_layouts_there_and_back(layout):
    maps = torch.rand(2, 5, 8, 16)
    assert torch.equal(to_maps(from_maps(maps, layout), layout, 7, 13), maps)


def test_tokens_of_padded_pictures():
    assert token_size(24 * 40, 24, 40) == (24, 40) and token_size(24 * 40, 20, 35) == (24, 40)
    with pytest.raises(ValueError, match="lie in no rows"):
        token_size(23, 24, 40)


def test_a_network_without_a_body():
    module = torch.nn.Conv2d(3, 3, 3, 1, 1)
    with pytest.raises(ValueError, match="no row of like blocks"):
        find_body(module, module, 3)


@torch.no_grad()
def test_a_file_knows_its_network_by_its_weights(tmp_path):
    state = networks.esrgan(blocks=2)
    steady, path = shaken(align_network(of_weights(state))), tmp_path / "layers.safetensors"
    save_layers(path, steady, {"network": "mine"})
    halved = of_weights({name: value.half().float() for name, value in state.items()})
    again, x_BTCHW = load_layers(path, halved), clip()
    assert alike(halved.module, fingerprint(steady.image.module))
    wanted = steady(x_BTCHW, motion_before(x_BTCHW), steady.begin())
    made = again(x_BTCHW, motion_before(x_BTCHW), again.begin())
    assert (made - wanted).abs().max() < 0.02 and again.layers.sizes == steady.layers.sizes
    for other in (networks.esrgan(blocks=2, seed=1), networks.esrgan(blocks=3), networks.compact()):
        with pytest.raises(Others, match="is for mine"):
            load_layers(path, of_weights(other))
    assert not any(name.startswith("image") for name in load_file(path))


@pytest.mark.parametrize("name", ["esrgan x4", "esrgan x2, which folds", "compact x3", "span"])
def test_a_network_of_convolutions_makes_the_same_in_channels_last(name):
    """As it runs on a GPU in 16 bits, with its temporal layers on it too."""
    image = MAKES[name][0]()
    assert image.convolutional
    steady = align_network(image, TABLE[-1])
    x_BTCHW = torch.rand(1, 2, 3, 24, 20)
    moved = motion_before(x_BTCHW)
    made = image.enlarged(x_BTCHW[0, 0]), steady(x_BTCHW, moved, steady.begin())
    image.module.to(memory_format=torch.channels_last)
    again = image.enlarged(x_BTCHW[0, 0]), steady(x_BTCHW, moved, steady.begin())
    for a, b in zip(made, again, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_one_with_attention_is_left_as_it_lies():
    assert not MAKES["swinir, of tokens"][0]().convolutional
