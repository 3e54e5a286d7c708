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


@torch.no_grad()
def test_deep_blocks_run_in_the_first_half_and_then_at_every_nth_step():
    unet = shapes.stable_diffusion_21()
    model = align(unet, head_dim=4).eval()
    shapes.randomise(model)
    inputs, other = shapes.unet_inputs(unet), shapes.unet_inputs(unet)
    other["z_BTCHW"] = other["z_BTCHW"] + 0.1
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
