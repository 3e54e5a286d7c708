"""The models of a pack, each loaded when it is first needed and kept for the next video."""

import warnings
from functools import cached_property
from threading import Lock

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from transformers import CLIPVisionModelWithProjection

from vldm_cli.align.decoder import VideoDecoder
from vldm_cli.align.fast import hasten_autoencoder, trial
from vldm_cli.align.foreign import ForeignUNet
from vldm_cli.align.space import FrameSpace, LatentSpace, PixelSpace, Space
from vldm_cli.align.unet import VideoUNet
from vldm_cli.denoise.schedulers import Scheduler, make_scheduler
from vldm_cli.denoise.times import EVEN, Times
from vldm_cli.errors import RequestError
from vldm_cli.packs import load, prepare
from vldm_cli.packs.abilities import Abilities
from vldm_cli.packs.build import Prepared
from vldm_cli.packs.pack import UPSCALERS, Pack
from vldm_cli.packs.parts import TEXTS
from vldm_cli.packs.same import PackName
from vldm_cli.packs.schedules import schedule
from vldm_cli.packs.text import TextEncoder
from vldm_cli.packs.words import Words
from vldm_cli.runs.here import Elsewhere, here
from vldm_cli.runs.memory import check_free, free_bytes, give_back, keep_freed_memory
from vldm_cli.runs.recent import Recent
from vldm_cli.stages.plan import Plan
from vldm_cli.stages.ready import has_engine, made_ready
from vldm_cli.stages.room import check_room
from vldm_cli.stages.running import AS_USUAL, Running
from vldm_cli.stages.upsampling import Model
from vldm_cli.stages.upscale import Upscaler


class Models:
    """A pack's models on one device in one dtype; on the CPU where the device is `Elsewhere`, for plans need no more.
    Raises RequestError when the device or dtype is not there."""

    def __init__(
        self,
        pack: Pack,
        device: str = "cpu",
        dtype: str = "float32",
        running: Running = AS_USUAL,
    ) -> None:
        self.pack, self.running = pack, running
        self.abilities = Abilities.of(pack.manifest)
        self._upscalers: dict[tuple[str, bool], Upscaler] = {}
        self._prepared: dict[tuple[str, bool], Prepared] = {}
        self._loaded: set[tuple[str, bool]] = set()
        self._preparing = Lock()  # for videos that are begun in several threads
        self.low = running.spares  # whether weights wait beside the GPU
        self.remarks: list[str] = []  # what is to be told of the files of what was prepared
        try:
            self.device = torch.device("cpu" if isinstance(device, Elsewhere) else device)
            torch.empty(1, device=self.device)
        except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
            raise RequestError(
                f"there is no device {device} here; leave --device out or use --device cpu"
            ) from error
        if self.device.type not in ("cpu", "cuda", "mps"):
            raise RequestError(f"vldm does not run on {device}; use --device cuda, mps or cpu")
        if self.device.type == "cpu":
            keep_freed_memory()
        found = getattr(torch, dtype, None)
        if found is None or found not in (torch.float32, torch.bfloat16, torch.float16):
            raise RequestError(f"--dtype {dtype} is none of float32, bfloat16, float16")
        self.dtype: torch.dtype = found

    def __reduce__(self):
        """Another process gets its own of the same pack, on its device: no weight is sent."""
        return opened_here, (PackName.of(self.pack), str(self.dtype).removeprefix("torch."), self.running)

    def prepare(self, *parts: str, upscaler: str | None = None, own: bool = False) -> None:
        """Finds out, before work begins, whether the weights of these parts fit their models, which are then loaded
        when they are needed; upscaler: that of a space, with its noise schedule, as for `upscaler_in`. Raises
        RequestError for what cannot be loaded."""
        if upscaler is not None and self.upscaling is not self:
            self.upscaling.prepare(upscaler=upscaler, own=own)
            upscaler = None
        wanted = [(part, False) for part in parts]
        if upscaler is not None:
            temporal, *others = _upscaler_parts(upscaler)
            wanted += [(temporal, own), *((part, False) for part in others)]
            load.upscaler_scheduler_config(self.pack, upscaler)
        with self._preparing:
            self._prepare(wanted)

    def _prepare(self, wanted: list[tuple[str, bool]]) -> None:
        for part, its_own in wanted:
            if (part, its_own) not in self._prepared and (part, its_own) not in self._loaded:
                found = prepare.prepare(self.pack, part, its_own)
                self._prepared[part, its_own] = found
                self.remarks += found.remarks

    def prepare_for(self, plan: Plan) -> None:
        """The same for all that a plan needs, by the names and in the order of its stages; and whether the device has
        room for it, whole or block by block."""
        if self.device.type == "cuda" and not self._loaded:
            # of a list, one that needs it is enough
            self.low = self.low or self.running.low(plan.estimated_peak_bytes, free_bytes(self.device))
            check_room(plan, self.running, self.low, self.device)
        self.tell_of_kernels()
        self.prepare(
            *(
                [part for part in TEXTS if part == "text" or self.pack.has(part)]
                if self.abilities.text
                else []
            ),
            *(["keyframes"] if plan.keyframe_windows or (plan.levels and self._one_for_both) else []),
            *(["interpolation"] if plan.levels and not self._one_for_both else []),
            "decoder",
            *(["unet"] if self.abilities.draws else []),
            *(["eyes"] if self.pack.has("eyes") else []),
        )
        if plan.upscale:
            # of another pack it is the one for clips: it has not made these frames
            self.prepare(upscaler=self.upscale_space, own=self.upscaling is self)

    def prepare_upscaler(self, space: str, needed: int) -> None:
        """The same for the upscaler of that space, for clips of people's own. needed: bytes on the device, by the plan.
        Raises RequestError."""
        if self.upscaling is not self:
            self.upscaling.prepare_upscaler(space, needed)
            return
        if self.device.type == "cuda" and not self._loaded:
            self.low = self.low or self.running.low(needed, free_bytes(self.device))
            check_free(needed, self.device, "a smaller --tile needs less")
        self.tell_of_kernels()
        self.prepare(upscaler=space)

    def tell_of_kernels(self) -> None:
        """What is to be told of vldm's own kernels on this device is among the remarks."""
        if self._has_engine:
            self._remark(trial.remark(self.device, self.dtype, trial.VIDEO))
        elif self.running.plain is False and self.device.type == "cuda":
            self._remark("--no-plain needs Triton, which is not installed; models run as diffusers runs them")

    def _remark(self, words: str | None) -> None:
        if words and words not in self.remarks:
            self.remarks.append(words)

    @cached_property
    def words(self) -> Words | None:
        """The tokenizer alone; None of a pack that reads no text."""
        return Words.of(self.pack) if self.abilities.text else None

    @cached_property
    def text(self) -> TextEncoder:
        assert self.words is not None  # asked for by those that read text
        return load.text_encoder(self.pack, self._load, self.words)

    @cached_property
    def keyframes(self) -> VideoUNet:
        return self._quick(self._load("keyframes"))

    @cached_property
    def drawing(self) -> ForeignUNet:
        """The image model alone, of a pack whose first frame it draws."""
        return self._quick(ForeignUNet(self._load("unet")))

    @property
    def _one_for_both(self) -> bool:
        """Whether the keyframes' model makes the frames between them too: any that was made for known frames can."""
        return "keyframes" in self.pack.named

    @cached_property
    def interpolation(self) -> VideoUNet:
        return self.keyframes if self._one_for_both else self._quick(self._load("interpolation"))

    @cached_property
    def eyes(self) -> CLIPVisionModelWithProjection:
        """What sees a picture for models that hear it in place of a text."""
        return self._load("eyes")

    @cached_property
    def decoder(self) -> VideoDecoder:
        return self._quick(self._load("decoder"))

    def _load(self, part: str, own: bool = False):
        prepared = self._prepared.pop((part, own), None) or prepare.prepare(self.pack, part, own)
        self._loaded.add((part, own))
        waits = self.low and isinstance(prepared.model, VideoUNet | ForeignUNet)
        return load.loaded(prepared, "cpu" if waits else self.device, self.dtype)

    def _quick(self, model: Model) -> Model:
        """The same model, made ready for this device."""
        return made_ready(model, self.running, self.device, self.dtype, low=self.low, engine=self._has_engine)

    def _autoencoder(self, part: str) -> AutoencoderKL:
        """An upscaler's, of single frames."""
        vae = self._load(part)
        if self._has_engine:
            hasten_autoencoder(vae)
        return vae

    @property
    def _has_engine(self) -> bool:
        return has_engine(self.running, self.device, self.dtype)

    @property
    def upscaler(self) -> Upscaler:
        """The upscaler for frames that the pack has made, of the space that it uses where nothing else is asked for."""
        return self.upscaler_in(self.upscale_space, own=self.upscaling is self)

    @cached_property
    def upscaling(self) -> "Models":
        """The models of the pack that upscales: these, unless the manifest names another pack's."""
        pack = self.pack.upscaling
        if pack is self.pack:
            return self
        dtype = str(self.dtype).removeprefix("torch.")
        return Models(Pack.open(pack.folder), str(self.device), dtype, self.running)

    @property
    def upscale_space(self) -> str:
        """Where the upscaler works that is used where nothing else is asked for."""
        return self.upscaling.pack.manifest.defaults.upscale_space

    def upscaler_in(self, space: str, own: bool = False) -> Upscaler:
        """The upscaler of that space, one of `manifest.SPACES`, for clips of people's own, or for the pack's."""
        if self.upscaling is not self:
            return self.upscaling.upscaler_in(space, own)
        if (space, own) not in self._upscalers:
            temporal, *others = _upscaler_parts(space)
            model = self._quick(self._load(temporal, own))
            made: Space = PixelSpace()
            text = None
            if space == "latent":
                made = LatentSpace(self._autoencoder(others[0]))
            elif space == "frame":
                made = FrameSpace(self._autoencoder(others[0]), prepare.low_schedule(self.pack))
                text = TextEncoder(Words.of(self.pack, others[1]), self._load(others[1]))
            self._upscalers[space, own] = Upscaler(model, made, text)
        return self._upscalers[space, own]

    @cached_property
    def latent_channels(self) -> int:
        """Channels of a latent frame."""
        return prepare.latent_channels(self.pack)

    def scheduler(self, name: str, times: Times = EVEN):
        """A new sampler over the image LDM's noise schedule, its steps taken at these times."""
        return make_scheduler(load.scheduler_config(self.pack), name, times)

    @property
    def keyframe_times(self) -> Times:
        """When the steps of keyframes are taken."""
        defaults = self.pack.manifest.defaults
        return Times(defaults.timestep_shift, defaults.timestep_last)

    def drawing_scheduler(self) -> Scheduler:
        """A new sampler for pictures that the image model draws."""
        return make_scheduler(schedule(self.pack, "image"), "ddim")

    def upscaler_scheduler(self, name: str, space: str | None = None):
        """A new sampler over the noise schedule of the upscaler of that space; None: the pack's own."""
        if self.upscaling is not self:
            return self.upscaling.upscaler_scheduler(self.upscaling.pack.manifest.defaults.scheduler, space)
        space = space or self.upscale_space
        # the pack's sampler is chosen for its keyframes; that of frame space is its own model's
        name = "ddim" if space == "frame" else name
        return make_scheduler(load.upscaler_scheduler_config(self.pack, space), name)


def _upscaler_parts(space: str) -> list[str]:
    """The temporal layers (and so the denoiser) of that space's upscaler, then its autoencoder and its text encoder
    where it has them."""
    if space == "frame":
        return ["upscaler_frame_temporal", "upscaler_frame_vae", "upscaler_frame_text"]
    vae = f"upscaler_{space}_vae"
    return [f"upscaler_{space}_temporal", *([vae] if vae in UPSCALERS[space] else [])]


_opened = Recent(give_back)


def opened_here(name: PackName, dtype: str, running: Running) -> Models:
    """The models of that pack on this process's device: the same ones, loaded already, as long as no others came
    in between. What is to be told of the device is warned of, for who began the run has another. Raises RequestError
    where the pack is not here."""

    def make() -> Models:
        running.check(here.device)
        models = Models(name.found(here.checks), here.device, dtype, running)
        models.tell_of_kernels()
        for words in models.remarks:
            warnings.warn(words, stacklevel=1)
        return models

    return _opened.once((name.hash, dtype, running), make)
