"""Whether a file's own structure is whole, where ffmpeg reads what there is and says nothing of the rest: GIF, WebP,
AVI and fragmented MP4. Only headers are read, no picture is decoded."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_ISO = {
    b"ftyp",
    b"moov",
    b"moof",
    b"mdat",
    b"free",
    b"skip",
    b"wide",
    b"styp",
    b"sidx",
    b"mfra",
    b"uuid",
    b"meta",
}
_ISO |= {b"pnot", b"udta", b"emsg", b"prft", b"ssix", b"junk", b"pdin", b"PICT", b"bloc", b"mdta", b"beam"}
# Boxes that hold nothing but boxes.
_HOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"}
_WEBP = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "}

# The pieces of an AVI: its lists, and in `movi` packets by number and kind (dc, db, wb, pc, tx, …) and their indexes.
_AVI = re.compile(rb"LIST|JUNK|junk|idx1|ISFT|strd|vprp|ix[0-9]{2}|[0-9A-F]{2}[a-z0-9_]{2}", re.DOTALL)


@dataclass
class Structure:
    """`frames` that the file tells of (0: it does not), of which `spare` may hold no picture; for how many milliseconds
    each of an animation is shown; whether the file ends where it should and nothing foreign is in between."""

    frames: int = 0
    spare: int = 0
    milliseconds: list[int] = field(default_factory=list)
    whole: bool = True


def structure(path: Path) -> Structure:
    """That of a file of one of those kinds; of any other, nothing that is wrong. OSError when it cannot be read."""
    with Path(path).open("rb") as file:
        head = file.read(12)
        file.seek(0)
        if head[:4] == b"GIF8":
            return _gif(file)
        if head[:4] == b"RIFF" and head[8:] == b"WEBP":
            return _webp(file)
        if head[:4] == b"RIFF" and head[8:] == b"AVI ":
            return _avi(file)
        return _iso(file) if head[4:8] in _ISO else Structure()


def _gif(file: BinaryIO) -> Structure:
    """GIF89a: blocks up to the trailer. Where a part is missing, the sizes of what follows are read from the midst of a
    picture, and may by chance lead on to another picture's end: its blocks then are not full as all others' are."""
    found, delay, uneven, nothing = Structure(whole=False), 0, 0, 0
    _palette(file, file.read(13)[10:11])
    while kind := file.read(1):
        if kind == b";":
            found.whole = True
            break
        if kind == b"!":
            control = file.read(1) == b"\xf9"
            block, _ = _blocks(file)
            delay = int.from_bytes(block[1:3], "little") if control and len(block) >= 4 else delay
        elif kind == b",":
            _palette(file, file.read(9)[8:9])
            if not file.read(1):
                break
            uneven += not _blocks(file)[1]
            found.frames += 1
            found.milliseconds.append(10 * delay)
            delay = 0
        nothing = nothing + 1 if kind == b"\0" else 0
        if kind not in b"!,\0" or nothing > 1:  # some programs put a byte of nothing between blocks
            break
    found.whole = found.whole and not 0 < uneven < (found.frames + 1) / 2
    return found


def _palette(file: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        file.seek(3 << ((flags[0] & 7) + 1), 1)


def _blocks(file: BinaryIO) -> tuple[bytes, bool]:
    """A chain of blocks, of which the first is returned, and whether all but the last are of one size."""
    first, sizes = None, []
    while (size := file.read(1)) and size != b"\0":
        block = file.read(size[0])
        sizes.append(size[0])
        first = block if first is None else first
    return first or b"", len(set(sizes[:-1])) <= 1


def _webp(file: BinaryIO) -> Structure:
    found, length = Structure(), _length(file)
    end = 8 + int.from_bytes(file.read(8)[4:8], "little")
    found.whole = end <= length
    at, stills = 12, 0
    while at + 8 <= min(end, length):
        file.seek(at)
        head = file.read(24)
        kind, size = head[:4], int.from_bytes(head[4:8], "little")
        at += 8 + size + size % 2
        found.whole = found.whole and kind in _WEBP and at <= length + 1
        if kind not in _WEBP:
            break
        stills += kind in (b"VP8 ", b"VP8L")
        if kind == b"ANMF":
            found.milliseconds.append(int.from_bytes(head[20:23], "little"))
    found.milliseconds = found.milliseconds or [0] * min(stills, 1)
    found.frames = len(found.milliseconds)
    return found


def _avi(file: BinaryIO) -> Structure:
    """The main header's count of frames, of large files that of their first part; and packet by packet whether each is
    headed as one."""
    length, head = _length(file), file.read(4096)
    at = head.find(b"avih")
    frames = int.from_bytes(head[at + 24 : at + 28], "little") if at >= 0 else 0
    # codecs that look ahead begin with a packet without a picture, which is counted
    found, at = Structure(frames if frames < 1 << 30 else 0, spare=1), 0
    while at + 12 <= length:
        file.seek(at)
        head = file.read(12)
        size, kind = int.from_bytes(head[4:8], "little"), head[8:]
        if head[:4] == b"RIFF" or (head[:4] == b"LIST" and kind in (b"movi", b"rec ")):
            found.whole = found.whole and (at + 8 + size <= length or size in (0, 0xFFFFFFFF))
            at += 12  # what is in it comes next
        elif _AVI.fullmatch(head[:4]):
            at += 8 + size + size % 2
        else:
            found.whole = False
            break
    return found


def _iso(file: BinaryIO) -> Structure:
    """MP4 and MOV: boxes up to the end, fragments numbered one after the other."""
    found, length, at, last = Structure(), _length(file), 0, None
    while at + 8 <= length:
        file.seek(at)
        head = file.read(24)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size == 0:
            return found
        if size < 8 or kind not in _ISO or at + size > length:
            found.whole = False
            return found
        if kind in _HOLDERS and not _filled(file, at + 8, at + size):
            found.whole = False
            return found
        if kind == b"moof" and head[12:16] == b"mfhd":
            file.seek(at + 20)
            number = int.from_bytes(file.read(4), "big")
            found.whole = found.whole and last in (None, number - 1)
            last = number
        at += size
    found.whole = found.whole and at == length
    return found


def _filled(file: BinaryIO, at: int, end: int, depth: int = 0) -> bool:
    """Whether boxes lie one behind the other from there to the end of the box that they are in."""
    while at + 8 <= end:
        file.seek(at)
        head = file.read(8)
        size = int.from_bytes(head[:4], "big")
        if head == bytes(8):  # old programs end a list so
            return True
        if size < 8 or at + size > end or depth == len(_HOLDERS):
            return False
        if head[4:] in _HOLDERS and not _filled(file, at + 8, at + size, depth + 1):
            return False
        at += size
    return True


def _length(file: BinaryIO) -> int:
    length = file.seek(0, 2)
    file.seek(0)
    return length
