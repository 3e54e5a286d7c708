"""The timing of training steps: every kind is run and told apart; the figures themselves are the machine's."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import PARTS
from vldm_cli.train.speed import HEADER, Speed, fastest, speeds

CPU = torch.device("cpu")


def timed(pack, parts, seconds=1e-3, compiled=False):
    return list(speeds(pack, parts, seconds, CPU, torch.float32, 1, compiled))


def test_image_models_in_both_layouts_and_video_models_in_their_own(pack, monkeypatch):
    for name in ("WARM_STEPS", "LAUNCH_STEPS", "SYNC_STEPS"):  # it is not the figures that count here
        monkeypatch.setattr(f"vldm_cli.train.speed.{name}", 1)
    before = load_file(pack.path(PARTS["vae"]))
    rows = timed(pack, ["autoencoder", "keyframes", "upscaler"])
    assert [(row.part, row.channels_last, row.compiled) for row in rows] == [
        ("autoencoder", False, False),
        ("autoencoder", True, False),
        ("keyframes", None, False),
        ("upscaler", None, False),
    ]
    assert all(row.steps_per_second > 0 and row.launch_ms > 0 and row.first_s > 0 for row in rows)
    assert all(len(str(row)) == len(HEADER) for row in rows)
    now = load_file(pack.path(PARTS["vae"]))
    assert all(torch.equal(now[name], before[name]) for name in before)


def test_the_fastest_is_told_as_options():
    def row(part, last, compiled, rate):
        return Speed(part, last, compiled, False, 1, rate, 1.0, 1.0, 0.0)

    rows = [row("image", False, False, 3), row("image", True, True, 5), row("keyframes", None, False, 2)]
    best = fastest([*rows, row("image", True, False, 4)])
    assert [(b.part, b.options) for b in best] == [("image", "--compile --channels-last"), ("keyframes", "")]
    assert fastest([row("image", True, True, 3.2), rows[0]])[0] == rows[0]  # not worth the wait
    assert row("image", False, False, 3).options == "--no-channels-last"
    assert replace(row("image", True, False, 3), recorded=True).options == "--record --channels-last"


@pytest.mark.parametrize(
    ("parts", "seconds", "words"),
    [(["probe"], 1, "'probe'"), (["unet"], 1, "'unet'"), (["image"], 0, "--seconds")],
)
def test_requests_that_cannot_be_served(pack, parts, seconds, words):
    with pytest.raises(RequestError, match=words):
        timed(pack, parts, seconds)
