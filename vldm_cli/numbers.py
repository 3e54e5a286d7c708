"""Numbers that stand in texts from outside: options, manifests, comments of files, settings beside frames.

Python's own readers take what is never meant: `Fraction("1e1000000000")` computes a number of a billion digits. So a
text is looked at before anything is computed of it. No torch.
"""

import re
from fractions import Fraction

# 1000 frames a second are more than any file here holds; the parts of a rate fit into 32 bits of every container.
FASTEST_RATE = 1000
LARGEST_PART = 1_000_000
_RATE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,12}|\.|/[0-9]{1,9})?|\.[0-9]{1,12}")


def rate_of(value: object) -> Fraction:
    """A frame rate, exactly: "24", "23.976", "24000/1001", or a number. ValueError for anything else, for 0, for more
    than `FASTEST_RATE` and for what no file can hold."""
    if type(value) not in (str, int, float, Fraction):
        raise ValueError("is no frame rate")
    text = str(value).strip() if not isinstance(value, str) or len(value) <= 40 else ""
    if not _RATE.fullmatch(text):
        raise ValueError("is no frame rate")
    try:
        rate = Fraction(text)
    except ZeroDivisionError as error:
        raise ValueError("is no frame rate") from error
    if not 0 < rate <= FASTEST_RATE or max(rate.numerator, rate.denominator) > LARGEST_PART:
        raise ValueError("is no frame rate that a file can hold")
    return rate


def whole_of(value: object, least: int, most: int) -> int | None:
    """The whole number from `least` to `most` that a value of JSON or TOML is; None if it is anything else."""
    return value if type(value) is int and least <= value <= most else None
