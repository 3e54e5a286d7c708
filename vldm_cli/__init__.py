"""vldm: long, high-resolution video from text with a Video LDM (Blattmann et al., CVPR 2023).

    import vldm_cli as vldm

    pack = vldm.load_pack("toyland")
    video = vldm.generate("a red ball bounces", "ball.mp4", pack=pack, frames=48, seed=7, on_progress=print)
    for frames in vldm.stream("a red ball bounces", pack=pack, frames=240):  # uint8 (N, H, W, 3)
        ...

The functions take what the commands of the same names take, check it alike and make the same files. They raise
RequestError for what cannot be served, with nothing written, and RunError when it breaks while running; each is one
sentence, in which an option is named as on the command line (`--out` is `out=`). Importing this module loads neither
torch nor diffusers; the first use of a name does what it needs.
"""

# What the program begins with is this file, and only then it listens to signals: here nothing is imported.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from vldm_cli.api.extend import extend
    from vldm_cli.api.generate import generate
    from vldm_cli.api.info import Info, info
    from vldm_cli.api.interpolate import interpolate
    from vldm_cli.api.packs import LoadedPack, load_pack
    from vldm_cli.api.pull import pull_pack
    from vldm_cli.api.stream import Stream, stream
    from vldm_cli.api.upscale import upscale
    from vldm_cli.errors import RequestError, RunError
    from vldm_cli.runs.events import ProgressEvent
    from vldm_cli.runs.result import Video
    from vldm_cli.stages.running import Running

__version__ = "0.1.0"
__all__ = [
    "Info",
    "LoadedPack",
    "ProgressEvent",
    "RequestError",
    "RunError",
    "Running",
    "Stream",
    "Video",
    "extend",
    "generate",
    "info",
    "interpolate",
    "load_pack",
    "pull_pack",
    "stream",
    "upscale",
]

_HOMES = {
    "Info": "api.info",
    "LoadedPack": "api.packs",
    "ProgressEvent": "runs.events",
    "RequestError": "errors",
    "RunError": "errors",
    "Running": "stages.running",
    "Stream": "api.stream",
    "Video": "runs.result",
    "load_pack": "api.packs",
    "pull_pack": "api.pull",
    **{name: f"api.{name}" for name in ("extend", "generate", "info", "interpolate", "stream", "upscale")},
}


def __getattr__(name: str) -> object:
    """The public names, each from its module when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
