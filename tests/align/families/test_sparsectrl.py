"""SparseCtrl is AnimateDiff's context: its pipeline is our loop with a `Context` of any pattern."""

import pytest
import torch
from diffusers import AnimateDiffSparseControlNetPipeline, DDIMScheduler, SparseControlNetModel
from PIL import Image

from tests.align.families.common import LINEAR, SD15, close, filled, randomised
from tests.align.families.test_animatediff import WINDOW, adapter_for, image, motion_model, tiny_vae
from vldm_cli.align.context import Context
from vldm_cli.align.foreign import ForeignUNet
from vldm_cli.align.readers import Sketches, SparseCtrl
from vldm_cli.denoise.guidance import Guidance
from vldm_cli.denoise.sampler import sample
from vldm_cli.denoise.schedulers import make_scheduler

T, H, W = 6, 64, 96


def network(scribble=False):
    torch.manual_seed(0)
    return randomised(
        SparseControlNetModel(
            block_out_channels=SD15["block_out_channels"],
            cross_attention_dim=SD15["cross_attention_dim"],
            attention_head_dim=SD15["attention_head_dim"],
            norm_num_groups=8,
            motion_num_attention_heads=4,
            conditioning_channels=3 if scribble else 4,
            use_simplified_condition_embedding=not scribble,
            conditioning_embedding_out_channels=(8, 8, 16, 16),
        ),
        2,
    )


def with_reader(reader, sketcher=None):
    adapter, unet = adapter_for("sd15", False), image("sd15")
    model = ForeignUNet(unet, WINDOW, adapter.config, reader, sketcher=sketcher)
    return filled(model.eval(), unet, adapter.state_dict())


@pytest.mark.parametrize(
    ("known", "scribble"),
    [
        ([0], False),
        ([0, 5], False),
        *(pytest.param(known, False, marks=pytest.mark.long) for known in ([0, 1], [0, 2, 4])),
        ([0, 5], True),
    ],
)
@torch.no_grad()
def test_the_whole_pipeline(known, scribble):
    reads, vae = network(scribble), randomised(tiny_vae(), 3)
    theirs = motion_model("sd15", adapter_for("sd15", False))
    pipe = AnimateDiffSparseControlNetPipeline(vae, None, None, theirs, None, reads, DDIMScheduler(**LINEAR))
    pipe.set_progress_bar_config(disable=True)
    g = torch.Generator().manual_seed(4)
    pictures = [
        Image.fromarray(torch.randint(0, 256, (H, W, 3), generator=g, dtype=torch.uint8).numpy())
        for _ in known
    ]
    noise = torch.randn(1, 4, T, H // 8, W // 8, generator=g)
    text, negative = torch.randn(1, 7, 16, generator=g), torch.randn(1, 7, 16, generator=g)
    torch.manual_seed(11)  # the pipeline draws from the encoder's posterior without a generator
    made = pipe(
        prompt_embeds=text,
        negative_prompt_embeds=negative,
        conditioning_frames=pictures,
        controlnet_frame_indices=known,
        controlnet_conditioning_scale=0.8,
        num_frames=T,
        height=H,
        width=W,
        num_inference_steps=3,
        guidance_scale=7.5,
        latents=noise.clone(),
        output_type="latent",
    ).frames.transpose(1, 2)
    torch.manual_seed(11)
    given = pipe.prepare_image(pictures, W, H, "cpu", torch.float32)
    z, pixels, mask = torch.zeros(1, T, 4, H // 8, W // 8), torch.zeros(1, T, 3, H, W), torch.zeros(1, T)
    mask[:, known] = 1
    if scribble:
        pixels[:, known] = given.transpose(1, 2)
        how = {"sketch_BTCHW": pixels, "sketch_mask_BT": mask}
        model, known = with_reader(None, Sketches(reads, 0.8)), []
    else:
        z[:, known] = given.transpose(1, 2)
        model, how = with_reader(SparseCtrl(reads, 0.8)), {"context": Context.at(z, mask)}
    ours = sample(
        model,
        make_scheduler(LINEAR, "ddim"),
        noise.transpose(1, 2),
        steps=3,
        text_BLD=text,
        negative_BLD=negative,
        guidance=Guidance(7.5),
        **how,
    )
    free = [i for i in range(T) if i not in known]
    torch.testing.assert_close(ours[:, free], made[:, free], rtol=1e-4, atol=2e-4)
    assert torch.equal(ours[:, known], z[:, known])


@torch.no_grad()
def test_a_video_of_which_nothing_is_known_is_animatediff_alone():
    z, t, text = torch.randn(1, T, 4, 8, 12), torch.tensor(500), torch.randn(1, 7, 16)
    empty = Context.at(torch.randn_like(z), torch.zeros(1, T))
    full = Context.at(torch.randn_like(z), torch.ones(1, T))
    model = with_reader(SparseCtrl(network()))
    both = model(z.repeat(2, 1, 1, 1, 1), t, text.repeat(2, 1, 1), context=Context.cat([empty, full]))
    alone = with_reader(None)(z, t, text)
    close(both[:1], alone)
    close(model(z, t, text), alone)
    assert not torch.allclose(both[1:], alone, atol=1e-2)


@torch.no_grad()
def test_known_frames_and_sketches_go_together():
    """What each adds to the blocks is added up, and a video without a sketch is as without what reads them."""
    z, t, text = torch.randn(2, T, 4, 8, 12), torch.tensor(500), torch.randn(2, 7, 16)
    context = Context.leading(torch.randn_like(z), 2)
    sketch, mask = torch.rand(2, T, 3, 64, 96), torch.zeros(2, T)
    mask[1, 3] = 1
    reader, sketcher = SparseCtrl(network()), Sketches(network(True))
    both = with_reader(reader, sketcher)(
        z, t, text, context=context, sketch_BTCHW=sketch, sketch_mask_BT=mask
    )
    known = with_reader(reader)(z, t, text, context=context)
    close(both[:1], known[:1])
    assert not torch.allclose(both[1:], known[1:], atol=1e-2)
    B, read = 2, reader(z, t.expand(2), text, context)
    drawn = sketcher(z, t.expand(2), text, sketch, mask)
    added = read.with_residuals(drawn).residuals
    for name, which in added.items():
        for a, b, c in zip(
            *([x] if torch.is_tensor(x) else x for x in (which, read.residuals[name], drawn[name])),
            strict=True,
        ):
            assert len(a) == B * T
            torch.testing.assert_close(a, b + c)


@pytest.mark.parametrize(("more", "millions"), [({}, 497), ({"conditioning_channels": 3}, 497)])
def test_real_sizes(more, millions):
    with torch.device("meta"):
        n = sum(p.numel() for p in SparseControlNetModel(**more).parameters())
    assert round(n / 1e6) == millions
