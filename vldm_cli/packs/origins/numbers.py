"""The numbers that go with a kind of public model: those of the shipped manifest of that kind. No torch."""

from dataclasses import replace

from vldm_cli.packs.elsewhere import Elsewhere, Part
from vldm_cli.packs.manifest import Manifest
from vldm_cli.packs.origins.shipped import shipped
from vldm_cli.packs.values import shown

# The shipped manifest that has a kind's numbers. A single picture has those that it will have once it moves.
KINDS = {
    "image": "sd15-animatediff",
    "animatediff": "sd15-animatediff",
    "xl": "sdxl-animatediff",
    "lightning": "sd15-lightning",
    "lcm": "sd15-animatelcm",
    "svd": "svd-xt",
    "modelscope": "modelscope",
    "x4": "sd-x4",
}
# diffusers' schedulers → what samples as they do (`denoise.schedulers`); all others: DDIM, which needs no more of a
# schedule than every one of them has.
_SAMPLERS = {
    "DPMSolverMultistepScheduler": "dpm++",
    "EulerDiscreteScheduler": "euler",
    "LCMScheduler": "lcm",
}


NOT_STATED = "not stated"


def numbered(
    kind: str, name: str, licence: str, description: str, elsewhere: Elsewhere, size: list[int] | None = None
) -> Manifest:
    """A manifest of such parts; size: (height, width) where it is another than is usual. Its hash is still empty."""
    model = shipped()[KINDS[kind]]
    video = model.video
    multiple = video.size_multiple
    if size and all(0 < side <= 16384 and side % multiple == 0 for side in size):
        video = replace(video, height=size[0], width=size[1])
    # what a video of this kind is enlarged with; a part alone makes none
    lent = model.elsewhere.parts.get("upscaler") if len(elsewhere.parts) > 2 else None
    parts = {**({"upscaler": lent} if lent else {}), **elsewhere.parts}
    return Manifest(
        name=shown(name),
        version=1,
        licence=licence or NOT_STATED,
        description=description,
        video=video,
        defaults=model.defaults,
        files={},
        hash="",
        elsewhere=replace(elsewhere, parts=parts),
    )


def kind_of_motion(name: str) -> str:
    """The kind of motion modules by what they are called: distilled or not, their shapes are the same."""
    lower = name.lower()
    return "lightning" if "lightning" in lower else "lcm" if "lcm" in lower else "animatediff"


def schedule_of(kind: str) -> Part:
    """The noise schedule that motion modules of a kind were trained with."""
    return shipped()[KINDS[kind]].elsewhere.parts["schedule"]


def sampler_of(scheduler: str) -> str:
    """The sampler for one of diffusers' schedulers by its class."""
    return _SAMPLERS.get(scheduler, "ddim")
