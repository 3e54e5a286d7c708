"""How models are run: what changes nothing but speed and memory, and what is given up for speed. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from vldm_cli.errors import RequestError, shown

DEEPCACHE, CFG_SKIP = "deepcache", "cfg-skip"
FAST = (DEEPCACHE, CFG_SKIP)
MEMORY = ("low", "auto", "high")
# Of `cfg-skip`: the share of steps, from the first one on, that are guided.
GUIDED = 0.6


@dataclass(frozen=True)
class Running:
    """plain: every model as diffusers runs it; otherwise with vldm's own kernels, on a CUDA GPU, which have not been
    measured on one yet. memory: of a GPU, one of
    `MEMORY`: weights brought there block by block, if they must be, or never. fast: of `FAST`; these alone change
    what is made."""

    plain: bool = True
    memory: str = "auto"
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
        words = [] if self.plain else ["--no-plain"]
        words += [] if self.memory == "auto" else ["--memory", self.memory]
        return [*words, *(word for name in self.fast for word in ("--fast", name))]

    @property
    def guided(self) -> float:
        """The share of steps that are guided."""
        return GUIDED if CFG_SKIP in self.fast else 1.0

    def low(self, needed: int, free: int | None) -> bool:
        """Whether weights wait beside a GPU of so much free memory, where a run needs so many bytes by its plan."""
        return self.memory == "low" or (self.memory == "auto" and free is not None and needed > free)

    def check(self, device: str) -> None:
        """Raises RequestError for what has no meaning on that device."""
        if self.memory == "low" and not device.startswith("cuda"):
            raise RequestError(
                f"--memory low is for the memory of a GPU, and this runs on {device}; leave it out"
            )
        if not self.plain and not device.startswith("cuda"):
            raise RequestError(f"--no-plain is for a CUDA GPU, and this runs on {device}; leave it out")
        if self.memory == "low" and DEEPCACHE in self.fast:
            raise RequestError(f"--fast {DEEPCACHE} keeps what --memory low spares; leave one of them out")


AS_USUAL = Running()
