"""Answers what a template would fill in, of a message that is none: `Hi {{ name }}`, say.

A name in one pair of braces, `{name}`, is how other programs write it. Which names there are
depends on the list: who asks passes in the fields of its contacts.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING

from broadcast.core.spelling import same

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from broadcast.core.model import Message

NAMES = ("name", "first_name", "peer", "tags", "now", "fields")
"""What every template may use, whatever fields the contacts have."""

_JINJA = re.compile(r"\{\{(.*?)\}\}|\{%-?\s*(\w+)(.*?)%\}|\{#.*?#\}", re.DOTALL)
_SINGLE = re.compile(r"\{([^{}\n]{1,100})\}")
_STATEMENTS = frozenset({"if", "for", "set", "with", "else", "elif", "endif", "endfor"})
_AFTER = re.compile(r"[|.!(\[]|:(?!\s)")  # what follows a name: a filter, a format
_LITERAL = re.compile(r"\"[^\"]*\"|'[^']*'")
_WORD = re.compile(r"[^\W\d]\w*")
_NONE: Mapping[str, str] = MappingProxyType({})


@lru_cache(maxsize=1024)
def key_of(name: str) -> str:
    """What a name is compared as: `First Name`, `first-name` and `first_name` are one."""
    return re.sub(r"[\s_-]", "", same(name))


_KNOWN = frozenset(map(key_of, NAMES))


def unfilled(message: Message) -> Mapping[str, str]:
    """The names in braces that nobody fills in, by their key, each with its braces.

    Empty for a template, and where it was said that the braces are meant.
    """
    if message.template or message.literal:
        return _NONE
    return _unfilled("\n".join(texts_of(message)))


@lru_cache(maxsize=64)
def _unfilled(text: str) -> Mapping[str, str]:
    if "{" not in text:
        return _NONE
    found: dict[str, str] = {}
    for group in _JINJA.finditer(text):
        for name in _names_in(group):
            found.setdefault(key_of(name), group[0])
    for group in _SINGLE.finditer(_JINJA.sub("", text)):
        found.setdefault(key_of(_AFTER.split(group[1])[0]), group[0])
    return found


def _names_in(group: re.Match[str]) -> Iterator[str]:
    expression, statement, rest = group.groups()
    if expression is not None:
        yield _AFTER.split(expression)[0]
    if statement in _STATEMENTS:
        yield "name"  # such a statement is a template, whatever it asks for
    yield from _WORD.findall(_LITERAL.sub("", expression or rest or ""))


def would_be_filled(wanted: Mapping[str, str], fields: Iterable[str] = ()) -> str | None:
    """The first of the `unfilled` that a template knows, or that is one of `fields`."""
    keys = _KNOWN.union(map(key_of, fields)) if fields else _KNOWN
    return next((written for key, written in wanted.items() if key in keys), None)


def left_over(message: Message) -> str | None:
    """What is in braces and yet is not filled in, though it may well be meant to be.

    `{{ cty }}` in a message that is no template, and `{name}` in one that is.
    """
    text = "\n".join(texts_of(message))
    if "{" not in text or message.literal:
        return None
    if not message.template:
        group = _JINJA.search(text)
        return group and group[0]
    single = _SINGLE.finditer(_JINJA.sub("", text))
    return next((group[0] for group in single if key_of(group[1]) in _KNOWN), None)


def texts_of(message: Message) -> Iterator[str]:
    """All in `message` that a template fills in: its text, and its buttons with their links."""
    yield message.text
    for button in chain.from_iterable(message.buttons):
        yield button.text
        yield button.url
