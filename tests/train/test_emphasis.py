"""What is emphasised reaches the loss, the times and the run's identity."""

from dataclasses import replace

import pytest
import torch

from tests.train.common import setup
from vldm_cli.errors import RequestError
from vldm_cli.toyland.dataset import Drawing
from vldm_cli.train.data.source import ToylandSource
from vldm_cli.train.diffusion import Diffusion
from vldm_cli.train.emphasis import FINE, OUTLINES, PLAIN, REPEATED, ROLLING, SPINNING, Emphasis, emphasis
from vldm_cli.train.objectives.image import Image


def test_defaults_by_part():
    heard = Emphasis(plain=PLAIN, repeated=REPEATED)
    assert emphasis("image") == replace(heard, outlines=OUTLINES, fine=FINE, rolling=ROLLING)
    assert emphasis("keyframes") == heard
    assert emphasis("decoder").identity == {}
    assert emphasis("probe") == Emphasis(spinning=SPINNING["probe"], repeated=REPEATED)
    assert emphasis("keyframes", spinning=2, plain=0).identity == {"spinning": 2}
    assert emphasis("image", 0, 0, 1, 0).identity == {}
    assert emphasis("image", 2, None, None, 0).identity == {"outlines": 2, "fine": FINE, "rolling": ROLLING}


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (("keyframes", 1.0, None, None, None), "--outlines is for image"),
        (("decoder", None, None, None, 0.5), "--plain is for"),
        (("image", -1.0, None, None, None), "--outlines -1.0 is no number from 0 to 1000"),
        (("image", None, 1.5, None, None), "--fine 1.5 is"),
        (("image", None, None, 0.0, None), "--rolling 0.0 is"),
        (("image", None, None, None, 2.0), "--plain 2.0 is"),
        (
            ("decoder", None, None, None, None, 2.0),
            "--spinning is for probe, image, keyframes, not for decoder",
        ),
        (("probe", None, None, None, None, 0.0), "--spinning 0.0 is"),
    ],
)
def test_refusals(given, word):
    with pytest.raises(RequestError, match=word):
        emphasis(*given)


def test_low_noise_is_drawn_more_often():
    torch.manual_seed(0)
    diffusion = Diffusion(
        {"num_train_timesteps": 1000, "prediction_type": "v_prediction"}, torch.device("cpu")
    )
    share = [(diffusion.times(4000, first=f, below=0.3) < 300).float().mean() for f in (0.0, 0.5)]
    assert abs(share[0] - 0.3) < 0.05 and abs(share[1] - 0.65) < 0.05


def test_cells_on_outlines_count_more(tiny_pack):
    video = tiny_pack.manifest.video
    drawing = Drawing(plain=0.5, cell=video.latent_factor)
    source = ToylandSource((video.height, video.width), video.fps, torch.device("cpu"), drawing=drawing)
    objective = Image(setup(tiny_pack, source=source, outlines=3.0, fine=0.25))
    objective.bank.add()
    marks = objective.bank.tensors["outlines"]
    assert marks.shape[1:] == objective.bank.tensors["z"].shape[-2:] and marks.dtype == torch.bool
    measured = objective.losses()
    low, high = sorted((measured["plain"].item(), measured["on_outlines"].item()))
    assert low <= measured["loss"].item() <= high
    measured["loss"].backward()
