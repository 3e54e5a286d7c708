"""What a clip says of the whole picture goes along where ffmpeg can say it of new frames, or is missed aloud."""

from dataclasses import replace

import pytest

from tests.video import clips
from vldm_cli.video import beside as module
from vldm_cli.video.beside import beside
from vldm_cli.video.kinds import KINDS
from vldm_cli.video.probe import inspect

DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
HDR10 = ["-mastering_display", DISPLAY, "-content_light", "1000,400"]
SEEN = "r(0.6800,0.3200) g(0.2650,0.6900) b(0.1500 0.0600) wp(0.3127, 0.3290) min_luminance=0.000100, max_luminance="
PQ = "format=yuv420p10le,setparams=color_trc=smpte2084:color_primaries=bt2020:colorspace=bt2020nc"


@pytest.fixture(scope="module", params=["in the stream", "in the container"])
def hdr(request, tmp_path_factory):
    """Made as cameras and encoders do, and as another program writes it beside a stream that says nothing."""
    folder = tmp_path_factory.mktemp("hdr")
    if request.param == "in the container":
        return clips.remuxed(
            clips.make(folder, "b.mp4", filters=PQ, frames=4), "a.mp4", "-c", "copy", before=HDR10
        )
    words = (
        f"log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:master-display={DISPLAY}"
    )
    words += ":max-cll=1000,400:hdr10=1"
    codec = ["-c:v", "libx265", "-x265-params", words]
    return clips.make(folder, "a.mkv", filters="format=yuv420p10le", codec=codec, frames=4)


@pytest.mark.parametrize("out", ["o.mp4", "o.mov", "o.mkv", "o.webm"])
def test_the_display_goes_along(hdr, tmp_path, out):
    _, said = clips.copy(hdr, tmp_path / out, force=True)
    now = clips.report(tmp_path / out)
    assert SEEN in now and "MaxCLL=1000, MaxFALL=400" in now
    assert len(said) == 1 and "is HDR (PQ); it is treated like any other video" in said[0]


@pytest.mark.parametrize("out", ["o.gif", "o.webp", "o"])
def test_where_nothing_can_be_said_of_it_that_is_said(hdr, tmp_path, out):
    _, said = clips.copy(hdr, tmp_path / out, force=True)
    words = " ".join(said)
    assert "mastering display" in words and "light level" in words and "looks pale" in words


def test_an_ffmpeg_that_cannot_say_it(hdr, monkeypatch):
    monkeypatch.setattr(module.ffmpeg, "takes", lambda *options: False)
    found = beside(inspect(hdr), "mp4")
    assert found.options == () and found.lost == ("its mastering display", "its light level")


@pytest.mark.parametrize(
    ("old", "odd"),
    [
        ("max_luminance=1000.000000", "max_luminance=999999999"),
        ("r(0.6800,0.3200)", "r(9.6800,0.3200)"),
        ("has_primaries:1", "has_primaries:0"),
    ],
)
def test_numbers_that_it_cannot_take_are_lost_aloud(hdr, monkeypatch, old, odd):
    """It would refuse them when all frames are made, and so for ever."""
    said = module._seen(inspect(hdr))
    assert old in said
    monkeypatch.setattr(module, "_seen", lambda report: said.replace(old, odd))
    found = beside(inspect(hdr), "mp4")
    assert found.options == ("-content_light", "1000,400") and found.lost == ("its mastering display",)


@pytest.mark.parametrize("kind", KINDS)
def test_other_things_are_lost_aloud(hdr, kind):
    report = inspect(hdr)
    video = replace(report.video, beside=("Spherical Mapping", "Stereo 3D", "ICC Profile"))
    words = ", ".join(beside(replace(report, video=video), kind).lost)
    assert "spherical" in words and "stereo" in words and "colour profile" in words


def test_nothing_is_asked_or_lost_of_an_ordinary_clip(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_seen", lambda report: pytest.fail("nobody needs to know"))
    report = inspect(clips.make(tmp_path, "a.mp4"))
    assert all(beside(report, kind) == module.Beside() for kind in KINDS)
