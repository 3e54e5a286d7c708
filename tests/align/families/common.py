"""What the families' tests share: image models and layers with random values in every parameter, and calls of them."""

import torch

SD15 = dict(block_out_channels=(32, 32, 64, 64), attention_head_dim=4, cross_attention_dim=16)
SD21 = dict(
    block_out_channels=(32, 32, 64, 64),
    attention_head_dim=(2, 2, 4, 4),
    cross_attention_dim=24,
    use_linear_projection=True,
)
SDXL = dict(
    block_out_channels=(32, 64, 64),
    attention_head_dim=(2, 4, 4),
    cross_attention_dim=24,
    use_linear_projection=True,
    transformer_layers_per_block=(1, 2, 3),
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    addition_embed_type="text_time",
    addition_time_embed_dim=8,
    projection_class_embeddings_input_dim=8 * 6 + 16,
)
SHAPES = {"sd15": SD15, "sd21": SD21, "sdxl": SDXL}
# AnimateDiff's schedule
LINEAR = dict(
    num_train_timesteps=1000,
    beta_start=0.00085,
    beta_end=0.012,
    beta_schedule="linear",
    steps_offset=1,
    clip_sample=False,
    timestep_spacing="linspace",
)


def randomised(model, seed=0):
    """Random values for all that starts at zero or one, so that no branch is the identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            if p.numel() and (not p.any() or bool((p == p.flatten()[0]).all())):
                p.add_(0.2 * torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p))
    return model.eval().requires_grad_(False)


def filled(model, image_model, theirs):
    """The model with every tensor of their model under its own name: names and shapes are one to one."""
    named = {model.family.key(name, image_model): t for name, t in theirs.items()}
    state = {name: t for name, t in named.items() if name is not None}
    own = image_model.state_dict()
    taken = {k: v for k, v in own.items() if ".temporal." in f".{k}" or model.family.whole}
    assert state.keys() == taken.keys()
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in taken.items()}
    image_model.load_state_dict({**own, **state})
    return model


def close(a, b):
    """Within 1e-5 of the range in float32, 1e-12 in float64."""
    assert a.dtype == b.dtype
    error, scale = (a - b).abs().max().item(), max(1.0, b.abs().max().item())
    assert error <= scale * (1e-5 if a.dtype == torch.float32 else 1e-12), error
