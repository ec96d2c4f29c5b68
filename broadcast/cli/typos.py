"""Guesses which command or option a mistyped word should be; it knows nothing of click."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NEAR = 0.7  # of difflib: two letters of `status` may be swapped, and `car` is not `cancel`

_ALSO_COMMANDS = {
    "help": "--help",
    "version": "--version",
    "inbox": "sandbox inbox",
    "serve": "sandbox serve",
}
_OTHER_WORDS = {
    "history": "list",
    "log": "list",
    "logs": "list",
    "ls": "list",
    "rehearsal": "MESSAGE --rehearse",
    "test": "preview MESSAGE --test",
    "stop": "pause",
    "abort": "cancel",
    "continue": "resume",
    "undo": "recall ID",
    "delete": "recall ID",
    "update": "edit ID MESSAGE",
    "export": "show --csv FILE",
    "init": "login",
    "setup": "login",
    "signin": "login",
}


def meant_command(word: str, commands: Iterable[str]) -> str | None:
    """The command whose name is close to `word`; None if there is none."""
    return _closest(word, {name: name for name in commands} | _ALSO_COMMANDS)


def meant_by(word: str, commands: Iterable[str], options: Iterable[str]) -> str | None:
    """What to type instead of `word`: a command, or one of `options`; None if nothing is close."""
    said = {option.removeprefix("--"): f"MESSAGE {option}" for option in options}
    said |= {name: name for name in commands} | _ALSO_COMMANDS | _OTHER_WORDS
    return _closest(word, said)


def _closest(word: str, meanings: dict[str, str]) -> str | None:
    close = difflib.get_close_matches(word.lower().replace("_", "-"), meanings, n=1, cutoff=NEAR)
    return meanings[close[0]] if close else None
