"""What helps, as it is typed at this terminal: with what leads to the same place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broadcast.core.errors import BroadcastError, NextStep


def worded_error(error: BroadcastError, place: str) -> str:
    """The message of `error`, and what helps; `place` are the options that say where to look."""
    return error.told(lambda step: worded_step(step, place))


def worded_step(step: NextStep, place: str) -> str:
    """A step as it is typed here."""
    if step.command == "login":  # the sandbox needs none
        place = place.replace(" --sandbox", "")
    return f"{step}{place}"
