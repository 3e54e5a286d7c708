"""Sound that is encoded anew: every layout in every kind of file, its delay and holes, and damaged tracks."""

import re
from dataclasses import replace
from fractions import Fraction

import pytest

from tests.video import clips
from vldm_cli.video import assemble as assembling
from vldm_cli.video import ffmpeg
from vldm_cli.video.carry import packed
from vldm_cli.video.clip import open_clip
from vldm_cli.video.kinds import KINDS
from vldm_cli.video.probe import inspect
from vldm_cli.video.silence import pad_sound
from vldm_cli.video.sound import filters, layout_for

LAYOUTS = (
    *(
        "mono",
        "stereo",
        "2.1",
        "3.0",
        "3.0(back)",
        "3.1",
        "4.0",
        "quad",
        "quad(side)",
        "4.1",
        "5.0",
        "5.0(side)",
    ),
    *(
        "5.1",
        "5.1(side)",
        "6.0",
        "hexagonal",
        "6.1",
        "6.1(back)",
        "7.0",
        "7.1",
        "7.1(wide)",
        "octagonal",
        "5.1.2",
    ),
    *("5.1.4", "7.1.4", "9.1.6", "22.2"),
)


@pytest.mark.parametrize("encoder", ["libopus", "aac", "flac", "alac", "libmp3lame", "mp2"])
def test_encoders_take_every_layout(tmp_path, encoder):
    path = clips.make(tmp_path, "a.mov", clips.tone(0.1), "-c:a", "pcm_s16le", frames=2)
    (stream,) = inspect(path).of("audio")
    refused = []
    for name in LAYOUTS:
        one = replace(stream, words=f"pcm_s16le, 48000 Hz, {name}, s16")
        steps = filters(one, encoder)
        silence = ["-f", "lavfi", "-i", f"anullsrc=r=48000:cl={name}", "-t", "0.05"]
        try:
            encoded = [*(["-af", steps] if steps else []), "-c:a", encoder, "-f", "null", "-"]
            ffmpeg.run([*silence, *encoded], "encoding")
        except Exception as error:  # all of them are told together
            refused.append(f"{name}: {error}")
    assert not refused, refused


def test_layouts_that_are_taken_stay_and_sides_are_no_loss(tmp_path):
    (stream,) = inspect(clips.make(tmp_path, "a.mov", clips.tone(0.1), "-c:a", "aac", frames=2)).of("audio")
    assert layout_for(stream, "aac") is None
    assert layout_for(replace(stream, words="ac3, 48000 Hz, 5.1(side), fltp, 448 kb/s"), "libopus") == "5.1"


def silences(path):
    """[(begin, end)] of silence, in tenths of a second."""
    found = ffmpeg.probe(
        [
            "-i",
            str(path),
            "-af",
            "aresample=async=1:first_pts=0,silencedetect=n=-40dB:d=0.1",
            "-vn",
            "-f",
            "null",
            "-",
        ]
    )[1]
    times = re.findall(r"silence_(?:start|end): (-?[\d.]+)", found)
    return [round(float(time), 1) for time in times]


def holed(folder, name, *sound, frames=36):
    hole = ["-f", "lavfi", "-i", "sine=f=440:d=3"]
    gap = ["-af", "asetnsamples=1024,aselect='not(between(t,1,2))'"]
    return clips.make(folder, name, hole, *gap, *sound, frames=frames, rate="12")


def late(folder, name):
    delayed = ["-itsoffset", "0.5", "-f", "lavfi", "-i", "sine=f=440:d=1"]
    return clips.make(
        folder, name, delayed, "-map", "0:v", "-map", "1:a", "-c:a", "flac", frames=18, rate="12"
    )


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_delay_and_holes_are_stretched_with_the_frames(tmp_path, suffix):
    clips.copy(holed(tmp_path, "hole.mkv", "-c:a", "flac"), tmp_path / f"hole-out.{suffix}", slow=2)
    begin, end = silences(tmp_path / f"hole-out.{suffix}")[:2]
    assert begin == pytest.approx(2, abs=0.15) and end == pytest.approx(4, abs=0.15)
    clips.copy(late(tmp_path, "late.mkv"), tmp_path / f"late-out.{suffix}", slow=2)
    assert silences(tmp_path / f"late-out.{suffix}")[1] == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_a_hole_stays_where_silence_is_added(tmp_path, suffix):
    path = holed(tmp_path, "a.mkv", "-c:a", "aac", frames=48)
    out = clips.remuxed(path, f"b.{suffix}", "-c", "copy")
    pad_sound(out, suffix, Fraction(5), 12_288, False)
    begin, end = silences(out)[:2]
    assert begin == pytest.approx(1, abs=0.15) and end == pytest.approx(2, abs=0.15)


LOSSLESS = [("a.mov", "pcm_s24le"), ("a.mkv", "pcm_s16le"), ("a.mkv", "wavpack")]


@pytest.mark.parametrize(("name", "codec"), LOSSLESS)
def test_lossless_sound_stays_so(tmp_path, name, codec):
    path = clips.make(tmp_path, name, clips.tone(0.3), "-c:a", codec)
    assert pad_sound(path, name[2:], Fraction(2), 12_288, False) == []
    assert [stream.codec for stream in inspect(path).of("audio")] == [codec]


def test_a_track_that_nothing_can_read_is_left_out_with_a_word(tmp_path):
    path = clips.make(tmp_path, "a.mp4", clips.tone(), "-c:a", "aac")
    report = inspect(path)
    sound = replace(report.of("audio")[0], words="none, 0 Hz, 0 channels", codec="none")
    damaged = replace(report, streams=(report.video, sound))
    baggage = packed(damaged, "mkv")
    assert baggage.tracks == () and any("damaged: left out" in words for words in baggage.remarks)


def test_a_track_that_breaks_the_join_is_left_out_with_a_word(tmp_path, monkeypatch):
    path = clips.make(tmp_path, "a.mp4", clips.tone(), "-c:a", "aac")
    packing = assembling._tracks

    def broken(baggage, kind, video=1):
        options = packing(baggage, kind, video)
        return (
            [*options, "-filter:a:0", "volume"] if baggage.tracks else options
        )  # of a copied stream: refused

    monkeypatch.setattr(assembling, "_tracks", broken)
    _, said = clips.copy(path, tmp_path / "b.mkv")
    assert any("(sound) is damaged: left out" in words for words in said)
    assert inspect(tmp_path / "b.mkv").of("audio") == [] and open_clip(tmp_path / "b.mkv").frames == 12


def test_stale_tags_go_and_others_stay(tmp_path):
    stale = {"BPS": "4995000", "NUMBER_OF_FRAMES-eng": "12", "_STATISTICS_TAGS": "BPS", "alpha_mode": "1"}
    tags = {**stale, "title": "Main"}
    words = [word for key, value in tags.items() for word in ("-metadata:s:v:0", f"{key}={value}")]
    path = clips.make(tmp_path, "a.mkv", *words)
    assert any("has transparency" in words for words in open_clip(path).warnings)
    clips.copy(path, tmp_path / "b.mkv")
    now = {name.lower(): text for name, text in inspect(tmp_path / "b.mkv").video.tags}
    assert now["title"] == "Main" and not {*(name.lower() for name in stale), "encoder"} & now.keys()


def test_what_is_said_of_the_whole_picture_is_missed_aloud(tmp_path):
    report = inspect(clips.make(tmp_path, "a.mkv", "-metadata:s:v:0", "stereo_mode=left_right"))
    assert "stereo" in " ".join(packed(report, "mp4").remarks) and packed(report, "mkv").remarks == ()
    both = replace(report.video, beside=("Spherical Mapping", "Mastering display metadata"), tags=())
    for kind in KINDS:
        words = " ".join(packed(replace(report, video=both), kind).remarks)
        assert "spherical" in words and "mastering" in words


def test_the_shape_of_pixels_is_the_containers(tmp_path):
    path = clips.remuxed(clips.make(tmp_path, "a.mp4"), "b.mp4", "-c", "copy", "-aspect", "16:9")
    assert inspect(path).sar == Fraction(4, 3)
