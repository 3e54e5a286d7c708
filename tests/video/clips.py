"""Small clips of every kind, made with ffmpeg, and a copy of a clip through our own reading and writing."""

import re
from array import array
from fractions import Fraction
from itertools import islice
from pathlib import Path

from vldm_cli.video import ffmpeg
from vldm_cli.video.assemble import assemble
from vldm_cli.video.carry import packed
from vldm_cli.video.clip import open_clip
from vldm_cli.video.kinds import KINDS as WRITTEN
from vldm_cli.video.kinds import open_container
from vldm_cli.video.segments import encode_frames, stored_look
from vldm_cli.video.times import Times

H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-threads", "1"]
TONE = ["-f", "lavfi", "-i", "sine=frequency=440:duration={}"]
BT709 = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
SRT = "1\n00:00:00,100 --> 00:00:00,300\nhello\n\n2\n00:00:00,350 --> 00:00:00,600\nworld\n"
META = (
    ";FFMETADATA1\ntitle=A\\=b\\; c \\# d\nartist=Zoë\ncomment=mine\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=one\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=400\nEND=800\ntitle=two\n"
)


def make(folder: Path, name: str, *arguments, frames=12, size="64x48", rate="24", filters="null", codec=H264):
    """A test pattern of that many frames, with `arguments` after the video's."""
    path = folder / name
    picture = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}"]
    before = [a for a in arguments if isinstance(a, list)]
    after = [a for a in arguments if not isinstance(a, list)]
    command = [
        *picture,
        *(word for words in before for word in words),
        "-vf",
        filters,
        "-frames:v",
        str(frames),
    ]
    ffmpeg.run([*command, "-fps_mode", "passthrough", *codec, *after, f"file:{path}"], f"making {name}")
    return path


def tone(seconds=0.5, frequency=440):
    return ["-f", "lavfi", "-i", f"sine=frequency={frequency}:duration={seconds}"]


def remuxed(path: Path, name: str, *arguments, before=()):
    out = path.with_name(name)
    ffmpeg.run([*before, "-i", f"file:{path}", *arguments, f"file:{out}"], f"making {name}")
    return out


def full(folder: Path, name="full.mkv"):
    """Two sounds of two languages, subtitles, chapters, tags."""
    (folder / "s.srt").write_text(SRT)
    (folder / "m.txt").write_text(META)
    text, tags = ["-i", str(folder / "s.srt")], ["-i", str(folder / "m.txt")]
    maps = ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s", "-map_metadata", "4", "-c:a:0", "aac"]
    maps += [
        "-c:a:1",
        "flac",
        "-c:s",
        "srt",
        "-metadata:s:a:0",
        "language=eng",
        "-metadata:s:a:1",
        "language=fra",
    ]
    maps += ["-metadata:s:s:0", "language=deu"]
    return make(folder, name, tone(0.8), tone(0.8, 220), text, tags, *maps, frames=20)


VFR = "select='not(eq(mod(n\\,5)\\,3))'"
KINDS = {
    "plain mp4": lambda f: make(f, "a.mp4"),
    "with sound": lambda f: make(f, "a.mp4", tone(), "-c:a", "aac"),
    "one frame": lambda f: make(f, "a.mp4", frames=1),
    "two frames": lambda f: make(f, "a.mp4", frames=2),
    "23.976": lambda f: make(f, "a.mp4", rate="24000/1001", frames=30),
    "29.97 in mkv": lambda f: make(f, "a.mkv", rate="30000/1001", frames=30),
    "23.976 in webm": lambda f: make(
        f, "a.webm", rate="24000/1001", codec=["-c:v", "libvpx-vp9", "-cpu-used", "8"]
    ),
    "b-frames": lambda f: make(f, "a.mp4", "-bf", "3", "-b_strategy", "0", frames=20),
    "variable times": lambda f: make(f, "a.mp4", filters=VFR, frames=20),
    "variable times in mkv": lambda f: make(f, "a.mkv", filters=VFR, frames=20),
    "variable times and sound": lambda f: make(f, "a.mp4", tone(1.0), "-c:a", "aac", filters=VFR, frames=20),
    "wildly variable times": lambda f: make(f, "a.mp4", filters="setpts='N*N*7/TB/1000'", frames=12),
    "turned": lambda f: remuxed(make(f, "b.mp4"), "a.mp4", "-c", "copy", before=["-display_rotation", "90"]),
    "upside down": lambda f: remuxed(
        make(f, "b.mp4"), "a.mp4", "-c", "copy", before=["-display_rotation", "180"]
    ),
    "turned mov": lambda f: remuxed(
        make(f, "b.mov"), "a.mov", "-c", "copy", before=["-display_rotation", "-90"]
    ),
    "mirrored": lambda f: remuxed(make(f, "b.mp4"), "a.mp4", "-c", "copy", before=["-display_hflip"]),
    "odd size": lambda f: make(f, "a.mkv", filters="scale=63:47,format=yuv420p", codec=["-c:v", "ffv1"]),
    "odd webm": lambda f: make(
        f, "a.webm", filters="scale=63:47,format=yuv420p", codec=["-c:v", "libvpx-vp9", "-cpu-used", "8"]
    ),
    "10 bit": lambda f: make(f, "a.mp4", filters=f"format=yuv420p10le,{BT709}"),
    "10 bit hevc": lambda f: make(
        f, "a.mp4", filters="format=yuv420p10le", codec=["-c:v", "libx265", "-x265-params", "log-level=none"]
    ),
    "bt709": lambda f: make(f, "a.mp4", filters=BT709),
    "bt601": lambda f: make(
        f,
        "a.mp4",
        filters="setparams=range=tv:colorspace=smpte170m:color_primaries=smpte170m:color_trc=smpte170m",
    ),
    "full range": lambda f: make(f, "a.mp4", filters=BT709.replace("tv", "pc")),
    "old full range": lambda f: make(f, "a.avi", filters="format=yuvj420p", codec=["-c:v", "mjpeg"]),
    "4:2:2": lambda f: make(f, "a.mov", filters="format=yuv422p"),
    "4:4:4": lambda f: make(f, "a.mp4", filters="format=yuv444p"),
    "yuy2": lambda f: make(f, "a.avi", filters="format=yuyv422", codec=["-c:v", "rawvideo"]),
    "uyvy": lambda f: make(f, "a.mov", filters="format=uyvy422", codec=["-c:v", "rawvideo"]),
    "4:1:1": lambda f: make(f, "a.mkv", filters="format=yuv411p", codec=["-c:v", "ffv1"]),
    "12 bit": lambda f: make(f, "a.mkv", filters="format=yuv420p12le", codec=["-c:v", "ffv1"]),
    "prores": lambda f: make(f, "a.mov", filters="format=yuv422p10le", codec=["-c:v", "prores_ks"]),
    "16-bit rgb": lambda f: make(f, "a.mkv", filters="format=gbrp16le", codec=["-c:v", "ffv1"]),
    "grey": lambda f: make(f, "a.mkv", filters="format=gray", codec=["-c:v", "ffv1"]),
    "pixels that are not square": lambda f: make(f, "a.mp4", filters="setsar=4/3"),
    "two sounds, subtitles, chapters": full,
    "sound longer than the frames": lambda f: make(f, "a.mp4", tone(1.5), "-c:a", "aac"),
    "sound that begins first": lambda f: make(
        f, "a.mkv", tone(1.0), "-c:a", "flac", filters="setpts=PTS+0.25/TB"
    ),
    "pcm sound": lambda f: make(f, "a.mov", tone(), "-c:a", "pcm_s16le"),
    "vorbis sound": lambda f: make(f, "a.mkv", tone(), "-c:a", "libvorbis"),
    "opus sound": lambda f: make(f, "a.mkv", tone(), "-c:a", "libopus"),
    "mp3 in avi": lambda f: make(f, "a.avi", tone(), "-c:a", "libmp3lame", codec=["-c:v", "mpeg4"]),
    "transport stream": lambda f: make(f, "a.ts", tone(), "-c:a", "aac"),
    "gif": lambda f: make(f, "a.gif", rate="10", codec=[]),
    "webp": lambda f: make(f, "a.webp", rate="10", codec=["-c:v", "libwebp_anim"]),
    "alpha": lambda f: make(f, "a.mkv", filters="format=yuva420p", codec=["-c:v", "ffv1"]),
    "interlaced": lambda f: make(f, "a.mp4", "-flags", "+ildct+ilme", filters="interlace", rate="50"),
    "rgb": lambda f: make(f, "a.avi", filters="format=bgr24", codec=["-c:v", "rawvideo"]),
    "phone tags": lambda f: make(
        f,
        "a.mov",
        "-movflags",
        "use_metadata_tags",
        "-metadata",
        "com.apple.quicktime.make=Apple",
        "-metadata",
        "creation_time=2026-01-02T03:04:05.000000Z",
    ),
    "timecode": lambda f: make(f, "a.mov", "-timecode", "01:00:00:00"),
    "cut, with an edit list": lambda f: remuxed(
        make(f, "b.mp4", tone(1), "-c:a", "aac", "-g", "10", frames=24),
        "a.mp4",
        "-c",
        "copy",
        before=["-ss", "0.3"],
    ),
    "in fragments": lambda f: remuxed(
        make(f, "b.mp4", tone(1), "-c:a", "aac", frames=24),
        *("a.mp4", "-c", "copy", "-movflags", "+frag_keyframe+empty_moov"),
    ),
    "sound before the frames in the file": lambda f: remuxed(
        make(f, "b.mp4", tone(1), "-c:a", "aac", frames=24),
        *("a.mp4", "-map", "0:a", "-map", "0:v", "-c", "copy"),
    ),
    "spaces and quotes": lambda f: make(f, 'it\'s a "clip" [x].mp4'),
    "%03d": lambda f: make(f, "a%03d.mp4"),
    "leading dash": lambda f: make(f, "-i a.mp4"),
    "not ASCII": lambda f: make(f, "фильм 映画 é.mp4"),
    "colon": lambda f: make(f, "concat:a|b.mp4"),
    "wrong suffix": lambda f: make(f, "b.mp4").rename(f / "a.avi"),
}


def copy(path, out, crf=12, rgb=False, force=False, segment=8, times=lambda t: t, slow=1, **options):
    """The clip read and written again by us, `slow` times as slow: (the clip, everything that there is to say)."""
    kind = open_container(out)
    clip = open_clip(path, force, keep_rotation=WRITTEN[kind].turns, **options)
    raw = clip.raw(rgb or kind in ("gif", "webp", "png"))
    look, said = stored_look(clip.look, kind, raw.height, raw.width)
    frames, segments, own = clip.read(0, raw), [], clip.times
    if slow != 1:
        own = Times(
            own.clock, array("q", (tick * slow for tick in own.ticks)), own.end * slow, own.start * slow
        )
    for first in range(0, clip.frames, segment):
        segments.append((out.parent / f"segment-{first}.part", first))
        encode_frames(segments[-1][0], islice(frames, segment), raw, look, own, first, kind, crf)
    baggage = packed(clip.report, kind, Fraction(slow))
    said += assemble(clip, segments, out, kind, times(own), baggage, {"vldm": "0"})
    for part, _ in segments:
        part.unlink()
    return clip, [*clip.warnings, *baggage.remarks, *said]


def packets(path, stream="0:v:0", decode=False):
    """(seconds, length in seconds, checksum) of each packet or decoded frame, in the order of their times, counted
    from the beginning of the file."""
    how = ["-c:v", "rawvideo", "-c:a", "pcm_s16le", "-fps_mode", "passthrough", "-enc_time_base", "demux"]
    arguments = ["-v", "error", "-noautorotate", "-i", f"file:{path}", "-map", stream]
    arguments += [*(how if decode else ["-c", "copy"]), "-f", "framecrc", "-"]
    text = ffmpeg.probe(arguments)[0].decode()
    base = Fraction(re.search(r"^#tb 0: (\S+)", text, re.MULTILINE).group(1))
    rows = [line.split(",") for line in text.splitlines() if line and line[0] != "#"]
    return sorted((int(r[2]) * base, int(r[3]) * base, r[5].strip()) for r in rows)


def lead(path, number=0):
    """By how many seconds a sound begins before the frames (what is cut from its beginning by players counted)."""
    arguments = ["-v", "error", "-copyts", "-i", f"file:{path}", "-map", "0:v:0", "-map", f"0:a:{number}"]
    how = ["-c:v", "rawvideo", "-c:a", "pcm_s16le", "-fps_mode", "passthrough"]
    how += ["-enc_time_base:v", "demux", "-f", "framecrc", "-"]
    text = ffmpeg.probe([*arguments, *how])[0].decode()
    bases = {kind: Fraction(base) for kind, base in re.findall(r"^#tb (\d): (\S+)", text, re.MULTILINE)}
    rows = [line.split(",") for line in text.splitlines() if line and line[0] != "#"]
    first = {k: min(int(r[2]) for r in rows if r[0] == k) * base for k, base in bases.items()}
    return first["0"] - first["1"]


def samples(path, stream="0:a:0"):
    """The sound as signed 16-bit mono, from the file's beginning on (silence where it has none yet)."""
    import numpy as np

    how = ["-af", "aresample=async=1:first_pts=0", "-ac", "1", "-f", "s16le", "-"]
    return np.frombuffer(ffmpeg.probe(["-v", "error", "-i", f"file:{path}", "-map", stream, *how])[0], "<i2")


def report(path):
    """ffmpeg's words on a file."""
    return ffmpeg.probe(["-i", f"file:{path}"])[1]
