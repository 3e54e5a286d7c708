import pytest
import torch

from tests.align.shapes import UNETS, randomise, unet_inputs
from vldm_cli.align import Context, align
from vldm_cli.denoise.guidance import Guidance, guided


@pytest.fixture
def model():
    model = align(UNETS["sd15"]()).eval()
    randomise(model)
    return model


@pytest.mark.parametrize(("text", "context"), [(1, 1), (3, 1), (1, 2), (3, 2), (0, 1), (2, 0)])
@torch.no_grad()
def test_the_formula_and_the_number_of_passes(model, text, context):
    inputs = unet_inputs(model.unet)
    z, t, c, step = (inputs[k] for k in ("z_BTCHW", "timestep", "text_BLD", "frame_step"))
    t = t[:1]
    no_text = torch.zeros_like(c)
    known = Context.leading(torch.randn_like(z), 2)
    full = model(z, t, c, context=known, frame_step=step)
    expected = full + (text - 1) * (full - model(z, t, no_text, context=known, frame_step=step))
    expected += (context - 1) * (full - model(z, t, c, context=None, frame_step=step))

    rows = []
    model.unet.register_forward_pre_hook(lambda _m, args: rows.append(len(args[0])))
    got = guided(model, z, t, c, no_text, known, Guidance(text, context), frame_step=step)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    assert rows == [z.shape[0] * z.shape[1] * (1 + (text != 1) + (context != 1))]


@torch.no_grad()
def test_without_known_frames_context_guidance_costs_nothing(model):
    inputs = unet_inputs(model.unet)
    rows = []
    model.unet.register_forward_pre_hook(lambda _m, args: rows.append(len(args[0])))
    empty = Context.none(2, 5, 4, 8, 12)
    guided(model, inputs["z_BTCHW"], torch.tensor(5), inputs["text_BLD"], None, empty, Guidance(1, 3))
    assert rows == [10]


def test_text_guidance_needs_a_negative_prompt(model):
    inputs = unet_inputs(model.unet)
    with pytest.raises(ValueError, match="negative"):
        guided(model, inputs["z_BTCHW"], torch.tensor(5), inputs["text_BLD"], None, None, Guidance(2))


def test_there_is_guidance_from_its_share_of_noise_on():
    guidance = Guidance(3, 1.5, from_noise=0.9)
    assert guidance.at(0.9) == guidance.at(1.0) == guidance
    assert guidance.at(0.89) == Guidance(1, 1, from_noise=0.9)
    assert Guidance(3).at(0.0) == Guidance(3)


def test_there_is_guidance_until_its_share_of_steps_is_done():
    guidance = Guidance(3, 1.5, until=0.6)
    assert guidance.at(0.5, 0.0) == guidance.at(0.5, 0.59) == guidance
    assert guidance.at(0.5, 0.6) == Guidance(1, 1, until=0.6)


@torch.no_grad()
def test_passes_made_one_after_the_other_are_the_same(model):
    inputs = unet_inputs(model.unet)
    z, c = inputs["z_BTCHW"], inputs["text_BLD"]
    known = Context.leading(torch.randn_like(z), 2)
    args = (model, z, torch.tensor(300), c, -c, known, Guidance(3, 2))
    together, rows = guided(*args), []
    model.unet.register_forward_pre_hook(lambda _m, args: rows.append(len(args[0])))
    torch.testing.assert_close(guided(*args, together=False), together, rtol=1e-4, atol=1e-4)
    assert rows == [10, 10, 10]


@torch.no_grad()
def test_rescaling_brings_back_the_spread(model):
    inputs = unet_inputs(model.unet)
    z, c = inputs["z_BTCHW"], inputs["text_BLD"]
    args = (model, z, torch.tensor(300), c, -5 * c, None)
    plain, strong, tamed = (guided(*args, g) for g in (Guidance(), Guidance(9), Guidance(9, rescale=1.0)))
    assert strong.std() > 1.05 * plain.std()
    torch.testing.assert_close(tamed.std((1, 2, 3, 4)), plain.std((1, 2, 3, 4)), rtol=1e-3, atol=1e-3)
