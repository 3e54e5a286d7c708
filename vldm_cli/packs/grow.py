"""A larger pack that does what the given one does, for training to go on from: more layers at the finest level of the
image LDM, and words that its text encoder did not know."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import nn
from transformers import CLIPTextModel

from vldm_cli.align.temporal import read_temporal
from vldm_cli.align.unet import VideoUNet
from vldm_cli.errors import RequestError
from vldm_cli.packs.load import load_bare, load_text
from vldm_cli.packs.manifest import MANIFEST
from vldm_cli.packs.pack import PARTS, Pack
from vldm_cli.packs.save import save_part, seal
from vldm_cli.video.numbers import whole

VIDEO_PARTS = ("keyframes", "interpolation")
# Of the tokenizer's words: how far apart new ones begin, as those of new packs do (CLIP's initialisation).
WORD_DEVIATION = 0.02


def grow_pack(pack: Pack, folder: str | Path, layers: int, words: Iterable[str], seed: int = 0) -> Pack:
    """A copy of `pack` in `folder` with `layers` more layers at the finest level of its image LDM, in both halves, and
    with `words` for its text encoder where they are new to it; opened.

    New layers begin as the identity, the temporal ones after them too, and the words that were known keep their tokens
    and vectors, so the copy makes what the pack makes until it is trained. Its upscalers are copied as they are. Raises
    RequestError where the folder holds a pack already, or the pack is not one of this kind.
    """
    folder = Path(folder)
    if (folder / MANIFEST).exists():
        raise RequestError(f"{folder} already holds a pack; name another folder")
    whole("--layers", layers, 0, 32)
    text = load_text(pack).model
    unet = load_bare(pack, "keyframes")
    shutil.copytree(pack.folder, folder, dirs_exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        count = add_words(folder / "tokenizer" / "tokenizer.json", words)
        save_part(folder, "text", more_words(text, count))
        for part in filter(pack.has, VIDEO_PARTS):
            tensors, sizes = read_temporal(pack.path(PARTS[part]))
            # the layers' own initialisation is the identity: what is not replaced stays so
            video = VideoUNet(grown_unet(unet, layers), **sizes)
            own = video.temporal_state_dict()
            old = {_moved(f"{name}", unet, layers): tensor for name, tensor in tensors.items()}
            video.load_temporal_state_dict({**own, **old})
            save_part(folder, part, video)
        save_part(folder, "unet", grown_unet(unet, layers))
    seal(folder)
    return Pack.open(folder.resolve())


def grown_unet(unet: UNet2DConditionModel, layers: int) -> UNet2DConditionModel:
    """A new UNet with so many more layers at the finest level of its downward and of its upward half, which computes
    what `unet` does: new layers add nothing yet. An ordinary diffusers model."""
    per_block = _per_block(unet)
    config = {**unet.config, "layers_per_block": (per_block[0] + layers, *per_block[1:])}
    grown = UNet2DConditionModel.from_config(config)
    old = {_moved(name, unet, layers): tensor for name, tensor in unet.state_dict().items()}
    new = {name: tensor for name, tensor in grown.state_dict().items() if name not in old}
    grown.load_state_dict({**old, **new})
    fresh = {name.rsplit(".", 1)[0] for name in new}
    for name, block in grown.named_modules():
        if not any(f.startswith(f"{name}.") for f in fresh) or not name:
            continue
        if isinstance(block, ResnetBlock2D):
            _pass_through(block)
        elif isinstance(block, Transformer2DModel):
            nn.init.zeros_(block.proj_out.weight)
            nn.init.zeros_(block.proj_out.bias)
    return grown.to(next(unet.parameters()).dtype)


def more_words(text: CLIPTextModel, count: int) -> CLIPTextModel:
    """The text encoder with `count` tokens, in place: those it had keep their vectors, the others get random ones."""
    embedding = text.get_input_embeddings()
    old = embedding.weight.detach()
    weight = torch.randn(count, old.shape[1], dtype=old.dtype) * WORD_DEVIATION
    # as long as the words that it knows, so that none of them drowns the others
    weight *= old[4:].norm(dim=-1).median() / (WORD_DEVIATION * old.shape[1] ** 0.5)
    weight[: len(old)] = old
    larger = nn.Embedding(count, old.shape[1])
    larger.weight = nn.Parameter(weight)
    text.set_input_embeddings(larger)
    text.config.vocab_size = count
    return text


def add_words(tokenizer: Path, words: Iterable[str]) -> int:
    """Append to a tokenizer's file what of `words` it does not know; how many tokens it has then."""
    from tokenizers import Tokenizer

    backend = Tokenizer.from_file(str(tokenizer))
    table = json.loads(tokenizer.read_text())
    tokens = table["model"]["vocab"]
    for word in sorted(words):
        for piece, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(word)):
            tokens.setdefault(piece, len(tokens))
    tokenizer.write_text(json.dumps(table, ensure_ascii=False, indent=2))
    return len(tokens)


def _pass_through(block: ResnetBlock2D) -> None:
    """A residual block whose output is its input; of an upward half, whose input has a skip connection's channels
    behind it, what came without them."""
    nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(block.conv2.bias)
    if block.conv_shortcut is not None:
        nn.init.zeros_(block.conv_shortcut.bias)
        nn.init.dirac_(block.conv_shortcut.weight)


def _moved(name: str, unet: UNet2DConditionModel, layers: int) -> str:
    """The name of a parameter in the grown model. New layers come last in the finest downward block, and second to last
    in the upward one: its last layer hears what went into the first of the downward ones."""
    per_block = _per_block(unet)
    last = per_block[0]  # an upward block has one layer more than the downward one
    for kind in ("resnets", "attentions"):
        before, after = (f"up_blocks.{len(per_block) - 1}.{kind}.{index}." for index in (last, last + layers))
        prefix = "unet." if name.startswith("unet.") else ""
        if name.startswith(prefix + before):
            return prefix + after + name.removeprefix(prefix + before)
    return name


def _per_block(unet: UNet2DConditionModel) -> tuple[int, ...]:
    given, levels = unet.config.layers_per_block, len(unet.config.block_out_channels)
    return (given,) * levels if isinstance(given, int) else tuple(given)
