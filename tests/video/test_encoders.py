"""The encoder of a GPU: how it is asked, what is refused before anything is made, and that its segments go together."""

import ctypes.util
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tests.video import clips
from tests.video.gpu import disguised
from vldm_cli.errors import RequestError
from vldm_cli.video import encoders, ffmpeg
from vldm_cli.video.clip import open_clip
from vldm_cli.video.copied import GENERATED, style_to_copy
from vldm_cli.video.encoders import NVENC, X264, check_encoder, samples, try_encoder
from vldm_cli.video.segments import encode_frames
from vldm_cli.video.write import codec, encode_segment, join_segments

RATE = Fraction(24)


@pytest.fixture(autouse=True)
def anew():
    encoders._refusal.cache_clear()
    yield
    encoders._refusal.cache_clear()


@pytest.fixture
def card(tmp_path_factory, monkeypatch):
    """Calls of an ffmpeg that has the encoder of a GPU."""
    program, log = disguised(tmp_path_factory.mktemp("gpu"))
    monkeypatch.setattr(ffmpeg, "ffmpeg_exe", lambda: str(program))
    return lambda: log.read_text().splitlines()


def test_how_it_is_asked():
    words = " ".join(codec("mp4", 20, 640, 1024, NVENC))
    assert words == "-c:v h264_nvenc -preset p4 -tune hq -rc vbr -cq 20 -b:v 0 -bf 0 -g 250"
    assert "-cq 1 " in " ".join(codec("mkv", 0, 640, 1024, NVENC))  # 0 would be "as it likes"
    assert codec("mov", 16, 64, 64) == codec("mov", 16, 64, 64, X264)
    assert "libx264" in codec("mov", 16, 64, 64) and "libvpx-vp9" in codec("webm", 16, 64, 64)
    assert samples(NVENC, "yuv420p") == "yuv420p" and samples(NVENC, "yuv420p10le") == "p010le"
    assert samples(X264, "yuv420p10le") == "yuv420p10le"


def test_what_it_makes_is_h264():
    for out in ("a.mp4", "a.mov", "a.mkv"):
        check_encoder(NVENC, Path(out))
    for out in ("a.webm", "a.gif", "a.webp", "a"):
        check_encoder(X264, Path(out))
        with pytest.raises(
            RequestError, match=f"--encoder nvenc makes H.264, and {out} holds none; use .mp4"
        ):
            check_encoder(NVENC, Path(out))
    with pytest.raises(RequestError, match="--encoder h265 is none of x264, nvenc"):
        check_encoder("h265", Path("a.mp4"))


@pytest.mark.skipif(ctypes.util.find_library("cuda") is not None, reason="there is a driver of a GPU")
def test_without_a_gpu_it_is_refused():
    with pytest.raises(RequestError) as refused:
        try_encoder(NVENC, 160, 256)
    said = str(refused.value)
    assert said.startswith("--encoder nvenc: no GPU here encodes frames of 256x160 in yuv420p (ffmpeg says: ")
    assert "libcuda" in said and said.endswith("); use --encoder x264") and "0x" not in said
    try_encoder(X264, 160, 256)


def test_an_ffmpeg_without_it(monkeypatch):
    monkeypatch.setattr(encoders, "_NAME", "h264_nothing")
    with pytest.raises(
        RequestError, match=r"has no h264_nothing \(IMAGEIO_FFMPEG_EXE .*; use --encoder x264"
    ):
        try_encoder(NVENC, 160, 256)


def test_frames_that_the_card_refuses(monkeypatch):
    said = "[h264_nvenc @ 0x5605] 10 bit encode not supported\n[vost#0:0/h264_nvenc @ 0x56] Error\n"
    asked = []

    def probe(words):
        asked.append(" ".join(words))
        return (b"Encoder h264_nvenc [x]:", "") if "-h" in words else (b"#tb 0: 1/24\n", said)

    monkeypatch.setattr(ffmpeg, "probe", probe)
    with pytest.raises(
        RequestError, match=r"in yuv420p10le \(ffmpeg says: 10 bit encode not supported\); use"
    ):
        try_encoder(NVENC, 159, 256, "yuv420p10le")
    assert "s=256x160" in asked[-1] and "format=p010le" in asked[-1]
    with pytest.raises(RequestError):
        try_encoder(NVENC, 159, 256, "yuv420p10le")
    assert len(asked) == 2  # a list of videos asks once


def test_segments_go_together(card, tmp_path):
    try_encoder(NVENC, 32, 48)
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 255, (32, 48, 3), np.uint8) for _ in range(30)]
    parts = [tmp_path / "0", tmp_path / "1"]
    for part, some in zip(parts, (images[:24], images[24:]), strict=True):
        encode_segment(part, some, RATE, "mp4", 12, NVENC)
    join_segments(parts, tmp_path / "a.mp4", "mp4", RATE, {"vldm": "0"})
    assert len(card()) == 3 and all("-bf 0" in call for call in card())
    times = [time for time, _, _ in clips.packets(tmp_path / "a.mp4", decode=True)]
    assert times == [n / RATE for n in range(30)]
    clip = open_clip(tmp_path / "a.mp4")
    assert style_to_copy(clip, "mp4", 12, tmp_path / ".run", NVENC) == GENERATED
    assert style_to_copy(clip, "mp4", 12, tmp_path / ".run") is None


def test_a_clip_of_10_bits_is_given_in_the_layout_of_the_card(card, tmp_path):
    clip = open_clip(clips.KINDS["10 bit"](tmp_path))
    raw = clip.raw(rgb=False)
    frames = islice(clip.read(0, raw), 8)
    encode_frames(tmp_path / "part.mp4", frames, raw, clip.look, clip.times, 0, "mp4", 16, NVENC)
    assert ",format=p010le" in card()[-1]
