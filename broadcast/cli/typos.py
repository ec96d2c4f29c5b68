"""Which command or option a lone word was meant to be; it knows neither click nor what runs."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NEAR = 0.7  # of difflib: two letters of `status` may be swapped, and `car` is not `cancel`
# Names of options and the words below are words that people say, too: what is only near to them
# is taken for them where it is hardly anything else. `story` is not `history`.
VERY_NEAR = 0.85
LONG = 5  # letters; shorter ones must be met exactly: `text` and `best` are near to `test`

# What people type for an option or for a command of the sandbox; misspelt as commands are.
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
    """The command that `word` is nearly the name of."""
    close = _closest(word, [*commands, *ALSO_COMMANDS], NEAR)
    return None if close is None else ALSO_COMMANDS.get(close, close)


def meant_by(word: str, commands: Iterable[str], options: Iterable[str]) -> str | None:
    """What is said instead of a lone `word`: a command, or one of `options`, as they are typed."""
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
