"""The types of options: an error says what is expected, with an example; click's own says less."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from broadcast.core.duration import seconds_of

if TYPE_CHECKING:
    Param = click.Parameter | None
    Context = click.Context | None

LEAST_RATE = 1 / 86_400  # messages a second: one a day
MOST_RATE = 1_000_000


class Whole(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - no generic at run time
    """A whole number from `least` to `most`; with `unit` it may be written behind the number."""

    name = "N"

    def __init__(
        self, least: int, most: int | None = None, *, example: int = 20, unit: str = ""
    ) -> None:
        self.least, self.most, self.example, self.unit = least, most, example, unit

    def convert(self, value: Any, param: Param, ctx: Context) -> int:
        """The number."""
        text = str(value).strip().removesuffix(self.unit).rstrip()
        number = int(text) if re.fullmatch("[0-9]{1,9}", text) else -1
        if not self.least <= number <= (self.most or number):
            limits = f"from {self.least} to {self.most}" if self.most else f"from {self.least} on"
            told = f"{value!r} is not a whole number {limits}"
            self.fail(f"{told}: write {self.example}, for example", param, ctx)
        return number


class Rate(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """Messages a second."""

    name = "rate"

    def convert(self, value: Any, param: Param, ctx: Context) -> float:
        """Messages a second; 0.0 stands for `max`."""
        if value == "max" or isinstance(value, float):
            return 0.0 if value == "max" else value
        try:
            rate = float(value)
        except ValueError:
            rate = 0.0
        if not LEAST_RATE <= rate <= MOST_RATE:
            least = "; one a day, 0.0000116, is the least" if 0 < rate < LEAST_RATE else ""
            told = f"{value!r} is neither a number of messages a second nor max{least}"
            self.fail(f"{told}: write 5, for example, or 0.5", param, ctx)
        return rate


class Duration(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """A length of time."""

    name = "duration"

    def convert(self, value: Any, param: Param, ctx: Context) -> float:
        """Seconds, from `90s`, `15m`, `2h` or `1d`."""
        if isinstance(value, float):
            return value
        try:
            return seconds_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
