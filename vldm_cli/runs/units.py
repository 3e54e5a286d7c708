"""Where finished windows of latents are kept, as the stages see it: in a run's journal, or nowhere."""

from typing import Protocol

from torch import Tensor


class Units(Protocol):
    """Keeps the tensors of a stage's window under its number. `Journal` is one."""

    def load(self, stage: str, index: int) -> dict[str, Tensor] | None: ...
    def save(self, stage: str, index: int, tensors: dict[str, Tensor]) -> None: ...


class NoUnits:
    """Keeps nothing: enough for stages that are pulled once, from the first item on, since each holds what its next
    window needs."""

    def load(self, stage: str, index: int) -> dict[str, Tensor] | None:
        return None

    def save(self, stage: str, index: int, tensors: dict[str, Tensor]) -> None:
        pass
