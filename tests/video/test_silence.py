"""Silence behind sound that ends before the frames do."""

from fractions import Fraction

import numpy as np
import pytest

from tests.video import clips
from vldm_cli.video.probe import inspect
from vldm_cli.video.silence import pad_sound

SECONDS = Fraction(3, 2)


def short(folder, name, *codec, **options):
    """36 frames (1.5 s) and 0.6 s of sound."""
    return clips.make(folder, name, clips.tone(0.6), "-c:a", *codec, frames=36, **options)


def seconds(path):
    return len(clips.samples(path)) / (48000 if "opus" in clips.report(path) else 44100)


@pytest.mark.parametrize(
    ("codec", "exact"),
    [("aac", True), ("alac", True), ("libmp3lame", False), ("ac3", False), ("libopus", False)],
)
def test_sound_reaches_the_end_of_the_frames(tmp_path, codec, exact):
    path = short(tmp_path, "a.mp4", codec)
    frames, lead, before = clips.packets(path), clips.lead(path), clips.samples(path)
    said = pad_sound(path, "mp4", SECONDS, 12288, False)
    after = clips.samples(path)
    assert clips.packets(path) == frames and clips.lead(path) == lead
    assert np.abs(after[-2000:]).max() < 4
    if exact:
        assert said == [] and abs(len(after) / 44100 - 1.5) < 0.0005
        assert np.array_equal(after[: len(before) - 1500], before[:-1500])
    else:
        assert len(said) == 1 and "encoded again" in said[0]
        assert abs(len(after) - len(before) - 0.9 * (48000 if codec == "libopus" else 44100)) < 4500


def test_packets_of_aac_stay_what_they_are(tmp_path):
    path = short(tmp_path, "a.mp4", "aac")
    before = clips.packets(path, "0:a:0")
    pad_sound(path, "mp4", SECONDS, 12288, False)
    after = clips.packets(path, "0:a:0")
    assert [crc for *_, crc in after[: len(before)]] == [crc for *_, crc in before]
    assert [at for at, *_ in after[: len(before)]] == [at for at, *_ in before]


def test_sound_that_is_long_enough_is_not_touched(tmp_path):
    path = clips.make(tmp_path, "a.mp4", clips.tone(1.5), "-c:a", "aac", frames=36)
    before = path.read_bytes()
    assert pad_sound(path, "mp4", Fraction(1, 2), 12288, False) == [] and path.read_bytes() == before
    silent = clips.make(tmp_path, "b.mp4", frames=3)
    assert pad_sound(silent, "mp4", SECONDS, 12288, False) == []


def test_everything_else_stays(tmp_path):
    made = clips.full(tmp_path)
    path = tmp_path / "a.mp4"
    clips.copy(made, path)
    before = inspect(path)
    frames, texts = clips.packets(path), clips.packets(path, "0:s:0")
    pad_sound(path, "mp4", Fraction(2), 10008, False)
    after = inspect(path)
    assert after.metadata == before.metadata and after.chapters == before.chapters == 2
    assert clips.packets(path) == frames and clips.packets(path, "0:s:0") == texts
    described = [(s.kind, s.codec, s.language, "(default)" in s.words) for s in before.streams]
    assert [(s.kind, s.codec, s.language, "(default)" in s.words) for s in after.streams] == described
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "full.mkv", "m.txt", "s.srt"]


def test_rotation_and_webm(tmp_path):
    short(tmp_path, "b.mp4", "aac")
    turned = clips.remuxed(tmp_path / "b.mp4", "a.mp4", "-c", "copy", before=["-display_rotation", "90"])
    pad_sound(turned, "mp4", SECONDS, 12288, False)
    assert inspect(turned).rotation == 90 and abs(seconds(turned) - 1.5) < 0.0005
    webm = short(tmp_path, "a.webm", "libopus", codec=["-c:v", "libvpx-vp9", "-cpu-used", "8"])
    pad_sound(webm, "webm", SECONDS, 1000, False)
    assert abs(seconds(webm) - 1.5) < 0.02


def test_damaged_sound_is_said_and_goes_on(tmp_path):
    path = short(tmp_path, "a.mp4", "libmp3lame")
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") - 4
    end = begin + int.from_bytes(data[begin : begin + 4], "big")
    for at in range((begin + end) // 2, end - 40):  # headers of MP3 frames
        if data[at] == 0xFF and data[at + 1] & 0xE0 == 0xE0:
            data[at : at + 40] = bytes(range(40))
    path.write_bytes(data)
    frames = len(clips.packets(path))
    said = pad_sound(path, "mp4", SECONDS, 12288, False)
    assert any("damaged" in words for words in said) and len(clips.packets(path)) == frames
