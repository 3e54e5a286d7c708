"""Long videos: how steady they are, and what has become of them at their end (METHOD §4).

A few fixed prompts whose motions never settle and whose camera stands still, so that the last second of a minute should
look like the first. The same scenes are rendered at the same times and measured in the same way.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from vldm_cli.measure.clips import Maker
from vldm_cli.measure.consistency import (
    background_flicker,
    colour_drift,
    mean_colour,
    sharpness,
    warping_error,
)
from vldm_cli.measure.distances import Features
from vldm_cli.measure.faithfulness import Tally, identity, judge, readings
from vldm_cli.measure.frechet import frechet_distance
from vldm_cli.measure.probe.probe import FRAMES, Probe
from vldm_cli.measure.probe.prompts import DRIVING, ONE, TWO, Prompt
from vldm_cli.toyland.scene import from_attributes

SEED = 960


def _objects(text: str, ground: str, sky: str, *things: str) -> tuple[str, dict]:
    """A prompt with its scene; each thing as "colour, shape, material, size, motion"."""
    names = ("colour", "shape", "material", "size", "motion")
    objects = [dict(zip(names, thing.split(", "), strict=True)) for thing in things]
    return text, {"family": "objects", "objects": objects, "ground": ground, "sky": sky, "camera": "still"}


def _road(text: str, traffic: str, roadside: str, time: str) -> tuple[str, dict]:
    road = {"traffic": traffic, "roadside": roadside, "time": time, "weather": "clear", "course": "straight"}
    return text, {"family": "driving", **road}


VIDEOS = (
    _objects("a large red ball bounces on grass by day", "grass", "day", "red, ball, matte, large, bounces"),
    _objects(
        "a large checkered blue cube spins on sand at sunset",
        *("sand", "sunset", "blue, cube, checkered, large, spins"),
    ),
    _objects(
        "a large striped yellow cylinder stands still on stone under an overcast sky",
        *("stone", "overcast", "yellow, cylinder, striped, large, stands still"),
    ),
    _road("driving on an empty road past trees by day", "empty", "trees", "day"),
    _objects(
        "a small shiny green ball orbits a large purple cone on snow by day",
        *("snow", "day", "green, ball, shiny, small, orbits", "purple, cone, matte, large, stands still"),
    ),
    _objects(
        "a large pink pyramid jumps on a wooden floor at night",
        *("wooden floor", "night", "pink, pyramid, matte, large, jumps"),
    ),
    _objects(
        "a large shiny orange ring spins on water by day",
        *("water", "day", "orange, ring, shiny, large, spins"),
    ),
    _road("driving on a road with light traffic past houses at sunset", "light", "houses", "sunset"),
)


@dataclass
class Ends:
    """What was measured on the first and on the last frames of some videos."""

    first: dict[str, list[float]] = field(default_factory=dict)
    last: dict[str, list[float]] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=lambda: {"first": Tally(), "last": Tally()})
    colour_drift: list[float] = field(default_factory=list)
    mean_change: list[float] = field(default_factory=list)
    features: dict[str, Features] = field(default_factory=lambda: {"first": Features(), "last": Features()})

    def table(self) -> dict:
        """Means over the videos, and what the last frames are to the first."""
        faithful = {end: tally.overall() for end, tally in self.tallies.items()}
        out = {
            "faithfulness": {
                **{end: _rounded(value) for end, value in faithful.items()},
                "last / first": _rounded(faithful["last"] / faithful["first"]) if faithful["first"] else None,
            },
            "colour drift": _rounded(float(np.mean(self.colour_drift))),
            "change of the mean colour": _rounded(float(np.mean(self.mean_change))),
            "read as asked": {end: tally.table() for end, tally in self.tallies.items()},
        }
        for name in self.first:
            first, last = float(np.nanmean(self.first[name])), float(np.nanmean(self.last[name]))
            out[name] = {
                "first": _rounded(first),
                "last": _rounded(last),
                "last / first": _rounded(last / first) if first else None,
            }
        return out


def prompt_of(text: str, attributes: dict) -> Prompt:
    """The prompt of one of VIDEOS: everything in its attributes is named, except the camera and what is matte."""
    if attributes["family"] == "driving":
        return Prompt(text, DRIVING, tuple((n, attributes[n]) for n in ("traffic", "roadside", "time")), ())
    objects = tuple(
        (
            thing["colour"],
            tuple((n, v) for n, v in thing.items() if n != "colour" and v not in ("matte", "stands still")),
        )
        for thing in attributes["objects"]
    )
    scene = (("ground", attributes["ground"]), ("sky", attributes["sky"]))
    return Prompt(text, ONE if len(objects) == 1 else TWO, scene, objects)


def measure_ends(ends: Ends, prompt: Prompt, first_TCHW: Tensor, last_TCHW: Tensor, probe: Probe) -> None:
    """Take in one video: its first and its last frames, as many of each."""
    for end, x_TCHW in (("first", first_TCHW), ("last", last_TCHW)):
        values = {
            "warping error": warping_error(x_TCHW),
            "background flicker": background_flicker(x_TCHW),
            "sharpness": sharpness(x_TCHW),
            "identity": _read(ends.tallies[end], ends.features[end], prompt, x_TCHW, probe),
        }
        table = getattr(ends, end)
        for name, value in values.items():
            table.setdefault(name, []).append(value)
    ends.colour_drift.append(colour_drift(first_TCHW, last_TCHW))
    change = (mean_colour(last_TCHW) - mean_colour(first_TCHW)).abs().mean()
    ends.mean_change.append(float(change))


def _read(tally: Tally, features: Features, prompt: Prompt, x_TCHW: Tensor, probe: Probe) -> float:
    """Judge the frames, eight at a time, four apart where there are enough of them; the share of single frames in
    which each object is what it is in its clip, NaN without objects."""
    step = 4 if len(x_TCHW) >= 4 * FRAMES else 1
    clips = x_TCHW.split(FRAMES * step)
    windows = torch.stack([clip[::step] for clip in clips if len(clip) == FRAMES * step] or [x_TCHW[:FRAMES]])
    answers = probe(windows, step)
    features.take(answers)
    same = []
    for i, reading in enumerate(readings(answers)):
        for verdict in judge(prompt, reading):
            # eight frames of a second and a third do not show which motion it is
            if verdict.attribute != "motion":
                tally.add(prompt.group, verdict)
        same += identity(prompt, reading, answers.frame_presence_BTK[i], answers.frame_shape_BTKV[i])
    return float(np.mean(same)) if same else float("nan")


def measure_drift(maker: Maker, probe: Probe, videos: int, frames: int, ends: int, note) -> tuple[dict, list]:
    """The table of the made and of the rendered videos, and rows (text, frames) for a picture. The first `videos` of
    VIDEOS, each of `frames` frames, with `ends` frames looked at on each end."""
    made, truth, rows = Ends(), Ends(), []
    fps = float(maker.models.pack.manifest.video.fps)
    for k, (text, attributes) in enumerate(VIDEOS[:videos]):
        note(f"drift: video {k + 1} of {videos}, {frames} frames")
        first, last = [], []
        for frame, x_CHW in enumerate(maker.video(text, frames, SEED + k)):
            if frame < ends:
                first.append(x_CHW)
            if frame >= frames - ends:
                last.append(x_CHW)
        first_TCHW, last_TCHW = torch.stack(first), torch.stack(last)
        prompt = prompt_of(text, attributes)
        measure_ends(made, prompt, first_TCHW, last_TCHW, probe)
        scenes = from_attributes([attributes], np.random.default_rng(SEED + k))
        times = np.concatenate([np.arange(ends), np.arange(frames - ends, frames)]) / fps
        x_TCHW = next(maker.rendered(scenes, times))[0]
        measure_ends(truth, prompt, x_TCHW[:ends], x_TCHW[ends:], probe)
        some = torch.linspace(0, ends - 1, 4).long().to(first_TCHW.device)
        rows.append(
            (f"{text}: first and last {ends} of {frames}", torch.cat([first_TCHW[some], last_TCHW[some]]))
        )
    table = made.table()
    # of the frames of all videos from the rendered ones' at the same times
    distance = {
        end: frechet_distance(truth.features[end].frame(), made.features[end].frame())
        for end in ("first", "last")
    }
    table["frame distance"] = {
        **{end: _rounded(value) for end, value in distance.items()},
        "last / first": _rounded(distance["last"] / distance["first"]) if distance["first"] else None,
    }
    return {
        "made": table,
        "rendered": truth.table(),
        "videos": videos,
        "frames": frames,
        "ends": ends,
    }, rows


def _rounded(value: float | None) -> float | None:
    return None if value is None or value != value else round(value, 4)
