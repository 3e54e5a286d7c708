"""Options that several commands have, each said once; and those that every command on a clip has."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, overload

import typer

from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice
from vldm_cli.stages.running import Running

if TYPE_CHECKING:
    from vldm_cli.api.lent import Lent

SUFFIXES = ".mp4, .mov, .mkv, .webm, .gif, .webp, or a folder for PNGs"

Clips = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[CLIP]...",
        help="A video, GIF or WebP, a picture, or a folder of pictures; or several, a folder of clips, or a pattern in "
        "quotes such as 'clips/*.mp4': a video is made of each.",
    ),
]
Listed = Annotated[
    Path | None,
    typer.Option(
        "--clips",
        metavar="FILE",
        help="A list in place of CLIP: a clip's name a line, or a JSON object with clip, out and other options.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        help=f"The file: {SUFFIXES}; of many videos a folder, or a name with {{index}}, {{prompt}} and {{seed}} in it; "
        "default: a name made from what it is made of.",
    ),
]
OutOfClips = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        help=f"The file: {SUFFIXES}; of many clips a folder, or a name with {{index}} and {{name}} in it; default: a "
        "name made from the clip's.",
    ),
]
Pack = Annotated[
    str,
    typer.Option(help="The model: a pack's name or folder, a diffusers folder, a checkpoint, or OWNER/NAME."),
]
Motion = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What makes an image model's pictures move: a file, a folder, a pack, or OWNER/NAME.",
    ),
]
Lora = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE[:STRENGTH]", help="A LoRA, of pictures or of motion; again for another one."),
]
Vae = Annotated[
    str | None, typer.Option(metavar="FILE", help="Another autoencoder: a file, a folder or OWNER/NAME.")
]
Embedding = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE", help="A textual inversion, a word to use in prompts; again for another one."
    ),
]
AsWritten = Annotated[
    bool,
    typer.Option(
        "--as-written", help="The prompt to the letter, not said again in words that the pack knows best."
    ),
]
Seed = Annotated[int | None, typer.Option(help="The same seed gives the same video; default: drawn.")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps; default: the pack's.")]
Guidance = Annotated[float | None, typer.Option(help="How closely to follow the text.")]
ContextGuidance = Annotated[float | None, typer.Option(help="How closely to follow the frames before.")]
Between = Annotated[
    str | None,
    typer.Option(
        metavar="model|motion", help="What makes the frames between keyframes; default: the pack's."
    ),
]
Replacement = Annotated[
    bool,
    typer.Option(
        "--replacement",
        help="Let a model go on from frames that it was not made to know: as well as it goes.",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cuda, cuda:N, mps or cpu.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
Plain = Annotated[
    bool | None,
    typer.Option(
        "--plain/--no-plain",
        help="Models as diffusers runs them, or with vldm's own kernels; default: these on CUDA GPUs from Ampere on, "
        "in 16 bits.",
    ),
]
Memory = Annotated[
    str,
    typer.Option(
        metavar="lowest|low|auto|high",
        help="Of a GPU: models there a block at a time, or whole; lowest: in 8 bits besides, and not quite the same "
        "video.",
    ),
]
Fast = Annotated[
    list[str] | None,
    typer.Option(
        metavar="deepcache|cfg-skip|fp8", help="Faster, and not quite the same video; again for another one."
    ),
]
Crf = Annotated[int, typer.Option(help="Quality of the file, 0 (best) to 51.")]
Encoder = Annotated[
    str,
    typer.Option(
        metavar="x264|nvenc", help="What encodes H.264: x264, the same bytes everywhere; or an NVIDIA GPU."
    ),
]
Preview = Annotated[
    Path | None, typer.Option(metavar="FILE.png", help="A contact sheet, refreshed meanwhile.")
]
Gpus = Annotated[
    str | None,
    typer.Option(metavar="N|all", help="So many GPUs, or all: the same video, sooner; a process each."),
]
Workers = Annotated[
    int | None, typer.Option(metavar="N", help="So many processes on the CPU, which share its threads.")
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="auto|local|HOST:PORT",
        help="The GPUs of a Ray cluster (or --gpus, --workers of it); needs vldm's extra `ray`.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only the plan.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Resume = Annotated[
    bool, typer.Option("--resume/--fresh", help="Go on where the same command stopped, or start over.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Settings, and tracebacks.")]

_Fps = Annotated[str | None, typer.Option(help="Frame rate of a folder of pictures, which has none (24).")]
_Force = Annotated[
    bool, typer.Option("--force", help="Replace an existing file; take HDR video as if it were not.")
]


@dataclass(frozen=True)
class OnClip:
    """What every command on a clip can be told, as it was told."""

    fps: _Fps = None
    device: Device = "auto"
    gpus: Gpus = None
    workers: Workers = None
    ray: Ray = None
    plain: Plain = None
    memory: Memory = "auto"
    fast: Fast = None
    preview: Preview = None
    dry_run: DryRun = False
    as_json: AsJson = False
    resume: Resume = True
    force: _Force = False
    quiet: Quiet = False
    verbose: Verbose = False

    @property
    def running(self) -> Running:
        """How models are to be run. Raises RequestError."""
        return Running(self.plain, self.memory, self.fast or ())

    def lent(self, dtype: str, command: str) -> "Lent":
        """The workers that these options ask for."""
        from vldm_cli.api.lent import lend

        begins = None if self.dry_run else command
        return lend(self.gpus, self.workers, self.ray, self.device, dtype, self.running, begins)

    def for_job(self) -> dict:
        """What goes on to the job."""
        told = ("fps", "device", "running", "preview", "resume", "force")
        return {name: getattr(self, name) for name in told}


def on_clip(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of `OnClip` after its own; it gets them together, as `common`."""
    own = inspect.signature(command)
    by_name = inspect.Parameter.KEYWORD_ONLY
    common = [
        inspect.Parameter(f.name, by_name, default=f.default, annotation=f.type) for f in fields(OnClip)
    ]

    @functools.wraps(command)
    def whole(*arguments, **options) -> None:
        told = OnClip(**{option.name: options.pop(option.name) for option in common})
        command(*arguments, **options, common=told)

    mine = [parameter for parameter in own.parameters.values() if parameter.name != "common"]
    setattr(whole, "__signature__", own.replace(parameters=[*mine, *common]))  # noqa: B010 (no attribute of functions)
    return whole


@overload
def chosen(
    pack: str, motion: str | None, lora: list[str] | None, vae: str | None, embedding: list[str] | None
) -> Choice: ...
@overload
def chosen(
    pack: None, motion: str | None, lora: list[str] | None, vae: str | None, embedding: list[str] | None
) -> None: ...
def chosen(pack, motion, lora, vae, embedding):
    """What the options name together; None where they name nothing. Raises RequestError for what is to be put into no
    named pack."""
    given = {"--motion": motion, "--lora": lora, "--vae": vae, "--embedding": embedding}
    for option, value in given.items():
        if value == "" or (isinstance(value, list) and "" in value):  # a shell's variable that is not set
            raise RequestError(f"{option} names nothing; give it a name, or leave it out")
    if pack is None:
        first = next((name for name, value in given.items() if value), None)
        if first:
            raise RequestError(f"{first} goes into a pack; name the pack with --pack")
        return None
    return Choice(pack, motion, tuple(lora or ()), vae, tuple(embedding or ()))
