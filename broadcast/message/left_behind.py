"""Answers who would get a word that a spreadsheet or a program left in a field, such as `#N/A`."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from broadcast.core.asker import Ask, Question
from broadcast.core.counted import people
from broadcast.core.errors import MessageError
from broadcast.core.spelling import same_key
from broadcast.message.braces import texts_of
from broadcast.message.first_names import first_name
from broadcast.message.garbled import garbled
from broadcast.message.personal import own_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broadcast.core.model import Contact, Message

_CAPITALS = "A-ZÀ-ÞĀĂĄĆČĎĐĘĚĞĢĪĶĻŁŃŅŇŐŒŘŚŞŠŢŤŪŮŰŹŻŽİΑ-ΩЁІЇА-Я"
# What pandas, Python, JavaScript and databases write for nothing, and the errors of Excel in its
# languages (#REF!, #¡REF!, #WERT!, #DEĞER!, #N/A, #NV). Case counts: Nan and Null are names.
_WORD = (
    r"(?:nan|NaN|NAN|<NA>|NaT|None|NULL|null|\(null\)|\\N|undefined|\[object Object\]|N/A|n/a"
    rf"|#[¡¿]?[{_CAPITALS}0-9/_]{{1,16}}[!?]|#(?:N[A-Z]{{1,2}}|[{_CAPITALS}]/[{_CAPITALS}]{{1,2}}"
    r"|YOK|HIÁNYZIK|GETTING_DATA)|Loading\.\.\.|#{3,}|-?[0-9](?:[.,][0-9]+)?E\+[0-9]{2})"
)
_WORDS = re.compile(rf"{_WORD}(?:\s+{_WORD})*")  # pandas makes `nan nan` of two columns
_LONGEST = 20  # characters; whatever is longer is no such word
_SHOWN = 3  # people in a question


class LeftBehind:
    """Looks at contacts as they go by, for the fields that the template of their message uses."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._count = 0
        self._first: list[str] = []

    def seen(self, contacts: Iterable[Contact]) -> Iterator[Contact]:
        """The same contacts. A template that is wrong is for others to complain about."""
        message, used = self._message, _names_in(self._message)
        for contact in contacts:
            own = used
            if contact.overrides:
                own = _names_in(own_message(message, contact))
            if own and (found := _words(contact, own)):
                self._count += 1
                if self._count <= _SHOWN:
                    line = f" (line {contact.line})" if contact.line else ""
                    self._first.append(f"{contact.called}{line} has {' and '.join(found)}")
            yield contact

    def questions(self) -> tuple[Question, ...]:
        """What to ask, once all have gone by."""
        if not self._count:
            return ()
        more = ", …" if self._count > _SHOWN else ""
        told = (
            f"{people(self._count)} would get a word that a spreadsheet or a program has left "
            f"behind: {', '.join(self._first)}{more}"
        )
        return (Question(Ask.SPREADSHEET_WORDS, self._count, told=told),)


def _names_in(message: Message) -> frozenset[str]:
    """The names that the message fills in, as they are compared."""
    if not message.template:
        return frozenset()
    from broadcast.message.templates import template  # noqa: PLC0415 - Jinja is slow to load

    names: set[str] = set()
    for text in texts_of(message):
        with suppress(MessageError):
            names |= template(text).names
    return frozenset(names)


def _words(contact: Contact, used: frozenset[str]) -> list[str]:
    """The fields in `used`, and the name, that hold such a word, each with it."""
    found: list[str] = []
    if ("name" in used and _is_word(contact.name)) or (
        "first_name" in used and _is_word(first_name(contact.name))
    ):
        found.append(f"the name {contact.name}")
    for name, value in contact.fields.items():
        if _is_word(value) and ("fields" in used or same_key(name) in used):
            found.append(f"{name} {value}")
    return found


def _is_word(value: str) -> bool:
    """Whether `value` is nothing but such words, or was read in a wrong encoding."""
    if not value.isascii() and garbled(value):
        return True
    return len(value) <= _LONGEST and _WORDS.fullmatch(value.strip()) is not None
