"""What this process is to models that were opened in another one and are needed here: a worker says it once, when it
begins; and what it is not. No torch."""

from dataclasses import dataclass


@dataclass
class _Here:
    """device: as torch names it. checks: whether the files of packs are looked at, since they may be other ones than
    where the run was begun. machine: its name, where that may be another one; or ""."""

    device: str = "cpu"
    checks: bool = False
    machine: str = ""


here = _Here()


class Elsewhere(str):
    """A kind of device, such as "cuda", of other machines: what is done there is planned here, and no such device is
    looked for."""

    __slots__ = ()
