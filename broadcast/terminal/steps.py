"""Words the next steps of an error as commands, with --sandbox and --home where needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broadcast.core.errors import BroadcastError, NextStep


def worded_error(error: BroadcastError, place: str) -> str:
    """The message of `error` with its next steps; `place` are the options to add to commands."""
    return error.told(lambda step: worded_step(step, place))


def worded_step(step: NextStep, place: str) -> str:
    """A step as a command to type."""
    if step.command == "login":  # the sandbox needs none
        place = place.replace(" --sandbox", "")
    return f"{step}{place}"
