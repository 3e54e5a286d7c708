"""The command that makes a video again, from what is stored in it."""

import sys

from vldm_cli.packs.abilities import Abilities
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.manifest import Manifest
from vldm_cli.pipelines.generate.settings import usual_interpolation
from vldm_cli.runs.command_line import typed
from vldm_cli.stages.plan import MODEL
from vldm_cli.video.encoders import X264
from vldm_cli.video.stored import rate_in

_HEARD = ("prompt", "negative", "guidance")


def recipe(metadata: dict, out: str, manifest: Manifest | None = None) -> str:
    """The command with the settings of `metadata`; what is the default of the pack with that manifest is left out, and
    all is told where it is None."""
    settings, known = metadata["settings"], manifest and manifest.defaults
    if "clip" in metadata:
        return _of_a_clip(metadata, out)
    words = ["vldm", "generate", settings["prompt"], "--frames", settings["frames"]]
    words += ["--seed", metadata["seed"], *_pack(metadata["pack"])]
    words += ["--size", f"{settings['width']}x{settings['height']}", "--fps", settings["fps"]]
    words += ["--dtype", settings["dtype"]]
    if settings["negative"]:
        words += ["--negative", settings["negative"]]
    words += ["--as-written"] if settings.get("as_written") else []
    if settings["interpolation"] != _usual_interpolation(metadata, manifest):
        words += ["--interpolation", settings["interpolation"]]
    if _between(settings) != (known and known.between):
        words += ["--between", _between(settings)]
    if not settings["upscale"]:
        words += ["--no-upscale"]
    if settings["crf"] != 16:
        words += ["--crf", settings["crf"]]
    words += ["--encoder", settings["encoder"]] if "encoder" in settings else []
    for option, key, default in (
        ("--steps", "keyframe_steps", known and known.keyframe_steps),
        ("--guidance", "guidance", known and known.guidance),
        ("--context-guidance", "context_guidance", known and known.context_guidance),
    ):
        if settings[key] != default:
            words += [option, settings[key]]
    words += ["--replacement"] if settings.get("replacement") else []
    words += _given_up(settings)
    if settings["image_sha256"]:
        words += ["--image", "FIRST-FRAME"]
    for number, sketch in enumerate(settings.get("sketches", []), 1):
        words += ["--sketch", f"SKETCH-{number}@{sketch.partition(':')[0]}"]
    return _line(words, out)


def _between(settings: dict) -> str:
    """What filled in the frames between keyframes: the pack's model, in a video of before there was a choice."""
    return settings.get("between", MODEL)


def _usual_interpolation(metadata: dict, manifest: Manifest | None) -> int | None:
    """Frames from one keyframe to the next where a command with the same rate and filling names none; None where nobody
    knows, or the rate is damaged."""
    rate = rate_in(metadata)
    if manifest is None or rate is None:
        return None
    return usual_interpolation(manifest, Abilities.of(manifest), _between(metadata["settings"]), rate)


def _line(words: list, out: str) -> str:
    """The command of these words, the third of which is a prompt or a clip, as a shell takes it."""
    line = [*map(str, words), "-o", out]
    if line[2].startswith("-"):  # no option all the same
        line = [*line[:2], *line[3:], "--", line[2]]
    return typed(line, getattr(sys.stdout, "encoding", None) or "utf-8")


def _given_up(settings: dict) -> list[str]:
    words = ["--memory", settings["memory"]] if "memory" in settings else []
    return words + [word for name in settings.get("fast", ()) for word in ("--fast", name)]


def _pack(pack: dict) -> list[str]:
    """The options that name the pack and what was put into it."""
    choice = Choice.read(pack.get("choice"))
    return list(choice.words()) if choice else ["--pack", pack["name"]]


def _of_a_clip(metadata: dict, out: str) -> str:
    """The command on a clip, with every setting that is an option of it."""
    settings = metadata["settings"]
    words = ["vldm", metadata["command"], metadata["clip"]]
    for key in (
        "model",
        "steady",
        "scale",
        "factor",
        "space",
        "engine",
        "refiner",
        "noise",
        "steps",
        "tile",
        "dtype",
        "crf",
    ):
        if key in settings:
            words += [f"--{key}", settings[key]]
    if "encoder" in settings or metadata["command"] == "extend":
        words += ["--encoder", settings.get("encoder", X264)]
    if metadata["command"] == "upscale":
        words += ["--layers", settings["layers"]] if settings.get("layers") else []
        words += [word for key in _HEARD if settings.get(key) for word in (f"--{key}", settings[key])]
    if metadata["command"] == "extend":
        words += _of_an_extension(settings)
    words += ["--slow"] if settings.get("slow") else []
    words += ["--fps", settings["pictures_fps"]] if "pictures_fps" in settings else []
    words += _given_up(settings)
    words += ["--seed", metadata["seed"]] if metadata["seed"] is not None else []
    if metadata["pack"] and not (metadata["command"] == "interpolate" and _combined(metadata["pack"])):
        words += _pack(metadata["pack"])
    return _line(words, out)


def _combined(pack: dict) -> bool:
    """Whether more than one option names it. `interpolate` has but --pack, and finds what made the clip by itself."""
    choice = Choice.read(pack.get("choice"))
    return choice is not None and not choice.plain


def _of_an_extension(settings: dict) -> list:
    """What `extend` has beside that; all of it, since what is left out would be the clip's own."""
    words = [
        "--frames",
        settings["frames"],
        "--prompt",
        settings["prompt"],
        "--negative",
        settings["negative"],
    ]
    words += ["--guidance", settings["guidance"], "--context-guidance", settings["context_guidance"]]
    words += ["--replacement"] if settings.get("replacement") else []
    return [*words, "--only-new"] if settings["only_new"] else words
