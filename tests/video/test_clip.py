"""Clips of many kinds go through reading and writing: what must stay stays, by ffmpeg's own report."""

import os
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from tests.cases import some
from tests.video import clips
from vldm_cli.errors import RequestError, RunError
from vldm_cli.video import ffmpeg
from vldm_cli.video.clip import open_clip
from vldm_cli.video.look import Raw
from vldm_cli.video.probe import inspect

ROUNDED = Fraction(1, 1000)
# Kinds that go the way of another one here, or that a test of their own has gone further with.
ALIKE = {
    "two frames",
    "23.976 in webm",
    "variable times in mkv",
    "upside down",
    "turned mov",
    "not ASCII",
    "bt601",
}
ALIKE |= {"uyvy", "4:1:1", "4:2:2", "12 bit", "prores", "16-bit rgb", "odd webm", "alpha", "phone tags"}
ALIKE |= {"with sound", "sound longer than the frames", "opus sound"}


@pytest.mark.parametrize("kind", some(clips.KINDS, clips.KINDS.keys() - ALIKE))
def test_mp4_keeps_what_the_clip_has(tmp_path, kind):
    path = clips.KINDS[kind](tmp_path)
    before, out = clips.packets(path, decode=True), tmp_path / "out.mp4"
    clip, _ = clips.copy(path, out)
    after = clips.packets(out, decode=True)
    assert len(after) == len(before) == clip.frames
    # Matroska and transport streams round; the exact rate that they mean is what is written.
    slack = ROUNDED if path.suffix in (".mkv", ".webm", ".ts") else Fraction(1, 200_000)
    zero = after[0][0] - before[0][0]
    assert all(abs(b[0] - a[0] - zero) <= slack for a, b in zip(before, after, strict=True))
    if path.suffix not in (".gif", ".webp", ".mkv", ".webm", ".ts"):
        assert abs(before[-1][1] - after[-1][1]) <= slack
    was, now = inspect(path), inspect(out)
    if kind != "mirrored":
        assert (was.height, was.width, was.rotation) == (now.height, now.width, now.rotation)
    assert now.bits == was.bits and (now.sar or 1) == (was.sar or 1)
    if not was.rgb:
        assert (now.matrix, now.primaries, now.transfer) == (was.matrix, was.primaries, was.transfer)
        assert (now.range or "tv") == (was.range or "tv")
    for number in range(len(was.of("audio"))):
        assert abs(clips.lead(path, number) - clips.lead(out, number)) < Fraction(1, 100)
    assert len(now.of("audio")) == len(was.of("audio")) and len(now.of("subtitle")) == len(was.of("subtitle"))


PLAIN = ["plain mp4", "10 bit", "full range", "old full range", "odd size"]
ODD = ["4:2:2", "4:4:4", "yuy2", "12 bit", "4:1:1"]


@pytest.mark.parametrize("kind", PLAIN + ODD)
def test_colours_stay(tmp_path, kind):
    colours_stay(tmp_path, kind, rgb=False)


@pytest.mark.parametrize("kind", some(PLAIN + ODD, PLAIN))
def test_colours_stay_by_way_of_rgb(tmp_path, kind):
    colours_stay(tmp_path, kind, rgb=True)


def colours_stay(tmp_path, kind, rgb):
    path, out = clips.KINDS[kind](tmp_path), tmp_path / "out.mp4"
    if rgb:  # colours that RGB can hold: the test picture's own are cut off there
        soft = tmp_path / f"soft{path.suffix}"
        tags = ["-color_range", inspect(path).range or "tv"]
        coder = {".mkv": "ffv1", ".avi": "rawvideo" if kind == "yuy2" else "libx264"}.get(
            path.suffix, "libx264"
        )
        kept = ["-vf", "hue=s=0.4,gblur=2", "-c:v", coder, *tags]
        path = clips.remuxed(path, soft.name, *kept, "-qp", "1")
    clips.copy(path, out, crf=0 if not rgb else 8, rgb=rgb)
    pixels = "yuv444p10le"
    how = ["-fps_mode", "passthrough", "-f", "rawvideo"]

    def planes(name):
        span = inspect(name).range or "tv"
        scale = f"scale=in_range={span}:out_range={span}:flags=bicubic+accurate_rnd,format={pixels}"
        raw = ffmpeg.probe(["-v", "error", "-i", str(name), "-vf", scale, *how, "-pix_fmt", pixels, "-"])[0]
        return np.frombuffer(raw, "<u2").reshape(12, 3, -1).astype(float) / 4

    a, b = planes(path), planes(out)
    assert np.abs(a.mean(2) - b.mean(2)).max() < (0.05 if not rgb else 1)
    if not rgb and kind not in (
        "odd size",
        "10 bit",
        "12 bit",
        "4:1:1",
    ):  # x264 has no lossless crf for 10 bits
        assert np.abs(a - b).max() <= 0.25 + (kind == "old full range"), "stored samples go through untouched"


@pytest.mark.parametrize("kind", ["plain mp4", "10 bit", "full range", "old full range", "4:2:2"])
def test_frames_are_read_as_they_are_stored(tmp_path, kind):
    clip = open_clip(clips.KINDS[kind](tmp_path))
    raw = clip.raw(rgb=False)
    plain = ["-v", "error", "-i", str(clip.path), "-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    assert b"".join(clip.read(0, raw)) == ffmpeg.probe(plain)[0]
    assert b"".join(clip.read(5, raw)) == b"".join(list(clip.read(0, raw))[5:])


@pytest.mark.parametrize("kind", ["turned", "turned mov", "upside down"])
def test_a_turned_clip_looks_the_same_upright(tmp_path, kind):
    path, out = clips.KINDS[kind](tmp_path), tmp_path / "out.mp4"
    clips.copy(path, out, crf=0)
    assert "rotation of" in clips.report(out)

    def shown(name):
        return ffmpeg.probe(["-v", "error", "-i", str(name), "-f", "rawvideo", "-pix_fmt", "gray", "-"])[0]

    assert shown(path) == shown(out)


@pytest.mark.parametrize(("kind", "suffix"), [("mirrored", ".mp4"), ("turned", ".webm"), ("turned", "")])
def test_what_cannot_be_stored_as_a_turn_is_turned(tmp_path, kind, suffix):
    path, out = clips.KINDS[kind](tmp_path), tmp_path / f"out{suffix}"
    clip, _ = clips.copy(path, out, crf=0)
    assert clip.upright
    if suffix == ".mp4":
        a, b = (ffmpeg.probe(["-v", "error", "-i", str(p), "-f", "rawvideo", "-"])[0] for p in (path, out))
        assert a == b and "rotation of" not in clips.report(out)
    assert (clip.width, clip.height) == ((64, 48) if kind == "mirrored" else (48, 64))


@pytest.mark.parametrize(
    "kind",
    [
        "with sound",
        "sound longer than the frames",
        "sound that begins first",
        "variable times and sound",
        "opus sound",
    ],
)
def test_sound_is_copied_in_sync(tmp_path, kind):
    path, out = clips.KINDS[kind](tmp_path), tmp_path / "out.mp4"
    _, said = clips.copy(path, out)
    assert said == []
    a, b = clips.packets(path, "0:a:0"), clips.packets(out, "0:a:0")
    assert [row[2] for row in a] == [row[2] for row in b], "the packets are the same bytes"
    offset = clips.packets(path)[0][0] - clips.packets(out)[0][0]
    assert abs(a[0][0] - b[0][0] - offset) < Fraction(1, 100) and abs(
        a[-1][0] - b[-1][0] - offset
    ) < Fraction(1, 100)
    if kind == "opus sound":
        return  # what players cut from its beginning is stored in other words
    x, y = clips.samples(path).astype(float), clips.samples(out).astype(float)
    n = min(len(x), len(y))
    assert abs(len(x) - len(y)) < 480 and np.abs(x[:n] - y[:n]).mean() < 300


@pytest.mark.parametrize("kind", ["pcm sound", "vorbis sound"])
def test_other_sound_becomes_aac_and_that_is_said(tmp_path, kind):
    path, out = clips.KINDS[kind](tmp_path), tmp_path / "out.mp4"
    _, said = clips.copy(path, out)
    assert len(said) == 1 and "converted to AAC" in said[0]
    assert inspect(out).of("audio")[0].codec == "aac"
    x, y = clips.samples(path).astype(float), clips.samples(out).astype(float)
    shifts = range(-441, 442)
    n = min(len(x), len(y)) - 2000
    best = max(shifts, key=lambda s: np.dot(x[1000 : 1000 + n], y[1000 + s : 1000 + s + n]))
    # a tone of 440 Hz is like itself every 100 samples: what counts is that no other shift is better by far
    assert abs(best) % 100 <= 8 or abs(best) % 100 >= 92
    assert abs(len(x) - len(y)) <= 1500


def test_two_sounds_subtitles_chapters_and_tags_go_along(tmp_path):
    path, out = clips.full(tmp_path), tmp_path / "out.mp4"
    _, said = clips.copy(path, out)
    now = inspect(out)
    assert [(s.codec, s.language) for s in now.of("audio")] == [("aac", "eng"), ("flac", "fra")]
    assert [(s.codec, s.language) for s in now.of("subtitle")] == [("mov_text", "deu")]
    assert now.chapters == 2 and said == []
    tags = now.metadata
    assert (tags["title"], tags["artist"], tags["comment"]) == ("A=b; c # d", "Zoë", "mine")
    assert tags["description"] == '{"vldm": "0"}'
    text = ffmpeg.probe(["-v", "error", "-i", str(out), "-map", "0:s:0", "-f", "srt", "-"])[0].decode()
    assert "00:00:00,100 --> 00:00:00,300\nhello" in text and "00:00:00,350 --> 00:00:00,600\nworld" in text
    words = clips.report(out)
    assert "start 0.400000, end 0.800000" in words and "two" in words


def test_phone_tags_go_along(tmp_path):
    out = tmp_path / "out.mp4"
    clips.copy(clips.KINDS["phone tags"](tmp_path), out)
    tags = inspect(out).metadata
    assert tags["com.apple.quicktime.make"] == "Apple" and tags["creation_time"].startswith(
        "2026-01-02T03:04:05"
    )
    assert tags["comment"] == '{"vldm": "0"}'


@pytest.mark.parametrize("suffix", [".webm", ".gif", ".webp", ""])
def test_other_containers_take_every_frame_and_say_what_stays_behind(tmp_path, suffix):
    path, out = clips.full(tmp_path), tmp_path / f"out{suffix}"
    _, said = clips.copy(path, out)
    if suffix == ".webm":
        assert [s.codec for s in inspect(out).of("audio")] == ["opus", "opus"]
        assert [s.codec for s in inspect(out).of("subtitle")] == ["webvtt"] and inspect(out).chapters == 2
        assert any("Opus" in words for words in said)
    else:
        assert any("holds no sound or subtitles or chapters" in words for words in said)
    again = open_clip(out)
    assert again.frames == 20
    assert abs(again.times.seconds - Fraction(20, 24)) < Fraction(1, 50)


def test_a_clip_that_changes_its_size_keeps_the_first_and_that_is_said(tmp_path):
    parts = [clips.make(tmp_path, f"{size}.ts", size=size, frames=9) for size in ("64x48", "96x64")]
    (tmp_path / "a.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    clip = open_clip(tmp_path / "a.ts")
    raw = clip.raw(False)
    whole = list(clip.read(0, raw))
    assert (clip.width, clip.height) == (64, 48) and len(whole) == clip.frames >= 17
    assert list(clip.read(12, raw)) == whole[12:]
    assert [("changes its size" in words and "64x48" in words) for words in clip.warnings][-1:] == [True]


@pytest.mark.parametrize("later", [0, 60], ids=["set back", "leaping"])
def test_recordings_that_were_put_together_go_on_without_a_gap(tmp_path, later):
    parts = []
    for number in range(2):
        sound = ["-c:a", "aac", "-output_ts_offset", str(number * later)]
        parts.append(clips.make(tmp_path, f"{number}.ts", clips.tone(1.0), *sound, frames=24))
    (tmp_path / "a.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    clip, _ = clips.copy(tmp_path / "a.ts", tmp_path / "out.mp4")
    steps = {clip.times.length(i) for i in range(clip.frames - 1)}
    assert 47 <= clip.frames <= 48 and max(steps) < 3 * min(steps)
    assert (
        abs(clip.times.seconds - 2) < 0.1
        and abs(len(clips.samples(tmp_path / "out.mp4")) / 44_100 - 2) < 0.15
    )


def test_variable_times_go_into_a_gif(tmp_path):
    path, out = clips.KINDS["variable times"](tmp_path), tmp_path / "out.gif"
    clips.copy(path, out)
    a, b = open_clip(path).times, open_clip(out).times
    assert len(a) == len(b)
    assert all(abs(x / a.clock - y / b.clock) <= 0.011 for x, y in zip(a.ticks, b.ticks, strict=True))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("alpha", "transparency, which is dropped"),
        ("interlaced", "interlaced"),
        ("odd size", "odd"),
        ("12 bit", "10 bits, not the 12"),
        ("rgb", "full (4:4:4), which some players refuse"),
        ("gif", "full (4:4:4), which some players refuse"),
        ("webp", "full (4:4:4), which some players refuse"),
    ],
)
def test_what_changes_is_said(tmp_path, kind, words):
    _, said = clips.copy(clips.KINDS[kind](tmp_path), tmp_path / "out.mp4")
    assert len(said) == 1 and words in said[0]


def test_two_things_that_change_are_both_said(tmp_path):
    _, said = clips.copy(clips.KINDS["16-bit rgb"](tmp_path), tmp_path / "out.mp4")
    assert len(said) == 2 and "10 bits, not the 16" in said[0] and "4:4:4" in said[1]


OUTS, SIZES = ("out.mp4", "out.mov", "out.mkv", "out.webm"), ("64x48", "63x47")
SOURCES = ("rgb24 avi", "gbrp ffv1", "H.264 rgb", "gif", "frames", "16-bit frames")
# Each source and each container in both sizes, and each source in two containers.
PAIRED = {
    (source, OUTS[(number + 2 * odd) % 4], size)
    for number, source in enumerate(SOURCES)
    for odd, size in enumerate(SIZES)
}


@pytest.mark.parametrize(("source", "out", "size"), some([*product(SOURCES, OUTS, SIZES)], PAIRED))
def test_every_pixel_of_rgb_keeps_its_own_colour(tmp_path, source, out, size):
    """Columns of one pixel in pure colours, of which 4:2:0 makes a mud."""
    pixels, name, codec = {
        "rgb24 avi": ("bgr24", "a.avi", ["-c:v", "rawvideo"]),
        "gbrp ffv1": ("gbrp", "a.mkv", ["-c:v", "ffv1"]),
        "H.264 rgb": ("rgb24", "a.mp4", ["-c:v", "libx264rgb", "-qp", "0"]),
        "gif": ("rgb24", "a.gif", []),
        "frames": ("rgb24", "in/%03d.png", []),
        "16-bit frames": ("rgb48be", "in/%03d.png", []),
    }[source]
    (tmp_path / "in").mkdir()
    columns = "geq=r='255*eq(mod(X,3),0)':g='255*eq(mod(X,3),1)':b='255*eq(mod(X,3),2)'"
    path = clips.make(
        tmp_path, name, size=size, frames=3, filters=f"format=gbrp,{columns},format={pixels}", codec=codec
    )
    path = path.parent if "frames" in source else path
    _, said = clips.copy(path, tmp_path / out, crf=1)
    assert sum("4:4:4" in words for words in said) == 1
    assert inspect(tmp_path / out).pixels.startswith("yuv444p")
    a, b = open_clip(path), open_clip(tmp_path / out)
    raw = replace(a.raw(rgb=True), pixels="rgb24")
    for before, after in zip(a.read(0, raw), b.read(0, raw), strict=True):
        x, y = (raw.planes(frame)[0].astype(int) for frame in (before, after))
        assert np.abs(x - y).mean() < 6


def test_what_is_not_rgb_keeps_the_colours_it_has(tmp_path):
    for kind, pixels in (("plain mp4", "yuv420p"), ("4:2:2", "yuv422p"), ("4:4:4", "yuv444p")):
        path = clips.KINDS[kind](tmp_path)
        _, said = clips.copy(path, tmp_path / "out.mp4")
        assert inspect(tmp_path / "out.mp4").pixels == pixels and said == []


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_transparency_of_pictures_that_move_is_said_where_there_is_any(tmp_path, suffix):
    from PIL import Image

    for opaque in (True, False):
        images = [Image.new("RGBA", (20, 10), (n * 60, 9, 9, 255)) for n in range(4)]
        for image in () if opaque else images:
            image.paste((0, 0, 0, 0), (5, 5, 9, 9))
        images[0].save(
            tmp_path / f"a{suffix}", save_all=True, append_images=images[1:], duration=100, disposal=2
        )
        said = open_clip(tmp_path / f"a{suffix}").warnings
        assert [("transparency, which is dropped" in words) for words in said] == ([] if opaque else [True])


@pytest.mark.parametrize("kind", ["plain mp4", "with sound", "yuy2", "prores"])
def test_nothing_is_said_of_an_ordinary_clip(tmp_path, kind):
    assert clips.copy(clips.KINDS[kind](tmp_path), tmp_path / "out.mp4")[1] == []


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_is_refused_with_a_remedy_unless_forced(tmp_path, transfer):
    tags = f"setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}"
    path = clips.make(tmp_path, "a.mp4", filters=f"format=yuv420p10le,{tags}")
    with pytest.raises(RequestError, match=r"HDR .*convert it to SDR.*--force"):
        open_clip(path)
    _, said = clips.copy(path, tmp_path / "out.mp4", force=True)
    now = inspect(tmp_path / "out.mp4")
    assert (now.matrix, now.primaries, now.transfer, now.bits) == ("bt2020nc", "bt2020", transfer, 10)
    assert len(said) == 1 and "HDR" in said[0]


def test_a_folder_of_pictures(tmp_path):
    from PIL import Image

    (tmp_path / "in %03d").mkdir()
    for n in range(1, 12):
        Image.new("RGB", (20, 10), (n * 20, 0, 0)).save(tmp_path / "in %03d" / f"f{n}.png")
    clip = open_clip(tmp_path / "in %03d", fps=Fraction(24000, 1001))
    raw = clip.raw(rgb=False)
    assert (clip.frames, clip.times.fps, raw) == (11, Fraction(24000, 1001), Raw("rgb24", 10, 20))
    assert [raw.planes(f)[0][0, 0, 0] for f in clip.read(2, raw)] == [20 * n for n in range(3, 12)]
    clips.copy(tmp_path / "in %03d", tmp_path / "out.mp4", fps=Fraction(24000, 1001))
    assert clips.packets(tmp_path / "out.mp4")[-1][0] == 10 * Fraction(1001, 24000)
    Image.new("RGB", (20, 12)).save(tmp_path / "in %03d" / "f5.png")
    with pytest.raises(RequestError, match=r"f5\.png is 20x12"):
        open_clip(tmp_path / "in %03d")


DEEP = ("rgb48be", "gray16be", "rgba64be")


@pytest.mark.parametrize(
    ("pixels", "suffix"),
    some(
        [*product(DEEP, (".png", ".tif"))], {("rgb48be", ".png"), ("gray16be", ".tif"), ("rgba64be", ".png")}
    ),
)
def test_pictures_of_16_bits(tmp_path, pixels, suffix):
    """A ramp so slow that 8 bits would be steps of it, turned by what the camera noted."""
    from PIL import Image

    (tmp_path / "in").mkdir()
    ramp = ["-f", "lavfi", "-i", "nullsrc=s=64x16,format=gray16le,geq=lum='20000+40*X+300*N'"]
    name = str(tmp_path / "in" / f"%d{suffix}")
    kept = pixels.replace("be", "le") if suffix == ".tif" else pixels
    ffmpeg.run([*ramp, "-frames:v", "3", "-pix_fmt", kept, name], "making pictures of 16 bits")
    clip = open_clip(tmp_path / "in")
    raw = clip.raw(rgb=True)
    got = np.stack([raw.planes(frame)[0][:, :, 1] for frame in clip.read(0, raw)]).astype(int)
    want = 20000 + 40 * np.arange(64) + 300 * np.arange(3)[:, None, None]
    assert raw.pixels == "rgb48le" and np.abs(got - want).max() <= 1
    _, said = clips.copy(tmp_path / "in", tmp_path / "out.mp4", crf=1)
    assert inspect(tmp_path / "out.mp4").bits == 10 and sum("10 bits, not the 16" in w for w in said) == 1
    _, said = clips.copy(tmp_path / "in", tmp_path / "out")
    again = open_clip(tmp_path / "out")
    assert [raw.planes(f)[0].tolist() for f in again.read(0, again.raw(True))] == [
        raw.planes(f)[0].tolist() for f in clip.read(0, raw)
    ]
    assert not any("not the 16" in words for words in said)
    # one picture of 8 bits among them is one of 16 that has only so many values
    Image.new("RGB", (64, 16), (1, 2, 255)).save(tmp_path / "in" / "4.png")
    mixed = open_clip(tmp_path / "in")
    assert raw.planes(next(mixed.read(3, mixed.raw(True))))[0][0, 0].tolist() == [257, 514, 65535]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pictures_of_32_bits_are_refused(tmp_path, mode):
    from PIL import Image

    Image.new("L", (8, 8)).save(tmp_path / "0.png")
    Image.new(mode, (8, 8)).save(tmp_path / "1.tif")
    with pytest.raises(RequestError, match=r"1\.tif .* 8 or 16 bits"):
        open_clip(tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_deep_picture_is_turned_as_others_are(tmp_path, orientation):
    from PIL import Image

    shallow = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 10), np.uint8))
    deep = Image.fromarray(np.asarray(shallow).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = orientation
    frames = []
    for name, picture in (("8.png", shallow), ("16.png", deep)):
        picture.save(tmp_path / name, exif=exif)
        clip = open_clip(tmp_path / name)
        raw = clip.raw(True)
        frames.append(raw.planes(next(clip.read(0, raw)))[0] // (257 if raw.peak > 255 else 1))
    assert np.array_equal(*frames)


@pytest.mark.parametrize(
    "name", ["gone.mp4", "empty.mp4", "text.mp4", "playlist.mp4", "list.mp4", "sound.mp4", "."]
)
def test_what_is_no_clip_is_refused(tmp_path, name):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("just words\n" * 100)
    clips.make(tmp_path, "a.ts")
    (tmp_path / "playlist.mp4").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n"
    )
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile a.ts\n")
    ffmpeg.run([*clips.tone(), "-c:a", "aac", str(tmp_path / "sound.mp4")], "making sound")
    with pytest.raises(RequestError) as error:
        open_clip(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_frame_that_is_too_wide_is_refused(tmp_path):
    from PIL import Image

    for width, out, words in ((100_000, "out.mp4", r"H\.264 holds .*PNG"), (100_000, "out", "cut the clip")):
        (tmp_path / "wide").mkdir(exist_ok=True)
        Image.new("RGB", (width, 2), "red").save(tmp_path / "wide" / "0.png")
        with pytest.raises(RequestError, match=f"100000x2 are more than .*{words}"):
            clips.copy(tmp_path / "wide", tmp_path / out)
    Image.new("RGB", (20_000, 2), "red").save(tmp_path / "wide" / "0.png")
    clips.copy(tmp_path / "wide", tmp_path / "out")
    with Image.open(tmp_path / "out" / "000000.png") as picture:
        assert picture.size == (20_000, 2) and picture.getpixel((19_999, 1)) == (255, 0, 0)


def fast(folder):
    return clips.make(
        folder, "a.mp4", "-g", "4", "-movflags", "+faststart", clips.tone(1), "-c:a", "aac", frames=24
    )


SHARES = [0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 0.999]


@pytest.mark.parametrize("share", some(SHARES, {0.02, 0.1, 0.2, 0.4, 0.7, 0.97, 0.999}))
def test_a_truncated_file_gives_its_whole_frames_or_is_refused(tmp_path, share):
    path = fast(tmp_path)
    data = path.read_bytes()
    cut = int(len(data) * share)
    whole = data.index(b"mdat") < cut
    path.write_bytes(data[:cut])
    try:
        clip, said = clips.copy(path, tmp_path / "out.mp4")
    except RequestError as error:
        assert "\n" not in str(error)
        assert not whole or share < 0.4
        return
    assert 0 < clip.frames <= 24 and len(clips.packets(tmp_path / "out.mp4", decode=True)) == clip.frames
    if clip.frames < 24:
        assert any("damaged" in words for words in said)


DAMAGED = {(".mp4", 4), (".mp4", 0.8), (".mkv", 4), (".mkv", 0.5), (".avi", 40), (".avi", 0.5)}


@pytest.mark.parametrize(
    ("suffix", "where"), some([*product((".mp4", ".mkv", ".avi"), (4, 40, 0.3, 0.5, 0.8))], DAMAGED)
)
def test_a_damaged_file_gives_frames_or_is_refused(tmp_path, where, suffix):
    path = clips.make(tmp_path, f"a{suffix}", "-g", "4", frames=24)
    data = bytearray(path.read_bytes())
    at = where if where >= 1 else int(len(data) * where)
    data[at : at + 24] = bytes(np.random.default_rng(1).integers(0, 256, 24, np.uint8))
    path.write_bytes(data)
    try:
        clip, _ = clips.copy(path, tmp_path / "out.mp4")
    except RequestError as error:
        assert "\n" not in str(error)
        return
    assert len(clips.packets(tmp_path / "out.mp4", decode=True)) == clip.frames > 0


def test_a_clip_that_vanishes_is_a_run_error(tmp_path):
    clip = open_clip(clips.make(tmp_path, "a.mp4"))
    os.remove(clip.path)
    with pytest.raises(RunError, match="vanished"):
        list(clip.read(0, clip.raw(False)))


def test_reading_can_be_left_at_any_frame(tmp_path):
    clip = open_clip(clips.make(tmp_path, "a.mp4", frames=200, size="320x240"))
    frames = clip.read(0, clip.raw(True))
    next(frames)
    frames.close()  # ends ffmpeg, which would otherwise wait for ever to be read


@pytest.mark.parametrize("suffix", some([".mp4", ".mov", ".mkv", ".webm"], {".mp4", ".mkv", ".webm"}))
def test_same_clip_same_bytes(tmp_path, suffix):
    path = clips.full(tmp_path)
    for name in "ab":
        (tmp_path / name).mkdir()
        clips.copy(path, tmp_path / name / f"out{suffix}")
    assert (tmp_path / f"a/out{suffix}").read_bytes() == (tmp_path / f"b/out{suffix}").read_bytes()
