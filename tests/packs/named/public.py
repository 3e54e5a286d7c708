"""Public checkpoints made small: random weights in exactly the layouts in which the large ones are published, and packs
that name them."""

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    MotionAdapter,
    PNDMScheduler,
    SparseControlNetModel,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UNet3DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from tests.align.families.common import SD15, SD21, SDXL, randomised
from vldm_cli.packs.pack import Pack

WIDTH = {"sd15": SD15["cross_attention_dim"], "sd21": SD21["cross_attention_dim"]}
XL_POOLED = SDXL["projection_class_embeddings_input_dim"] - 6 * SDXL["addition_time_embed_dim"]
TOKENS = 20


def unet(kind="sd15", **config):
    torch.manual_seed(0)
    sizes = {"sd15": SD15, "sd21": SD21, "sdxl": SDXL}[kind]
    return randomised(
        UNet2DConditionModel(sample_size=16, layers_per_block=2, norm_num_groups=8, **{**sizes, **config})
    )


def vae(**config):
    torch.manual_seed(1)
    sizes = dict(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        latent_channels=4,
        layers_per_block=2,
        sample_size=64,
    )
    return randomised(AutoencoderKL(**{**sizes, **config}), 1)


def temporal_vae():
    torch.manual_seed(2)
    model = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32, 64, 64),  # its norms have 32 groups
        down_block_types=("DownEncoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=64,
    )
    return randomised(model, 2)


def text(kind="sd15", tokens=None, layers=2):
    torch.manual_seed(3)
    config = CLIPTextConfig(
        vocab_size=tokens or len(VOCABULARY),
        hidden_size=WIDTH[kind],
        intermediate_size=32,
        projection_dim=WIDTH[kind],
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        hidden_act="quick_gelu" if kind == "sd15" else "gelu",
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )
    return randomised(CLIPTextModel(config), 3)


def text_2():
    """Stable Diffusion XL's second text encoder, for a UNet of tests' SDXL beside text()."""
    torch.manual_seed(10)
    config = CLIPTextConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=SDXL["cross_attention_dim"] - WIDTH["sd15"],
        intermediate_size=32,
        projection_dim=XL_POOLED,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        hidden_act="gelu",
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )
    return randomised(CLIPTextModelWithProjection(config), 10)


def adapter(mid=True, length=32, channels=SD15["block_out_channels"]):
    torch.manual_seed(4)
    model = MotionAdapter(
        block_out_channels=channels,
        motion_num_attention_heads=4,
        motion_norm_num_groups=8,
        motion_max_seq_length=length,
        use_motion_mid_block=mid,
    )
    return randomised(model, 4)


def sparsectrl(rgb=True):
    torch.manual_seed(5)
    own = (
        dict(conditioning_channels=4)
        if rgb
        else dict(
            conditioning_channels=3,
            use_simplified_condition_embedding=False,
            conditioning_embedding_out_channels=(4, 8, 8, 16),
        )
    )
    model = SparseControlNetModel(norm_num_groups=8, motion_num_attention_heads=4, **{**SD15, **own})
    return randomised(model, 5)


def svd_unet():
    torch.manual_seed(6)
    model = UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 32, 64, 64),
        num_attention_heads=(2, 2, 4, 4),
        cross_attention_dim=16,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
        layers_per_block=2,
        num_frames=14,
    )
    return randomised(model, 6)


def modelscope_unet():
    torch.manual_seed(7)
    model = UNet3DConditionModel(
        block_out_channels=(32, 32, 64, 64),
        attention_head_dim=16,
        cross_attention_dim=16,
        layers_per_block=2,
        norm_num_groups=8,
    )
    return randomised(model, 7)


def eyes():
    torch.manual_seed(8)
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
    )
    return randomised(CLIPVisionModelWithProjection(config), 8)


def x4_unet():
    torch.manual_seed(9)
    return randomised(
        UNet2DConditionModel(
            sample_size=16,
            in_channels=7,
            out_channels=4,
            num_class_embeds=1000,
            down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 3),
            up_block_types=(*("CrossAttnUpBlock2D",) * 3, "UpBlock2D"),
            block_out_channels=(16, 32, 32, 64),
            layers_per_block=2,
            norm_num_groups=8,
            cross_attention_dim=WIDTH["sd21"],
            attention_head_dim=4,
            only_cross_attention=(True, True, True, False),
            use_linear_projection=True,
        ),
        9,
    )


def x4_vae():
    return vae(
        block_out_channels=(8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        scaling_factor=0.08333,
    )


_LETTERS = [chr(c) for c in range(ord("a"), ord("z") + 1)]
VOCABULARY = [
    "!",
    *_LETTERS,
    *(f"{letter}</w>" for letter in _LETTERS),
    "!</w>",
    *("ba", "bal", "ball</w>", "re", "red</w>"),
    "<|startoftext|>",
    "<|endoftext|>",
]


def tokenizer(folder: Path, pad="<|endoftext|>") -> CLIPTokenizer:
    """The four files of a CLIP tokenizer, as in Stable Diffusion's repositories; and stock transformers' own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(VOCABULARY)}))
    (folder / "merges.txt").write_text("#version: 0.2\nb a\nba l\nbal l</w>\nr e\nre d</w>\n")
    ends = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    (folder / "special_tokens_map.json").write_text(json.dumps({**ends, "pad_token": pad}))
    # in Stable Diffusion 2's repository the two files disagree: the map counts
    table = {"tokenizer_class": "CLIPTokenizer", "model_max_length": TOKENS, "do_lower_case": True, **ends}
    (folder / "tokenizer_config.json").write_text(json.dumps({**table, "pad_token": "<|endoftext|>"}))
    return CLIPTokenizer.from_pretrained(folder, pad_token=pad)


def stable_diffusion(folder: Path, kind="sd15", variant=None) -> StableDiffusionPipeline:
    """A repository in diffusers' layout, and its pipeline."""
    pipe = StableDiffusionPipeline(
        vae(),
        text(kind),
        tokenizer(folder / "tokenizer", "<|endoftext|>" if kind == "sd15" else "!"),
        unet(kind),
        PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1),
        None,
        None,
        requires_safety_checker=False,
    )
    for name in ("vae", "unet", "text_encoder", "scheduler"):
        more = {} if name == "scheduler" else {"variant": variant}
        getattr(pipe, name).save_pretrained(folder / name, **more)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def stable_diffusion_xl(folder: Path) -> StableDiffusionXLPipeline:
    """Stable Diffusion XL's repository, and its pipeline."""
    pipe = StableDiffusionXLPipeline(
        vae(scaling_factor=0.13025),
        text(),
        text_2(),
        tokenizer(folder / "tokenizer"),
        tokenizer(folder / "tokenizer_2", "!"),
        unet("sdxl"),
        EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        ),
        add_watermarker=False,
    )
    for name in ("vae", "unet", "text_encoder", "text_encoder_2", "scheduler"):
        getattr(pipe, name).save_pretrained(folder / name)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def xl_parts(repository: Path) -> dict[str, dict]:
    """What a manifest says of it."""
    path = str(repository)
    return {
        **image_parts(repository),
        "text_2": {"path": path, "file": "text_encoder_2/model.safetensors"},
        "tokenizer_2": {"path": path, "file": "tokenizer_2/vocab.json"},
    }


def old_text_names(path: Path) -> None:
    """The text encoder's file as in the repositories: below `text_model`, with the numbers of its places."""
    from safetensors.torch import load_file, save_file

    state = {f"text_model.{name}": tensor for name, tensor in load_file(path).items()}
    state["text_model.embeddings.position_ids"] = torch.arange(TOKENS)[None]
    save_file(state, path)


MANIFEST = """name = "named"
version = 1
licence = "none"
description = "parts of others"
[video]
width = 64
height = 64
fps = "8"
keyframe_step = 4
window = 16
context = 2
latent_factor = 8
size_multiple = 64
[defaults]
keyframe_steps = 2
interpolation_steps = [2, 2]
guidance = 7.5
context_guidance = 1
upscale_steps = 2
upscale_noise = 0.05
scheduler = "ddim"
decode_window = 8
decode_overlap = 2
upscale_window = 4
upscale_overlap = 1
interpolation_window = 4
"""


def named(folder: Path, parts: dict[str, dict], loras=(), embeddings=(), check=True, more="") -> Pack:
    """A pack of these parts, opened."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [MANIFEST, more]
    for name, table in parts.items():
        lines += [f"[parts.{name}]", *(f"{k} = {json.dumps(v)}" for k, v in table.items())]
    for name, tables in (("loras", loras), ("embeddings", embeddings)):
        for table in tables:
            lines += [f"[[{name}]]", *(f"{k} = {json.dumps(v)}" for k, v in table.items())]
    (folder / "pack.toml").write_text("\n".join(lines) + "\n")
    return Pack.open(folder, check=check)


def image_parts(repository: Path, variant="") -> dict[str, dict]:
    """What a manifest says of a repository in diffusers' layout."""
    weights = f"diffusion_pytorch_model{variant}.safetensors"
    path = str(repository)
    return {
        "unet": {"path": path, "file": f"unet/{weights}"},
        "vae": {"path": path, "file": f"vae/{weights}"},
        "text": {"path": path, "file": f"text_encoder/model{variant}.safetensors"},
        "tokenizer": {"path": path, "file": "tokenizer/vocab.json"},
        "schedule": {"path": path, "file": "scheduler/scheduler_config.json"},
    }


def same(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    """All of their weights are ours, under the same names."""
    state = ours.state_dict()
    assert state.keys() == theirs.state_dict().keys()
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(state[name].cpu(), tensor.cpu()), name


def same_tensors(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name
