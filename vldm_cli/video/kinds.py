"""The kinds of file that vldm writes, by their suffix, and what each of them holds; suffixes of those that it reads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vldm_cli.errors import RequestError

_LOSSY = {"aac", "mp3", "ac3", "eac3"}
# ffmpeg writes more into MP4 (PCM, Vorbis) than players read out of it.
_MP4 = {*_LOSSY, "mp2", "alac", "opus", "flac", "dts"}
_PCM = {
    f"pcm_{name}" for name in ("s16le", "s24le", "s32le", "f32le", "f64le", "s16be", "s24be", "s32be", "u8")
}
_MOV = {*_LOSSY, *_PCM, "mp2", "alac", "pcm_alaw", "pcm_mulaw"}
_MKV = {*_MP4, *_PCM, "pcm_alaw", "pcm_mulaw", "vorbis", "truehd", "wavpack", "tta", "wmav2", "adpcm_ms"}
_AAC, _OPUS = ("aac", "AAC", "192k"), ("libopus", "Opus", "128k")


@dataclass(frozen=True)
class Kind:
    """One kind of file. `codec`: how frames are stored (None: pictures, whose segments are lossless); `format`:
    ffmpeg's name of it; `largest`: pixels of a side; `sound`: codecs that are copied, others become `encoder`
    (ffmpeg's name, ours and the rate); `text`: what subtitles of text become, `texts` which are copied as they are,
    `images` those made of pictures; `turns`: whether players are told to turn the frames."""

    name: str
    codec: str | None = None
    format: str | None = None
    largest: int = 65_535
    sound: frozenset[str] = frozenset()
    encoder: tuple[str, str, str] = _AAC
    text: str = ""
    texts: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    turns: bool = False

    @property
    def muxer(self) -> str:
        """ffmpeg's name of a kind that is a file; pictures have none."""
        assert self.format is not None
        return self.format

    @property
    def iso(self) -> bool:
        """MP4 and its elder sister, whose tracks have clocks of any speed."""
        return self.format in ("mp4", "mov")


def _kind(name: str, codec: str, form: str, largest: int, sound: set[str], **more) -> Kind:
    sets: dict[str, Any] = {
        key: frozenset(value) if isinstance(value, set) else value for key, value in more.items()
    }
    return Kind(name, codec, form, largest, frozenset(sound), **sets)


_H264 = 16_384
_DISCS = {"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"}
_STYLED = {"subrip", "srt", "ass", "ssa", "webvtt"}
KINDS = {
    "mp4": _kind(
        "MP4",
        "h264",
        "mp4",
        _H264,
        _MP4,
        text="mov_text",
        texts={"mov_text"},
        images={"dvd_subtitle"},
        turns=True,
    ),
    "mov": _kind("MOV", "h264", "mov", _H264, _MOV, text="mov_text", texts={"mov_text"}, turns=True),
    "mkv": _kind(
        "Matroska", "h264", "matroska", _H264, _MKV, text="subrip", texts=_STYLED, images=_DISCS, turns=True
    ),
    "webm": _kind(
        "WebM", "vp9", "webm", 16_384, {"opus", "vorbis"}, encoder=_OPUS, text="webvtt", texts={"webvtt"}
    ),
    "gif": Kind("GIF"),
    "webp": Kind("WebP", largest=16_383),
    "png": Kind("a folder of frames"),
}
# MOV has a list of its own, in which ffmpeg finds these languages only by their other names.
MOV_LANGUAGES = {
    **{"fre": "fra", "deu": "ger", "nld": "dut", "swe": "sve", "ell": "gre", "isl": "ice", "zho": "chi"},
    **{"fas": "per", "sqi": "alb", "rum": "ron", "cze": "ces", "slo": "slk", "hye": "arm", "kat": "geo"},
    **{"mya": "bur", "msa": "may", "cym": "wel", "eus": "baq"},
}
# Files that are taken for videos where a folder of them is given; named one by one, any file may be one.
VIDEOS = {
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".apng", ".wmv", ".flv", ".ogv"),
    *(".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".3gp"),
}
SUFFIXES = {"" if kind == "png" else f".{kind}": kind for kind in KINDS}


def open_container(out: Path) -> str:
    """The kind of file that `out` names, a key of `KINDS` (png: a folder). RequestError for another suffix."""
    suffix = Path(out).suffix.lower()
    if suffix not in SUFFIXES:
        raise RequestError(
            f"{out} ends in {suffix}, which vldm does not write: "
            f"use {', '.join(s for s in SUFFIXES if s)} or a folder's name"
        )
    return SUFFIXES[suffix]
