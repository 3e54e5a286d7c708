"""The names and shapes of the original code's files, made of diffusers' own."""

import torch

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_UNET = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "class_embedding": "label_emb",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.resnets.1": "middle_block.2",
}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def unet(model) -> dict:
    """CompVis' and Stability's, of a UNet whose levels have two layers."""
    prefixes = dict(_UNET)
    for i, block in enumerate(model.up_blocks):
        for j in range(2):
            prefixes[f"down_blocks.{i}.resnets.{j}"] = f"input_blocks.{3 * i + j + 1}.0"
            prefixes[f"down_blocks.{i}.attentions.{j}"] = f"input_blocks.{3 * i + j + 1}.1"
        for j in range(3):
            prefixes[f"up_blocks.{i}.resnets.{j}"] = f"output_blocks.{3 * i + j}.0"
            prefixes[f"up_blocks.{i}.attentions.{j}"] = f"output_blocks.{3 * i + j}.1"
        prefixes[f"down_blocks.{i}.downsamplers.0.conv"] = f"input_blocks.{3 * (i + 1)}.0.op"
        after = 2 if getattr(block, "has_cross_attention", False) else 1
        prefixes[f"up_blocks.{i}.upsamplers.0"] = f"output_blocks.{3 * i + 2}.{after}"
    found = {}
    for name, tensor in model.state_dict().items():
        ours = max((p for p in prefixes if name.startswith(f"{p}.")), key=len)
        rest = name.removeprefix(f"{ours}.")
        if ".resnets." in ours:
            head, last = rest.rsplit(".", 1)
            rest = f"{_RESNET[head]}.{last}"
        found[f"model.diffusion_model.{prefixes[ours]}.{rest}"] = tensor.clone()
    return found


def vae(model, prefix="first_stage_model.") -> dict:
    """The autoencoder's; its attention is of convolutions there."""
    found, levels = {}, len(model.config.block_out_channels)
    for name, tensor in model.state_dict().items():
        for side in ("encoder", "decoder"):
            name = name.replace(f"{side}.conv_norm_out", f"{side}.norm_out")
            for j in (0, 1):
                name = name.replace(f"{side}.mid_block.resnets.{j}", f"{side}.mid.block_{j + 1}")
        for i in range(levels):
            for what, theirs in (("resnets", "block"), ("downsamplers.0", "downsample")):
                name = name.replace(f"encoder.down_blocks.{i}.{what}", f"encoder.down.{i}.{theirs}")
            for what, theirs in (("resnets", "block"), ("upsamplers.0", "upsample")):
                name = name.replace(f"decoder.up_blocks.{i}.{what}", f"decoder.up.{levels - 1 - i}.{theirs}")
        name = name.replace("conv_shortcut", "nin_shortcut")
        head, attends, rest = name.partition("mid_block.attentions.0.")
        if attends:
            layer, last = rest.rsplit(".", 1)
            name = f"{head}mid.attn_1.{_VAE_ATTENTION[layer]}.{last}"
            if layer != "group_norm" and last == "weight":
                tensor = tensor[:, :, None, None]
        found[prefix + name] = tensor.clone()
    return found


def clip(model, below="cond_stage_model.") -> dict:
    """Stable Diffusion 1's text encoder, and XL's first: transformers' of its time."""
    prefix = f"{below}transformer.text_model."
    found = {prefix + name: tensor.clone() for name, tensor in model.state_dict().items()}
    places = model.config.max_position_embeddings
    return {**found, f"{prefix}embeddings.position_ids": torch.arange(places)[None]}


def open_clip_two(model) -> dict:
    """Stable Diffusion XL's second: open_clip's, all of whose layers are used, and its projection."""
    inner = model.text_model
    found = {
        name.replace("cond_stage_model.", "conditioner.embedders.1."): tensor
        for name, tensor in open_clip(inner).items()
        if ".resblocks.23." not in name or inner.config.num_hidden_layers > 23
    }
    projection = model.text_projection.weight.T.contiguous()
    return {**found, "conditioner.embedders.1.model.text_projection": projection}


def open_clip(model) -> dict:
    """Stable Diffusion 2's: open_clip's, with the last layer, which nobody uses."""
    prefix, state = "cond_stage_model.model.", model.state_dict()
    width = model.config.hidden_size
    found = {
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
        "text_projection": torch.randn(width, width),
        "logit_scale": torch.tensor(4.6),
        "transformer.resblocks.23.ln_1.weight": torch.ones(width),
        "transformer.resblocks.23.attn.in_proj_weight": torch.randn(3 * width, width),
    }
    for i in range(model.config.num_hidden_layers):
        ours, theirs = f"encoder.layers.{i}.", f"transformer.resblocks.{i}."
        for last in ("weight", "bias"):
            joined = [state[f"{ours}self_attn.{x}_proj.{last}"] for x in "qkv"]
            found[f"{theirs}attn.in_proj_{last}"] = torch.cat(joined)
            for name, other in _OPEN_CLIP.items():
                found[f"{theirs}{other}.{last}"] = state[f"{ours}{name}.{last}"]
    return {prefix + name: tensor.clone() for name, tensor in found.items()}


def motion_modules(names: dict) -> dict:
    """guoyww's, of a MotionAdapter's or a SparseControlNetModel's."""
    return {theirs: value for name, value in names.items() for theirs in _motion_module(name)}


def _motion_module(name: str) -> list[str]:
    head, found, rest = name.partition(".motion_modules.")
    if not found:
        return [name]
    index, rest = rest.split(".", 1)
    attentions = [0, 1] if "pos_embed" in rest else [0]  # each has positions of its own
    rest = rest.replace("attn1", "attention_blocks.0").replace("attn2", "attention_blocks.1")
    rest = rest.replace("norm1", "norms.0").replace("norm2", "norms.1").replace("norm3", "ff_norm")
    return [
        f"{head}.motion_modules.{index}.temporal_transformer."
        + rest.replace("pos_embed", f"attention_blocks.{i}.pos_encoder")
        for i in attentions
    ]
