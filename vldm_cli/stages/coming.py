"""What workers get ready of a pack before they are given a unit: what importing and loading takes is then over. No
torch where it is only told."""

from collections.abc import Iterator
from dataclasses import dataclass

from vldm_cli.packs.same import PackName
from vldm_cli.runs.here import here
from vldm_cli.stages.plan import Plan
from vldm_cli.stages.running import Running


@dataclass(frozen=True)
class ComingModels:
    """Those of a pack in a number format, as `Models` takes them (a `pool.told.Coming`). plan: of the video, or None
    of many, of which all that is known is that they have keyframes."""

    pack: PackName
    dtype: str
    running: Running
    plan: Plan | None = None

    def steps(self) -> Iterator[None]:
        """The models are opened, then loaded one by one in the order in which a video needs them. On a CPU they are
        only opened: there all workers share one memory, and which of them needs which model is found out."""
        from vldm_cli.stages.models import opened_here

        models = opened_here(self.pack, self.dtype, self.running)
        yield
        if here.device.startswith("cuda"):
            for name in _needed(self.plan, models.abilities.text):
                getattr(models, name)
                yield


def _needed(plan: Plan | None, reads: bool) -> list[str]:
    """Names of `Models`, in the order in which a plan's stages need them."""
    return [
        *(["text"] if reads else []),
        *(["keyframes"] if plan is None or plan.keyframe_windows else []),
        *(["interpolation"] if plan is not None and plan.levels else []),
        "decoder",
        *(["upscaler"] if plan is not None and plan.upscale else []),
    ]
