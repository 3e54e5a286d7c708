"""What made a video, stored in the files whose writers in ffmpeg store no comment: GIF and animated WebP."""

import os
import shutil
from pathlib import Path

from vldm_cli.video.picture import opened

_EXIF_FLAG = 0x08
_IMAGE_DESCRIPTION = 0x010E


def tag_gif(path: Path, text: str) -> None:
    """Put a comment extension (GIF89a, section 24) before the first frame of the GIF file."""
    data = text.encode()
    parts = [data[i : i + 255] for i in range(0, len(data), 255)]
    comment = b"\x21\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\x00"
    tagged = path.with_name(f".{path.name}.tagged")
    with path.open("rb") as old, tagged.open("wb") as new:
        head = old.read(13)
        if head[:6] != b"GIF89a":
            raise OSError(f"{path} does not begin as a GIF file does")
        palette = 3 * 2 ** ((head[10] & 7) + 1) if head[10] & 0x80 else 0
        new.write(head + old.read(palette) + comment)
        shutil.copyfileobj(old, new)
    os.replace(tagged, path)


def tag_webp(path: Path, text: str) -> None:
    """Append an EXIF chunk with the text (ASCII) as image description to the WebP file.

    Only the extended format has such chunks: a file of a single frame becomes one.
    """
    from PIL import Image

    exif = Image.Exif()
    exif[_IMAGE_DESCRIPTION] = text
    chunk = exif.tobytes().removeprefix(b"Exif\x00\x00")
    with path.open("r+b") as file:
        head = file.read(21)
        if head[:4] != b"RIFF" or head[8:11] != b"WEB":
            raise OSError(f"{path} does not begin as a WebP file does")
        if head[12:16] != b"VP8X":
            with Image.open(path) as picture:
                width, height = picture.size
            file.seek(12)
            rest = file.read()
            canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
            file.seek(12)
            file.write(b"VP8X" + (10).to_bytes(4, "little") + bytes([_EXIF_FLAG, 0, 0, 0]) + canvas + rest)
        else:
            file.seek(20)
            file.write(bytes([head[20] | _EXIF_FLAG]))
        file.seek(0, 2)
        file.write(b"EXIF" + len(chunk).to_bytes(4, "little") + chunk + b"\x00" * (len(chunk) % 2))
        size = file.tell()
        file.seek(4)
        file.write((size - 8).to_bytes(4, "little"))


def picture_text(path: Path) -> str | None:
    """The text that one of the above stored in a file; None where there is none. Raises as `picture.look`."""
    with opened(path) as picture:
        text = picture.info.get("comment") or picture.getexif().get(_IMAGE_DESCRIPTION)
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    return text if isinstance(text, str) else None
