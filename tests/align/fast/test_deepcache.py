"""DeepCache: in the second half of the steps deep blocks run at every n-th one, and are reused between."""

import torch

from tests.align import shapes
from vldm_cli.align import align
from vldm_cli.align.fast.deepcache import reuse


def hooked(unet, calls):
    forward = unet.mid_block.forward

    def counted(*args, **kwargs):
        calls.append(1)
        return forward(*args, **kwargs)

    unet.mid_block.forward = counted


def aligned(unet):
    """(the model on that UNet, with layers that do something; arguments of a call)"""
    model = align(unet, head_dim=4).eval()
    shapes.randomise(model)
    return model, shapes.unet_inputs(unet)


@torch.no_grad()
def test_deep_blocks_run_in_the_first_half_and_then_at_every_nth_step():
    unet = shapes.stable_diffusion_21()
    model, inputs = aligned(unet)
    other = {**inputs, "z_BTCHW": inputs["z_BTCHW"] + 0.1}
    exact, exact_other = model(**inputs), model(**other)
    calls: list[int] = []
    hooked(unet, calls)
    reuse(unet, model.state, every=3)
    made, ran = [], []
    for step, given in enumerate([other, inputs, inputs, inputs, other, inputs, other, other]):
        model.state.step, model.state.steps = step, 8
        made.append(model(**given))
        ran.append(len(calls))
    assert ran == [1, 2, 3, 4, 4, 4, 5, 5]
    assert torch.equal(made[3], exact) and torch.equal(made[6], exact_other)
    # the shallow blocks see what changed, the deep ones do not
    assert torch.equal(made[5], exact)
    assert not torch.equal(made[4], exact) and not torch.equal(made[4], exact_other)


@torch.no_grad()
def test_another_shape_is_computed_whole():
    unet = shapes.stable_diffusion_15()
    model = align(unet, head_dim=4).eval()
    inputs = shapes.unet_inputs(unet)
    one = shapes.first_video(inputs)
    alone = model(**one)
    reuse(unet, model.state)
    model.state.steps = 2
    model(**inputs)
    model.state.step = 1
    assert torch.equal(model(**one), alone)


@torch.no_grad()
def test_passes_of_one_step_one_after_the_other_keep_each_their_own():
    """Each overwrote what the one before had kept, so that the first pass went on with the last one's features."""
    unet = shapes.stable_diffusion_15()
    model, inputs = aligned(unet)
    passes = [inputs, {**inputs, "text_BLD": -inputs["text_BLD"]}]
    exact = [model(**one) for one in passes]
    reuse(unet, model.state)
    model.state.steps = 2
    for step in range(2):
        model.state.step = step
        made = [model(**one) for one in passes]
    assert all(torch.equal(one, other) for one, other in zip(made, exact, strict=True))
    assert not torch.allclose(*exact)


@torch.no_grad()
def test_calls_of_a_last_step_keep_nothing():
    unet = shapes.stable_diffusion_15()
    model, inputs = aligned(unet)
    other = {**inputs, "z_BTCHW": inputs["z_BTCHW"] + 0.1}
    exact = model(**inputs)
    reuse(unet, model.state)
    model.state.step, model.state.steps = 0, 1
    assert not torch.equal(model(**other), exact)
    assert torch.equal(model(**inputs), exact)
