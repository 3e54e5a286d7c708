"""What a run on a clip is known by: everything that decides the bytes."""

from dataclasses import replace
from fractions import Fraction

import pytest
from PIL import Image

from vldm_cli.pipelines.clip.job import identity
from vldm_cli.pipelines.interpolate.job import make_job
from vldm_cli.video.clip import open_clip
from vldm_cli.video.times import constant


@pytest.fixture
def job(tmp_path):
    for number in range(3):
        Image.new("RGB", (16, 16)).save(tmp_path / f"{number}.png")
    return make_job(open_clip(tmp_path), tmp_path / "o.mp4", 2, False, "cpu", crf=16)


def test_times_and_looks_and_what_goes_along_are_in_it(job):
    known = identity(job, "x")
    others = {
        "rate": {"times": constant(6, Fraction(12))},
        "start": {"times": replace(job.times, start=Fraction(1))},
        "look": {"look": replace(job.look, chroma="422")},
        "raw": {"raw": replace(job.raw, pixels="rgb48le")},
        "baggage": {"baggage": replace(job.baggage, chapters=True)},
        "crf": {"crf": 17},
        "encoder": {"encoder": "nvenc"},
        "seed": {"seed": 4},
    }
    for name, change in others.items():
        assert identity(replace(job, **change), "x") != known, name
    assert identity(job, "y") != known == identity(job, "x")


def test_a_rate_beside_a_folder_of_frames_is_in_it(job, tmp_path):
    known = identity(job, "x")
    (tmp_path / "settings.json").write_text('{"vldm": "0", "settings": {"fps": "12"}}')
    again = make_job(open_clip(tmp_path), tmp_path / "o.mp4", 2, False, "cpu", crf=16)
    assert identity(again, "x") != known
