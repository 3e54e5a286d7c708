"""What the file that is asked for cannot show of a clip is refused before a frame is made."""

from fractions import Fraction

import pytest

from tests.video import clips
from vldm_cli.errors import RequestError
from vldm_cli.pipelines.clip.run import check_out
from vldm_cli.pipelines.interpolate.job import make_job
from vldm_cli.video.clip import open_clip

# Two frames 10 ms apart, then 390 ms of the second one: five frames a second, of which half are too short.
BURSTS = "settb=1/1000,setpts='400*floor(N/2)+10*mod(N,2)'"


def job_of(folder, out, slow, factor=2):
    path = clips.make(folder, "a.mkv", "-enc_time_base", "1/1000", filters=BURSTS, frames=8)
    clip = open_clip(path)
    assert clip.times.fps < 10 and clip.times.shortest == Fraction(1, 100)
    return make_job(clip, folder / out, factor, slow, "cpu", crf=16)


@pytest.mark.parametrize("slow", [False, True])
def test_frames_that_gifs_viewers_show_ten_times_as_long_are_refused(tmp_path, slow):
    """The rate on the average says nothing of them."""
    with pytest.raises(RequestError, match=r"no frame for less than 2/100 s .* use \.mp4 or \.webp"):
        check_out(job_of(tmp_path, "o.gif", slow))


@pytest.mark.parametrize("out", ["o.webp", "o.mp4", "o.mkv", "o"])
def test_elsewhere_they_may_be_short(tmp_path, out):
    check_out(job_of(tmp_path, out, slow=True))


def test_steady_ones_of_fifty_a_second_go_into_a_gif(tmp_path):
    path = clips.make(tmp_path, "a.mp4", rate="25", frames=4)
    check_out(make_job(open_clip(path), tmp_path / "o.gif", 2, False, "cpu", crf=16))
