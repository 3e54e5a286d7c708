"""How models are run: what changes nothing but speed and memory, and what is given up for speed. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from vldm_cli.errors import RequestError, shown

DEEPCACHE, CFG_SKIP, FP8 = "deepcache", "cfg-skip", "fp8"
FAST = (DEEPCACHE, CFG_SKIP, FP8)
LOWEST, LOW, AUTO, HIGH = "lowest", "low", "auto", "high"
MEMORY = (LOWEST, LOW, AUTO, HIGH)
# Of `cfg-skip`: the share of steps, from the first one on, that are guided.
GUIDED = 0.6


@dataclass(frozen=True)
class Running:
    """plain: every model as diffusers runs it; False: with vldm's own kernels, on a CUDA GPU; None: with them where
    they were measured to be the faster (`Models`). memory: of a GPU, one of `MEMORY`: weights brought there block by
    block, and those of denoisers kept in 8 bits; in the usual format; if they must be; or never. fast: of `FAST`. These
    and "lowest" alone change what is made."""

    plain: bool | None = None
    memory: str = AUTO
    fast: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Raises RequestError, one sentence, for what is none of these."""
        if self.memory not in MEMORY:
            raise RequestError(f"--memory {shown(self.memory):.40} is none of {', '.join(MEMORY)}")
        named = [self.fast] if isinstance(self.fast, str) else list(self.fast or ())
        for name in named:
            if name not in FAST:
                raise RequestError(f"--fast {shown(name):.40} is none of {', '.join(FAST)}")
        object.__setattr__(self, "fast", tuple(name for name in FAST if name in named))

    def words(self) -> list[str]:
        """The options that say it."""
        words = [] if self.plain is None else ["--plain" if self.plain else "--no-plain"]
        words += [] if self.memory == AUTO else ["--memory", self.memory]
        return [*words, *(word for name in self.fast for word in ("--fast", name))]

    @property
    def options(self) -> list[str]:
        """The names of these options."""
        return list(dict.fromkeys(word for word in self.words() if word.startswith("--")))

    @property
    def guided(self) -> float:
        """The share of steps that are guided."""
        return GUIDED if CFG_SKIP in self.fast else 1.0

    @property
    def lossy_memory(self) -> str | None:
        """What is asked of memory, where that changes what is made."""
        return LOWEST if self.memory == LOWEST else None

    @property
    def given_up(self) -> dict:
        """What changes what is made, as a video's settings tell it: nothing where nothing does."""
        told = {"fast": list(self.fast), "memory": self.lossy_memory}
        return {name: what for name, what in told.items() if what}

    def way(self, low: bool) -> str:
        """Of `MEMORY`, what a run does. low: whether weights wait beside the GPU."""
        return self.lossy_memory or (LOW if low else HIGH)

    @property
    def spares(self) -> bool:
        """Whether weights are to wait beside the GPU, however much is free there."""
        return self.memory in (LOW, LOWEST)

    def low(self, needed: int, free: int | None) -> bool:
        """Whether weights wait beside a GPU of so much free memory, where a run needs so many bytes by its plan. Those
        that are multiplied in 8 bits stay there, and so do those that are not called in every step."""
        may = self.memory == AUTO and FP8 not in self.fast and DEEPCACHE not in self.fast
        return self.spares or (may and free is not None and needed > free)

    def check(self, device: str, here: bool = True) -> None:
        """Raises RequestError for what has no meaning on that device. here: whether it is this machine's; otherwise
        what it can compute is found out by the worker there."""
        if self.spares and not device.startswith("cuda"):
            raise RequestError(
                f"--memory {self.memory} is for the memory of a GPU, and this runs on {device}; leave it out"
            )
        if self.plain is False and not device.startswith("cuda"):
            raise RequestError(f"--no-plain is for a CUDA GPU, and this runs on {device}; leave it out")
        if self.spares and DEEPCACHE in self.fast:
            raise RequestError(
                f"--fast {DEEPCACHE} keeps what --memory {self.memory} spares; leave one of them out"
            )
        if FP8 in self.fast:
            self._check_fp8(device, here)

    def _check_fp8(self, device: str, here: bool) -> None:
        if not device.startswith("cuda"):
            raise RequestError(f"--fast {FP8} is for a CUDA GPU, and this runs on {device}; leave it out")
        if self.spares:
            raise RequestError(
                f"--fast {FP8} keeps weights on the GPU and --memory {self.memory} beside it; leave one of them out"
            )
        if self.plain is False:
            raise RequestError(f"--fast {FP8} is not for vldm's own kernels; leave it or --no-plain out")
        if here:
            from vldm_cli.align.fast.fp8 import check

            check(device)


AS_USUAL = Running()
