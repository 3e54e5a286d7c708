import os
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.cases import some
from vldm_cli.errors import RequestError, RunError
from vldm_cli.video import ffmpeg
from vldm_cli.video.kinds import open_container
from vldm_cli.video.read import video_info
from vldm_cli.video.write import codec, encode_segment, even, join_segments

SEGMENT = 24
METADATA = {
    "vldm": "0",
    "prompt": "a; b=c # 'quoted' \"x\" \\ é\nnew line",
    "settings": {"fps": "24"},
    "seed": 1,
}


def frames(start, stop, height=32, width=48):
    """Frame n is flat: its red channel says n, so that a lost or doubled frame is seen."""
    for n in range(start, stop):
        yield np.full((height, width, 3), (n % 50 * 5, 128, 60), np.uint8)


def make(folder, count, fps, suffix, metadata=METADATA, size=(32, 48)):
    kind = open_container(folder / f"out{suffix}")
    segments = []
    for start in range(0, count, SEGMENT):
        segments.append(folder / f"segment-{start}{suffix}.part")
        encode_segment(segments[-1], frames(start, min(start + SEGMENT, count), *size), fps, kind, 16)
    out = folder / f"out{suffix}"
    join_segments(segments, out, kind, fps, metadata)
    return out


def decoded(path, size=(32, 48)):
    raw, _ = ffmpeg.probe(["-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
    return np.frombuffer(raw, np.uint8).reshape(-1, *size, 3)


COUNTS, FILM = (1, 2, 7, 240, 241), Fraction(24000, 1001)
SHOWN = {*product(COUNTS, (Fraction(24),)), (1, FILM), (241, FILM), (2, Fraction(7)), (240, Fraction(7))}


@pytest.mark.parametrize(
    ("count", "fps"), some([*product(COUNTS, (Fraction(24), FILM, Fraction(7)))], SHOWN), ids=str
)
def test_mp4_has_exactly_these_frames_and_this_rate(tmp_path, count, fps):
    info = video_info(make(tmp_path, count, fps, ".mp4"))
    assert (info["frames"], info["fps"], info["duration"]) == (count, fps, count / fps)
    assert info["metadata"] == METADATA
    assert [line.count("h264") for line in info["streams"]] == [1]


def test_mp4_frames_are_the_frames_in_order(tmp_path):
    got = decoded(make(tmp_path, 61, Fraction(24), ".mp4"))
    want = np.stack(list(frames(0, 61)))
    assert np.abs(got.astype(int) - want.astype(int)).max() <= 4


@pytest.mark.parametrize("rgb", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)])
def test_mp4_is_bt709_and_says_so(tmp_path, rgb):
    path = tmp_path / "a.mp4"
    encode_segment(path, [np.full((32, 48, 3), rgb, np.uint8)], Fraction(24), "mp4", 16)
    assert "yuv420p(tv, bt709" in video_info(path)["streams"][0]
    y, u, v = (plane for plane in _yuv(path))
    r, g, b = (c / 255 for c in rgb)
    luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
    want = (16 + 219 * luma, 128 + 224 * (b - luma) / 1.8556, 128 + 224 * (r - luma) / 1.5748)
    assert np.abs(np.array([y, u, v]) - want).max() <= 2


def _yuv(path):
    raw, _ = ffmpeg.probe(["-v", "error", "-i", str(path), "-f", "rawvideo", "-"])
    planes = np.frombuffer(raw, np.uint8)
    luma = planes[: 32 * 48].mean()
    chroma = planes[32 * 48 :].reshape(2, -1).mean(1)
    return luma, *chroma


def test_mp4_starts_with_its_index(tmp_path):
    data = make(tmp_path, 30, Fraction(24), ".mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".gif", ".webp"])
def test_same_frames_same_bytes(tmp_path, suffix):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = (make(tmp_path / name, 30, Fraction(24), suffix) for name in "ab")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("size", "threads"),
    [((640, 1024), 2), ((720, 1280), 2), ((1080, 1920), 4), ((1920, 1080), 4), ((1440, 2560), 8)],
)
def test_threads_of_the_encoder_are_of_the_frames_size(monkeypatch, size, threads):
    for machine in (1, 64):
        monkeypatch.setattr(os, "cpu_count", lambda machine=machine: machine)
        for kind in ("mp4", "webm", "gif"):
            asked = codec(kind, 16, *size)
            assert asked[asked.index("-threads") + 1] == str(threads)


def test_large_frames_in_many_threads_same_bytes(tmp_path):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (1456, 2000, 3), np.uint8)
    for name in "ab":
        moving = (np.roll(image, 3 * n, 1) for n in range(4))
        encode_segment(tmp_path / name, moving, Fraction(24), "mp4", 30)
    data = (tmp_path / "a").read_bytes()
    assert data == (tmp_path / "b").read_bytes() and b"threads=8" in data


@pytest.mark.parametrize("suffix", [".mov", ".mkv", ".webm", ".gif", ".webp", ""])
@pytest.mark.parametrize("count", [1, 49])
def test_other_containers_have_exactly_these_frames(tmp_path, suffix, count):
    info = video_info(make(tmp_path, count, Fraction(24), suffix))
    assert (info["frames"], info["fps"], info["metadata"]) == (count, 24, METADATA)
    assert abs(info["duration"] - count / Fraction(24)) <= Fraction(1, 50)
    assert (info["width"], info["height"]) == (48, 32)


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_film_rate_in_other_containers(tmp_path, suffix):
    info = video_info(make(tmp_path, 49, Fraction(24000, 1001), suffix))
    assert (info["fps"], info["duration"]) == (Fraction(24000, 1001), 49 * Fraction(1001, 24000))


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".gif", ".webp"])
def test_frames_that_are_alike_stay_frames_of_their_own(tmp_path, suffix):
    kind, segment = open_container(f"a{suffix}"), tmp_path / "segment"
    encode_segment(segment, [np.full((32, 48, 3), 90, np.uint8)] * 9, Fraction(10), kind, 16)
    join_segments([segment], tmp_path / f"a{suffix}", kind, Fraction(10), METADATA)
    assert video_info(tmp_path / f"a{suffix}")["frames"] == 9


def test_png_frames_are_exact(tmp_path):
    from PIL import Image

    out = make(tmp_path, 26, Fraction(24), "")
    names = sorted(p.name for p in out.glob("*.png"))
    assert names == [f"{n:06d}.png" for n in range(26)]
    for name, want in zip(names, frames(0, 26), strict=True):
        assert np.array_equal(np.asarray(Image.open(out / name).convert("RGB")), want)


def test_odd_sizes_grow_by_a_repeated_row_and_column(tmp_path):
    frame = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
    grown = even(frame)
    assert grown.shape == (4, 6, 3)
    assert np.array_equal(grown[:3, :5], frame) and np.array_equal(grown[3, :5], frame[2])
    info = video_info(make(tmp_path, 2, Fraction(24), ".mp4", size=(31, 47)))
    assert (info["width"], info["height"]) == (48, 32)


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".webp", ""])
@pytest.mark.parametrize("name", ["it's a [name] %d", "a:b"])
def test_names_with_quotes_and_spaces(tmp_path, monkeypatch, name, suffix):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert video_info(make(Path(name), 26, Fraction(24), suffix))["frames"] == 26


@pytest.mark.parametrize("name", ["a.avi", "a.ts", "a.png"])
def test_other_suffixes_are_refused(name):
    with pytest.raises(RequestError, match=r"use \.mp4"):
        open_container(name)


def test_failure_says_why_in_ffmpegs_words_and_leaves_nothing(tmp_path):
    path = tmp_path / "there-is-no-such-folder" / "a.mp4"
    with pytest.raises(RunError, match="No such file"):
        encode_segment(path, frames(0, 3), Fraction(24), "mp4", 16)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_a_run_error():
    arguments = ["-f", "lavfi", "-i", "testsrc=size=64x64:duration=2", "-f", "rawvideo", "/dev/full"]
    with pytest.raises(RunError, match="No space left"):
        ffmpeg.run(arguments, "writing")


def test_a_missing_segment_is_a_run_error(tmp_path):
    path = tmp_path / "s.mp4"
    encode_segment(path, frames(0, 3), Fraction(24), "mp4", 16)
    with pytest.raises(RunError, match="joining 2 segments failed"):
        join_segments([path, tmp_path / "gone.mp4"], tmp_path / "out.mp4", "mp4", Fraction(24), METADATA)


def test_an_error_while_frames_are_made_goes_through_and_leaves_nothing(tmp_path):
    def breaking():
        yield from frames(0, 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_segment(tmp_path / "a.mp4", breaking(), Fraction(24), "mp4", 16)
    assert os.listdir(tmp_path) == []
