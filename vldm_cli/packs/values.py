"""What a value in a stranger's file must be: small checks that say in words what they want, and tables of them.

No torch. A check is called with a value and returns it or raises ValueError; its `wanted` is the second half of the
sentence "NAME must be …, not …".
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from vldm_cli.errors import shown as shown  # every reader of such files says values


class Check(ABC):
    """Call it with a value; ValueError when it is another one than wanted."""

    @property
    @abstractmethod
    def wanted(self) -> str:
        """What the value must be, in words."""

    @abstractmethod
    def fits(self, value) -> bool:
        """Whether it is such a value."""

    def __call__(self, value):
        if not self.fits(value):
            raise ValueError(f"must be {self.wanted}, not {shown(value)}")
        return value


@dataclass(frozen=True)
class Whole(Check):
    """A whole number from `least` to `most`."""

    least: int
    most: int

    @property
    def wanted(self) -> str:
        return f"a whole number from {self.least} to {self.most}"

    def fits(self, value) -> bool:
        return type(value) is int and self.least <= value <= self.most


@dataclass(frozen=True)
class Real(Check):
    """A number from `least` to `most`, without `least` itself where it is `above` it and without `most` where it is
    `below` that."""

    least: float
    most: float
    above: bool = False
    below: bool = False

    @property
    def wanted(self) -> str:
        start = f"above {self.least:g}" if self.above else f"from {self.least:g}"
        return f"a number {start} to {'below ' if self.below else ''}{self.most:g}"

    def fits(self, value) -> bool:
        # whole numbers as they are: one of 400 digits is no float
        if type(value) not in (int, float) or (type(value) is float and not math.isfinite(value)):
            return False
        low = self.least < value if self.above else self.least <= value
        return low and (value < self.most if self.below else value <= self.most)


@dataclass(frozen=True)
class OneOf(Check):
    """One of some words (or numbers)."""

    choices: tuple

    @property
    def wanted(self) -> str:
        return f"one of {', '.join(map(str, self.choices))}"

    def fits(self, value) -> bool:
        return any(type(value) is type(choice) and value == choice for choice in self.choices)


@dataclass(frozen=True)
class Flag(Check):
    """True or false."""

    @property
    def wanted(self) -> str:
        return "true or false"

    def fits(self, value) -> bool:
        return type(value) is bool


@dataclass(frozen=True)
class Text(Check):
    """A text of 1 to `most` characters, none of which does anything to a terminal. lines: line ends are allowed."""

    most: int
    lines: bool = False

    @property
    def wanted(self) -> str:
        return f"text of 1 to {self.most} characters that can be shown"

    def fits(self, value) -> bool:
        if type(value) is not str or not 0 < len(value) <= self.most:
            return False
        return (value.replace("\n", "").replace("\t", "") if self.lines else value).isprintable()


@dataclass(frozen=True)
class Each(Check):
    """A list of `least` to `most` values that each pass a check; it is returned as a tuple."""

    check: Check
    least: int
    most: int

    @property
    def wanted(self) -> str:
        count = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
        return f"a list of {count}, each {self.check.wanted}"

    def fits(self, value) -> bool:
        if not isinstance(value, list | tuple) or not self.least <= len(value) <= self.most:
            return False
        return all(map(self.check.fits, value))

    def __call__(self, value):
        return tuple(super().__call__(value))


@dataclass(frozen=True)
class Either(Check):
    """What passes one of several checks."""

    checks: tuple[Check, ...]

    @property
    def wanted(self) -> str:
        return " or ".join(check.wanted for check in self.checks)

    def fits(self, value) -> bool:
        return any(check.fits(value) for check in self.checks)

    def __call__(self, value):
        for check in self.checks:
            if check.fits(value):
                return check(value)
        return super().__call__(value)


@dataclass(frozen=True)
class Nothing(Check):
    """null."""

    @property
    def wanted(self) -> str:
        return "null"

    def fits(self, value) -> bool:
        return value is None


def optional(check: Check) -> Check:
    """The same, or null."""
    return Either((check, Nothing()))


def some(check: Check, most: int = 8) -> Check:
    """One such value, or a list of them, one for each level of a model."""
    return Either((check, Each(check, 1, most)))


Schema = Mapping[str, Check]
"""What each entry of a table must be, by name."""


def checked(table, schema: Schema, required: tuple[str, ...] = ()) -> dict:
    """The entries of `table` that the schema knows, each checked. Raises ValueError that names the entry when one is
    not what it must be, when a required one is missing, and when `table` is no table."""
    if not isinstance(table, dict):
        raise ValueError(f"it must hold a table of names and values, not {shown(table)}")
    for name in required:
        if name not in table:
            raise ValueError(f"{name} is missing")
    found = {}
    for name, check in schema.items():
        if name in table:
            try:
                found[name] = check(table[name])
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
    return found


def only_known(table: dict, known) -> None:
    """Raises ValueError that names an entry of `table` which is none of the known ones."""
    for name in table:
        if name not in known:
            raise ValueError(f"{shown(name)} is no entry that is known here")
