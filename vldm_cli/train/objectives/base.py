"""What every part's training has in common: its models, its bank of examples, and the methods the loop calls."""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TypeVar

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL.Image import Image
from torch import Tensor, nn

from vldm_cli.packs.pack import Pack
from vldm_cli.train.data.bank import Bank, chunk_seed
from vldm_cli.train.data.source import Source
from vldm_cli.train.looks import Looks
from vldm_cli.train.perceptual import Perceptual

# Frames rendered, decoded and encoded at a time while a bank is filled: enough to keep a large GPU busy.
CHUNK_FRAMES = 4096
# No chunk of a bank has this number. Of Toyland, what is measured and shown on it was never trained on; of folders it
# is other draws of the same files.
HELD_OUT = 2**31

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Means:
    """What every run is given: data, where it computes and in which dtype, and its sizes.

    batch: examples a step and process; bank_frames: frames held ready. rank: which process this is. channels_last:
    memory layout of image models; None is the one that was the faster on the device. record: CUDA graphs, for the
    parts that can be recorded. perceptual: LPIPS, for the parts of `PERCEPTUAL`; None to train without.
    """

    source: Source
    device: torch.device
    dtype: torch.dtype
    batch: int
    bank_frames: int
    seed: int = 0
    rank: int = 0
    compile: bool = False
    channels_last: bool | None = None
    record: bool = False
    perceptual: Perceptual | None = None


@dataclass(frozen=True, kw_only=True)
class Setup(Means):
    """What a part of a pack is given beside them: the pack. vae_roundtrip, keep_latents, teacher: see `upscaler`,
    `autoencoder` and `temporal`; outlines, fine: `image`; looks: `Looks`, for the parts of `TAUGHT`."""

    pack: Pack
    vae_roundtrip: bool = False
    keep_latents: bool = False
    teacher: Pack | None = None
    looks: Looks | None = None
    outlines: float = 0.0
    fine: float = 0.0


class Task(ABC):
    """One thing's training. Subclasses set the class attributes and fill `trained` (exported, averaged), `helpers`
    (trained beside it, such as a discriminator) and `bank`.

    frames: frames of an example. lr, batch, bank_frames: defaults on a GPU.
    """

    part: str
    # a step waits for nothing and reads what changes from tensors, so it may be recorded (see `graphs`)
    recordable: bool = False
    # what it learns by heart of frames that it sees often costs it more than rendering new ones
    renders_much: bool = False
    # whether the helpers learn in the step that `choose` settled: by progress alone, so the same in every process
    learns: bool = False
    frames: int = 1
    frame_steps: dict[int, float] = {1: 1.0}  # noqa: RUF012 (never changed)
    lr: float = 2e-4
    batch: int = 32
    bank_frames: int = 4096
    # of those that learn windows of several lengths: shares of the steps
    shorter: float
    whole: float

    def __init__(self, means: Means):
        self.means = means
        self.device, self.dtype = means.device, means.dtype
        self.trained: dict[str, nn.Module] = {}
        self.helpers: dict[str, nn.Module] = {}
        means.source.check(self.frames, self.frame_steps)
        examples = max(1, means.bank_frames // self.frames)
        chunk = max(1, min(examples // 4, CHUNK_FRAMES // self.frames))
        self.bank = Bank(self._chunk, max(1, examples // chunk), means.device)
        self.chunk_size = chunk

    @abstractmethod
    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        """n examples as the bank keeps them, a function of the seed."""

    def choose(self, progress: float) -> Hashable:
        """Settle what of the next step must be known without waiting for the GPU, such as the length of its window,
        and what the run's progress, in [0, 1), decides; random numbers are drawn on the CPU. Steps of one choice run
        the very same kernels."""
        return ()

    @abstractmethod
    def losses(self) -> dict[str, Tensor]:
        """One training step's loss under "loss" and further measurements, as `choose` settled it."""

    @abstractmethod
    def export(self) -> None:
        """Write the trained models, which hold the averaged weights now, into the pack."""

    @abstractmethod
    def sheet(self) -> tuple[Image, dict[str, float]]:
        """A picture of what the averaged weights do on held-out examples, and measurements on them."""

    def load(self, model: Model, train: bool) -> Model:
        """Bring a model loaded from the pack to device and dtype; the whole of it is trained, or none."""
        # torch's own `to`: diffusers' warns of modules that must stay in float32, of which these have none
        nn.Module.to(model.requires_grad_(train), self.device, self.dtype)
        # an encoder that only fills banks would take longer to compile than it ever runs
        compiled = self.means.compile and (train or not isinstance(model, AutoencoderKL))
        # video models choose the layout of their inputs themselves; the probe's 3D convolutions know no channels_last
        if isinstance(model, AutoencoderKL | UNet2DConditionModel):
            last = self.means.channels_last
            if last is None:
                # uncompiled on CUDA, contiguous is an eighth faster; `vldm train speed` tells
                last = compiled or self.device.type != "cuda"
            model = model.to(memory_format=torch.channels_last if last else torch.contiguous_format)
        if compiled:
            compile_blocks(model)
        return model

    def held_out(self, n: int) -> dict[str, Tensor]:
        """n examples drawn apart from those of training, always the same: of Toyland scenes that it never sees, of
        folders other cuts of the files that it does see. Made as those of the bank are, whatever the precision of what
        looks at them."""
        with torch.autocast(self.device.type, enabled=False):
            return self.examples(self.held_out_seed, n)

    @property
    def held_out_seed(self) -> int:
        return chunk_seed(self.means.seed, HELD_OUT)

    def _chunk(self, index: int) -> dict[str, Tensor]:
        return self.examples(chunk_seed(self.means.seed, self.means.rank, index), self.chunk_size)


class Objective(Task):
    """One part of a pack, and its training.

    stands_on: the parts of the pack (keys of `PARTS`, or named) that it is trained over and leaves as they are: with
    other weights of these, what it learned is worth nothing.
    """

    stands_on: tuple[str, ...] = ()

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self.setup = setup


def compile_blocks(model: nn.Module) -> None:
    """torch.compile block by block: one wait for each kind of block instead of a long one for the model.

    Every block for its own sizes: all blocks run the same code, so left to itself torch takes the second block's other
    sizes for sizes that change, and makes kernels for any size (a run compiled so was no faster than an eager one).
    """
    torch._dynamo.config.cache_size_limit = 256
    for block in model.modules():
        if isinstance(block, ResnetBlock2D | Transformer2DModel):
            block.compile(dynamic=False)
