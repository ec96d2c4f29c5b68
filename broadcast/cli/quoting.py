"""Quotes a word for an example, so that zsh, bash, fish and PowerShell read it as it was."""

from __future__ import annotations

import re
import shlex

_PLAIN = re.compile(r"[A-Za-z0-9_./:+-][A-Za-z0-9_./:+=-]*")
_ENDS_SINGLE = re.compile("['\\\\\u2018-\u201b\n\r]")  # PowerShell reads curly quotes as straight
_READ_IN_DOUBLE = re.compile('["!$`\\\\\u201c-\u201e\n\r]')


def quoted(text: str, *, always: bool = False) -> str:
    """`text` as one word; with `…` for a text that no quotes hold in every shell."""
    if _PLAIN.fullmatch(text) and not always:
        return text
    if not _ENDS_SINGLE.search(text):
        return f"'{text}'"
    if not _READ_IN_DOUBLE.search(text):
        return f'"{text}"'
    return "'…'"


def quoted_here(text: str) -> str:
    """`text` as one word, at least for a POSIX shell: a path is of no use with `…` in it."""
    word = quoted(text)
    return shlex.quote(text) if word == "'…'" else word
