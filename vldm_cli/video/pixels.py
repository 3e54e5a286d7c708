"""What the names of ffmpeg's pixel formats say: colours, depth, how many samples colours have, transparency."""

import re

_COLOUR_DIFFERENCES = r"yuv|yuyv|yvyu|uyv|uyyv|vyu|vuy|ayuv|gray|nv\d|p[024]1|ya\d|yaf|y2|xv|v30|mono"


def is_rgb(pixels: str) -> bool:
    """Whether red, green and blue are stored (or a palette of them); not brightness with or without colours."""
    return not re.match(_COLOUR_DIFFERENCES, pixels)


def has_alpha(pixels: str) -> bool:
    return bool(re.match(r"yuva|ya\d|yaf|rgba|argb|abgr|bgra|gbrap|ayuv|vuya|uyva|pal8", pixels))


def depth(pixels: str) -> int:
    """Bits of a sample; 16 for numbers with a fraction."""
    if re.search(r"48|64|f16|f32", pixels):
        return 16
    if re.match(r"nv20|xv30|v30", pixels):
        return 10
    if pixels.startswith("xv36"):
        return 12
    packed = re.match(r"[py][024](1[026])", pixels)
    if packed:
        return int(packed.group(1))
    found = None if pixels.startswith("nv") else re.search(r"[a-z](9|1[0246])(?:msb)?(?:le|be)?$", pixels)
    return int(found.group(1)) if found else 8


def chroma(pixels: str) -> str:
    """ "420", "422" or "444": the least of these with which no sample of colour is lost."""
    if re.search(r"444|440|^(nv24|nv42|p4|xv|v30|ayuv|vuy|vyu|uyva)", pixels):
        return "444"
    if re.search(r"422|411|^(nv16|nv20|p2|y2)", pixels):
        return "422"
    return "420"
