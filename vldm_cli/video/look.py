"""How frames are coded: sizes of raw frames in a pipe, and colours, depth and pixel shape of a video."""

import builtins
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from vldm_cli.errors import RequestError
from vldm_cli.video.pixels import chroma, depth
from vldm_cli.video.probe import Report

_ACCURATE = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
# What swscale calls the matrices that ffmpeg reports by these names; None: it assumes BT.601, so do we.
_MATRICES = {
    None: "bt601",
    "bt709": "bt709",
    "bt470bg": "bt470",
    "smpte170m": "smpte170m",
    "smpte240m": "smpte240m",
    "fcc": "fcc",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
    "gbr": "bt709",
}
_BT601, _BT709 = (0.299, 0.114), (0.2126, 0.0722)
_BT2020, _SMPTE240M, _FCC = (0.2627, 0.0593), (0.212, 0.087), (0.30, 0.11)
# How much of the brightness red and blue are, by the same names: ITU-R BT.601 (whose numbers BT.470 B/G and SMPTE 170M
# have), BT.709 and BT.2020, SMPTE 240M, FCC 73.682. Where swscale takes one matrix for another, these do too.
_SHARES = {
    None: _BT601,
    "bt709": _BT709,
    "bt470bg": _BT601,
    "smpte170m": _BT601,
    "smpte240m": _SMPTE240M,
    "fcc": _FCC,
    "bt2020nc": _BT2020,
    "bt2020c": _BT2020,
    "gbr": _BT709,
}
_CHROMA = {"420": (2, 2), "422": (1, 2), "444": (1, 1)}


@dataclass(frozen=True)
class Raw:
    """Frames as they go through a pipe: `pixels` is ffmpeg's name, rgb24, rgb48le or yuv4..p with or without 10le."""

    pixels: str
    height: int
    width: int

    @property
    def rgb(self) -> bool:
        return self.pixels.startswith("rgb")

    @property
    def dtype(self) -> np.dtype:
        return np.dtype("<u2" if self.pixels.endswith("le") else "u1")

    @property
    def peak(self) -> int:
        """The largest value of a sample."""
        return 255 if self.dtype.itemsize == 1 else 65535 if self.rgb else 1023

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the planes: one (H, W, 3) of RGB, or Y, U and V."""
        if self.rgb:
            return [(self.height, self.width, 3)]
        down, across = _CHROMA[self.pixels[3:6]]
        chroma = (-(-self.height // down), -(-self.width // across))
        return [(self.height, self.width), chroma, chroma]

    @property
    def bytes(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes) * self.dtype.itemsize

    def planes(self, frame: builtins.bytes) -> list[np.ndarray]:
        """The planes of one frame, without copying."""
        samples, planes, at = np.frombuffer(frame, self.dtype), [], 0
        for shape in self.shapes:
            planes.append(samples[at : at + int(np.prod(shape))].reshape(shape))
            at += planes[-1].size
        return planes

    def pack(self, planes: list[np.ndarray]) -> builtins.bytes:
        """The inverse of `planes`."""
        return b"".join(np.ascontiguousarray(plane, self.dtype).tobytes() for plane in planes)


@dataclass(frozen=True)
class Look:
    """Colours, depth (8 or 10 bits), chroma ("420", "422", "444") and pixel shape of a video. None: it does not say.
    `depth` is that of the file which it was read from; `was_rgb`: in it stood red, green and blue."""

    range: str | None = "tv"
    matrix: str | None = "bt709"
    primaries: str | None = "bt709"
    transfer: str | None = "bt709"
    bits: int = 8
    chroma: str = "420"
    sar: Fraction | None = None
    depth: int = 8
    was_rgb: bool = False

    @classmethod
    def of_rgb(cls, depth: int, sar: Fraction | None = None) -> "Look":
        """That of RGB of so many bits, coded as BT.709, which is what everything shows it as. Every pixel has its own
        colour, so all of these are stored."""
        return cls(bits=10 if depth > 8 else 8, chroma="444", sar=sar, depth=depth, was_rgb=True)

    @classmethod
    def of(cls, report: Report) -> "Look":
        """That of a file. RequestError when its colours cannot be computed with."""
        if report.rgb:
            return cls.of_rgb(depth(report.pixels), report.sar)
        if report.matrix not in _MATRICES:
            raise RequestError(
                f"{report.path} has the colour matrix {report.matrix}, which vldm does not read; "
                "convert it to bt709 with ffmpeg first"
            )
        return cls(
            report.range,
            report.matrix,
            report.primaries,
            report.transfer,
            report.bits,
            chroma(report.pixels),
            report.sar,
            depth(report.pixels),
        )

    @property
    def coded(self) -> str:
        """Samples as they are stored: ffmpeg's pixel format."""
        return f"yuv{self.chroma}p{'10le' if self.bits == 10 else ''}"

    @property
    def rgb(self) -> str:
        """RGB of the same depth or more."""
        return "rgb48le" if self.bits == 10 else "rgb24"

    def decode(self, raw: Raw) -> str:
        """The filter that gives frames of this look as `raw` ones; nothing changes where they are coded so."""
        span, size = self.range or "tv", f"{raw.width}:{raw.height}"
        if not raw.rgb:
            return f"scale={size}:in_range={span}:out_range={span}:{_ACCURATE},format={raw.pixels}"
        matrix = _MATRICES[self.matrix]
        return f"scale={size}:in_range={span}:out_range=pc:in_color_matrix={matrix}:{_ACCURATE},format={raw.pixels}"

    def encode(self, pixels: str) -> str:
        """The filter that takes frames of `pixels` and codes them in this look, tagged as what they are."""
        span = self.range or "tv"
        steps = []
        if pixels.startswith("rgb"):
            matrix = _MATRICES[self.matrix]
            steps = [f"scale=in_range=pc:out_range={span}:out_color_matrix={matrix}:{_ACCURATE}"]
        steps.append(f"format={self.coded}")
        tags = (
            self.range or "unspecified",
            *(tag or "unknown" for tag in (self.matrix, self.primaries, self.transfer)),
        )
        steps.append("setparams=range={}:colorspace={}:color_primaries={}:color_trc={}".format(*tags))
        return ",".join(steps) + "," + self.shape()

    def shape(self) -> str:
        """The filter that says how wide a pixel is."""
        sar = self.sar or Fraction(0)
        return f"setsar={sar.numerator}/{sar.denominator}"

    def _levels(self, raw: Raw) -> tuple[int, int, int, int]:
        """Of samples Y: what black is, and how much more white is; of U and V: what grey is, and how far apart the
        strongest colours are."""
        unit = (raw.peak + 1) // 256
        if self.range == "pc":
            return 0, raw.peak, 128 * unit, raw.peak
        return 16 * unit, 219 * unit, 128 * unit, 224 * unit

    def from_rgb(self, raw: Raw, image: np.ndarray) -> bytes:
        """RGB (H, W, 3), floats in [0, 1], as a raw frame: chroma is averaged."""
        if raw.rgb:
            return raw.pack([(image * raw.peak).round()])
        red, blue = _SHARES[self.matrix]
        r, g, b = np.moveaxis(image, -1, 0)
        y = red * r + (1 - red - blue) * g + blue * b
        planes = [y, (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)]
        for i, (height, width) in enumerate(raw.shapes[1:], 1):
            down, across = -(-y.shape[0] // height), -(-y.shape[1] // width)
            rest = (0, height * down - y.shape[0]), (0, width * across - y.shape[1])
            whole = np.pad(planes[i], rest, mode="edge")
            planes[i] = whole.reshape(height, down, width, across).mean((1, 3))
        black, light, grey, colour = self._levels(raw)
        planes = [black + light * planes[0], *(grey + colour * c for c in planes[1:])]
        return raw.pack([plane.round().clip(0, raw.peak) for plane in planes])

    def to_rgb(self, raw: Raw, frame: bytes) -> np.ndarray:
        """A raw frame as uint8 (H, W, 3) for a thumbnail: chroma is repeated, not filtered."""
        planes = raw.planes(frame)
        if raw.rgb:
            return np.ascontiguousarray(planes[0] >> 8 if raw.peak > 255 else planes[0]).astype(np.uint8)
        black, light, grey, colour = self._levels(raw)
        y, u, v = planes
        down, across = -(-y.shape[0] // u.shape[0]), -(-y.shape[1] // u.shape[1])
        u, v = (c.repeat(down, 0).repeat(across, 1)[: y.shape[0], : y.shape[1]] for c in (u, v))
        y = (y.astype(np.float32) - black) * 255 / light
        u, v = ((c.astype(np.float32) - grey) * 255 / colour for c in (u, v))
        red, blue = _SHARES[self.matrix]
        r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
        g = (y - red * r - blue * b) / (1 - red - blue)
        return np.stack([r, g, b], -1).round().clip(0, 255).astype(np.uint8)
