"""MOV and Matroska as outputs: everything that they can hold is in them."""

from fractions import Fraction
from itertools import product

import pytest

from tests.cases import some
from tests.video import clips
from vldm_cli.video import ffmpeg
from vldm_cli.video.clip import open_clip
from vldm_cli.video.probe import inspect
from vldm_cli.video.read import video_info

SAME = [
    "23.976",
    "b-frames",
    "turned",
    "upside down",
    "10 bit",
    "full range",
    "4:2:2",
    "pixels that are not square",
]


KINDS = (*SAME, "variable times", "23.976 in webm", "odd size", "mirrored")
BOTH = {"23.976", "b-frames", "turned", "10 bit", "pixels that are not square", "variable times"}
SHOWN = {*product(BOTH, (".mov", ".mkv")), ("full range", ".mkv"), ("odd size", ".mov"), ("mirrored", ".mkv")}


@pytest.mark.parametrize(("kind", "suffix"), some([*product(KINDS, (".mov", ".mkv"))], SHOWN))
def test_frames_times_and_look_stay(tmp_path, kind, suffix):
    path, out = clips.KINDS[kind](tmp_path), tmp_path / f"out{suffix}"
    clips.copy(path, out)
    was, now = open_clip(path), open_clip(out)
    slack = Fraction(1, 1000) if suffix == ".mkv" else Fraction(1, 200_000)
    assert now.frames == was.frames and abs(now.times.seconds - was.times.seconds) <= slack
    pairs = zip(was.times.ticks, now.times.ticks, strict=True)
    assert all(abs(Fraction(a, was.times.clock) - Fraction(b, now.times.clock)) <= slack for a, b in pairs)
    if was.times.constant:
        assert now.times.fps == was.times.fps
    assert (now.height, now.width, now.look.bits, now.look.sar or 1) == (
        was.height,
        was.width,
        was.look.bits,
        was.look.sar or 1,
    )
    if kind != "mirrored":
        assert now.report.rotation == was.report.rotation
    if not was.report.rgb:
        assert (now.report.matrix, now.report.range or "tv") == (was.report.matrix, was.report.range or "tv")


@pytest.mark.parametrize(
    ("suffix", "sounds", "text"), [(".mov", ["aac", "aac"], "mov_text"), (".mkv", ["aac", "flac"], "subrip")]
)
def test_sound_subtitles_chapters_and_tags(tmp_path, suffix, sounds, text):
    path, out = clips.full(tmp_path), tmp_path / f"out{suffix}"
    _, said = clips.copy(path, out)
    now = inspect(out)
    assert [s.codec for s in now.of("audio")] == sounds and [s.codec for s in now.of("subtitle")] == [text]
    assert [s.language for s in now.of("audio")] == ["eng", "fra"] and now.chapters == 2
    assert now.of("subtitle")[0].language == ("ger" if suffix == ".mov" else "deu")
    assert said == ([] if suffix == ".mkv" else ["MOV cannot hold flac sound: it is converted to AAC"])
    assert now.metadata["title"] == "A=b; c # d" and now.metadata["comment"] == "mine"
    shown = ffmpeg.probe(["-v", "error", "-i", str(out), "-map", "0:s:0", "-f", "srt", "-"])[0].decode()
    assert "00:00:00,100 --> 00:00:00,300\nhello" in shown
    assert "start 0.400000, end 0.800000" in clips.report(out)
    assert video_info(out)["metadata"] == {"vldm": "0"}, "it is in another tag, since the clip has a comment"


@pytest.mark.parametrize(
    ("suffix", "kind", "codec"),
    [
        (".mov", "pcm sound", "pcm_s16le"),
        (".mkv", "pcm sound", "pcm_s16le"),
        (".mkv", "vorbis sound", "vorbis"),
        (".mkv", "opus sound", "opus"),
        (".mov", "opus sound", "aac"),
        (".mov", "mp3 in avi", "mp3"),
    ],
)
def test_sound_is_copied_where_the_container_holds_it(tmp_path, suffix, kind, codec):
    path, out = clips.KINDS[kind](tmp_path), tmp_path / f"out{suffix}"
    _, said = clips.copy(path, out)
    (sound,) = inspect(out).of("audio")
    same = sound.codec == inspect(path).of("audio")[0].codec
    assert sound.codec == codec and (said == []) == same
    assert abs(clips.lead(path) - clips.lead(out)) < Fraction(1, 100)
    if same:
        a, b = ([row[2] for row in clips.packets(p, "0:a:0")] for p in (path, out))
        assert a == b


def test_styles_fonts_and_covers_stay_in_matroska_and_are_named_elsewhere(tmp_path):
    style = (
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname\nStyle: Default,Font\n\n"
    )
    line = (
        "[Events]\nFormat: Layer, Start, End, Style, Text\nDialogue: 0,0:00:00.10,0:00:00.30,Default,hello\n"
    )
    (tmp_path / "s.ass").write_text(style + line)
    (tmp_path / "font.ttf").write_bytes(b"a font")
    ffmpeg.run(
        ["-f", "lavfi", "-i", "color=red:s=16x16", "-frames:v", "1", str(tmp_path / "c.png")], "a cover"
    )
    more = ["-map", "0:v", "-map", "1:s", "-c:s", "ass"]
    for number, (name, kind) in enumerate((("font.ttf", "font/ttf"), ("c.png", "image/png"))):
        more += ["-attach", str(tmp_path / name), f"-metadata:s:t:{number}", f"mimetype={kind}"]
    path = clips.make(tmp_path, "a.mkv", ["-i", str(tmp_path / "s.ass")], *more)
    before = set(tmp_path.iterdir())
    _, said = clips.copy(path, tmp_path / "out.mkv")
    now = inspect(tmp_path / "out.mkv")
    assert said == [] and [s.codec for s in now.of("subtitle")] == ["ass"]
    assert len(now.of("attachment")) == 1 and [s.attached for s in now.of("video")] == [False, True]
    assert set(tmp_path.iterdir()) - before == {tmp_path / "out.mkv"}
    _, said = clips.copy(path, tmp_path / "out.mov")
    assert len(said) == 3 and all(any(w in s for s in said) for w in ("styles", "attached files", "cover"))
