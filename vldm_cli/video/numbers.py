"""Numbers from outside: in options, calls from Python, manifests, comments of files, settings beside frames.

Python's own readers take what is never meant: `Fraction("1e1000000000")` computes a number of a billion digits, and a
comparison lets NaN pass for anything. So a value is looked at before anything is computed of it. No torch.
"""

import math
import operator
import re
from collections.abc import Sequence
from fractions import Fraction
from numbers import Real
from typing import Any

from vldm_cli.errors import RequestError, shown

# 1000 frames a second are more than any file here holds; the parts of a rate fit into 32 bits of every container.
FASTEST_RATE = 1000
LARGEST_PART = 1_000_000
LAST_SEED = 2**63 - 1
LONGEST = 1e6  # minutes of training: two years
MOST_GPUS = 1024
MOST_SHARE = 1e6  # shares are added up
_RATE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,12}|\.|/[0-9]{1,9})?|\.[0-9]{1,12}")


def rate_of(value: Any) -> Fraction:
    """A frame rate, exactly: "24", "23.976", "24000/1001", or a number. ValueError for anything else, for 0, for more
    than `FASTEST_RATE` and for what no file can hold."""
    if not isinstance(value, str) and not _is_number(value):
        raise ValueError("is no frame rate")
    if not isinstance(value, str) and not 0 < value <= FASTEST_RATE:  # nor NaN
        raise ValueError("is no frame rate that a file can hold")
    if isinstance(value, Fraction):
        rate = value
    else:
        text = value.strip() if isinstance(value, str) else str(value)
        if len(text) > 40 or not _RATE.fullmatch(text):
            raise ValueError("is no frame rate")
        try:
            rate = Fraction(text)
        except ZeroDivisionError as error:
            raise ValueError("is no frame rate") from error
    if not 0 < rate <= FASTEST_RATE or max(rate.numerator, rate.denominator) > LARGEST_PART:
        raise ValueError("is no frame rate that a file can hold")
    return rate


def whole_of(value: Any, least: int, most: int) -> int | None:
    """The whole number from `least` to `most` that a value is; None if it is anything else, as True and 5.0 are."""
    if isinstance(value, bool):
        return None
    try:
        number = operator.index(value)
    except TypeError:
        return None
    return number if least <= number <= most else None


def real_of(value: Any, least: float, most: float) -> float | None:
    """The number from `least` to `most` that a value is; None if it is anything else, as NaN is."""
    return float(value) if _is_number(value) and least <= value <= most else None


def whole(option: str, value: object, least: int, most: int) -> int:
    """An option's whole number. RequestError when it is none, or none of that range."""
    number = whole_of(value, least, most)
    if number is None:
        end = "2^63 − 1" if most == LAST_SEED else most
        raise RequestError(f"{option} {shown(value)} is no whole number from {least} to {end}")
    return number


def real(
    option: str, value: object, least: float, most: float, *, above: bool = False, below: bool = False
) -> float:
    """An option's number; above: `least` itself is none, below: `most` is none. RequestError as for `whole`."""
    low = math.nextafter(least, math.inf) if above else least
    number = real_of(value, low, math.nextafter(most, -math.inf) if below else most)
    if number is None:
        start = f"above {least:g}" if above else f"from {least:g}"
        raise RequestError(
            f"{option} {shown(value)} is no number {start} to {'below ' if below else ''}{most:g}"
        )
    return number


def choice(option: str, value: object, choices: Sequence[int]) -> int:
    """An option's whole number, one of a few. RequestError when it is another."""
    number = whole_of(value, min(choices), max(choices))
    if number is None or number not in choices:
        raise RequestError(f"{option} {shown(value)} is none of {', '.join(map(str, choices))}")
    return number


def _is_number(value: object) -> bool:
    """Python's own and numpy's; True is none."""
    return isinstance(value, Real) and not isinstance(value, bool)
