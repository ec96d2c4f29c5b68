"""Guesses which command or option a mistyped word should be; it knows nothing of click."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NEAR = 0.7  # of difflib: two letters of `status` may be swapped, and `car` is not `cancel`
# Names of options and the words below are also ordinary words, so a typo of them must be closer:
# `story` is not `history`.
VERY_NEAR = 0.85
LONG = 5  # letters; shorter names must match exactly: `text` and `best` are near to `test`

# Options and commands of the sandbox that people type as commands; typos count as well.
ALSO_COMMANDS = {
    "help": "--help",
    "version": "--version",
    "inbox": "sandbox inbox",
    "serve": "sandbox serve",
}
_OTHER_WORDS = {
    "history": "list",
    "log": "list",
    "logs": "list",
    "rehearsal": "MESSAGE --rehearse",
    "test": "preview MESSAGE --test",
    "stop": "pause",
    "abort": "cancel",
    "continue": "resume",
    "undo": "recall ID",
    "delete": "recall ID",
}


def meant_command(word: str, commands: Iterable[str]) -> str | None:
    """The command whose name is close to `word`; None if there is none."""
    close = _closest(word, [*commands, *ALSO_COMMANDS], NEAR)
    return None if close is None else ALSO_COMMANDS.get(close, close)


def meant_by(word: str, commands: Iterable[str], options: Iterable[str]) -> str | None:
    """What to type instead of `word`: a command, or one of `options`; None if nothing is close."""
    said = {option.removeprefix("--"): f"MESSAGE {option}" for option in options} | _OTHER_WORDS
    name = word.lower().replace("_", "-")
    if name in said:
        return said[name]
    command = meant_command(word, commands)
    if command is not None:
        return command
    close = _closest(word, [name for name in said if len(name) >= LONG], VERY_NEAR)
    return None if close is None else said[close]


def _closest(word: str, names: Iterable[str], cutoff: float) -> str | None:
    if not word.replace("-", "_").isidentifier():  # `log-in` is one word, too
        return None
    close = difflib.get_close_matches(word.lower(), list(names), n=1, cutoff=cutoff)
    return close[0] if close else None
