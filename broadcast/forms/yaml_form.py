"""Reads YAML: a list as entries, or one document as a value; it refuses aliases and tags."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import yaml

from broadcast.core.spelling import same
from broadcast.forms.entries import (
    Complaint,
    List,
    Map,
    Other,
    Text,
    Unreadable,
    Value,
    decoded,
    in_words,
    quoted,
)

MOST_YAML = 8 * 2**20
"""The most bytes of a YAML list, which is read whole: some 150,000 people."""

_FORM = 'expected "contacts:" and below it one "- @username" a line, the @username in quotes'
_TOO_DEEP = "lists within lists within lists: a contact list has no such depth"
_DEEPEST = 8  # a list needs four levels; libyaml gets very slow below a few thousand
# YAML: https://yaml.org/spec/1.1, the part of it that a list of people needs.

# PyYAML's own composer is not used: the C one overflows the stack, and so kills the process, on
# ten thousand nested brackets, and it hides the aliases. Events show both before any harm is done.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Events = Iterator[yaml.Event]
_NOT_YAML = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def yaml_entries(stream: BinaryIO) -> Iterator[Value | Complaint]:
    """The items of the list, alone or below `contacts:`. Raises Unreadable."""
    with _events(stream) as events:
        yield from _document(events)


def yaml_value(stream: BinaryIO) -> Value | None:
    """The one value of a document; None where there is none. Raises Unreadable."""
    with _events(stream) as events:
        next(events)  # the start of the stream
        if isinstance(next(events), yaml.StreamEndEvent):
            return None
        return _node(next(events), events)


@contextmanager
def _events(stream: BinaryIO) -> Generator[_Events]:
    """The events of PyYAML's parser. Raises Unreadable, which explains the parser's errors."""
    raw = stream.read(MOST_YAML + 1)
    if len(raw) > MOST_YAML:
        raise Unreadable(
            1, f"more than {MOST_YAML // 2**20} MiB of YAML: use CSV or JSON Lines for long lists"
        )
    text = decoded(raw, 1)
    if strange := _NOT_YAML.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        raise Unreadable(line, f"YAML cannot hold the character U+{ord(strange[0]):04X}")
    try:
        # The stubs name a type of _typeshed that pyright does not know.
        yield yaml.parse(text, Loader=_LOADER)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    except yaml.YAMLError as error:
        raise _not_yaml(error, text) from None


def _document(events: _Events) -> Iterator[Value | Complaint]:
    next(events)  # the start of the stream
    if isinstance(next(events), yaml.StreamEndEvent):
        return
    root = next(events)
    if isinstance(root, yaml.MappingStartEvent):
        yield from _contacts_key(root, events)
    else:
        yield from _items("a file of contacts", root, events)
    next(events)  # the end of the document
    after = next(events)
    if not isinstance(after, yaml.StreamEndEvent):
        yield Complaint(_line(after), "a second document (---) starts here: a file is one list")


def _contacts_key(root: yaml.MappingStartEvent, events: _Events) -> Iterator[Value | Complaint]:
    yield from _marked(root)
    is_given = False
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _node(event, events)
        value = next(events)
        if not isinstance(key, Text) or same(key.text) != "contacts":
            _node(value, events)
            yield Complaint(key.line, f"unknown key {in_words(key)}: {_FORM}")
            continue
        if is_given:
            yield Complaint(key.line, "the key contacts is given twice")
        is_given = True
        yield from _items("contacts", value, events)


def _items(name: str, start: yaml.Event, events: _Events) -> Iterator[Value | Complaint]:
    """The items of the list called `name`, one by one; what is empty is a list, too."""
    if isinstance(start, yaml.SequenceStartEvent):
        yield from _marked(start)
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            yield _node(event, events)
    elif (found := _node(start, events)) != Text(found.line, ""):
        yield Complaint(found.line, f"{name} is a list, not {in_words(found)}: {_FORM}")


def _marked(event: yaml.Event) -> Iterator[Complaint]:
    if mark := _mark(event):
        yield Complaint(_line(event), f"expected a plain list, not {mark}")


def _node(event: yaml.Event, events: _Events, depth: int = 1) -> Value:
    """Read one value. Scalars stay text, so that a phone is not a number and `no` is a name."""
    line = _line(event)
    value: Value
    if depth > _DEEPEST:
        raise Unreadable(line, _TOO_DEEP)
    match event:
        case yaml.SequenceStartEvent():
            value = List(line, [])
            while not isinstance(item := next(events), yaml.SequenceEndEvent):
                value.items.append(_node(item, events, depth + 1))
        case yaml.MappingStartEvent():
            value = Map(line, [])
            while not isinstance(key := next(events), yaml.MappingEndEvent):
                name = _node(key, events, depth + 1)
                value.pairs.append((name, _node(next(events), events, depth + 1)))
        case yaml.ScalarEvent():
            value = Text(line, event.value)
        case _:
            value = Other(line, "")
    mark = _mark(event)
    return Other(line, mark) if mark else value


def _mark(event: yaml.Event) -> str:
    """What is refused in YAML, in words: with aliases, a few lines could become a billion."""
    match event:
        case yaml.AliasEvent():
            return f"the alias *{event.anchor}: write the value out, or put it in quotes"
        case yaml.NodeEvent(anchor=str(anchor)):
            return f"something with the anchor &{anchor}: leave that out, or put it in quotes"
        case yaml.ScalarEvent(tag=str(tag)) | yaml.CollectionStartEvent(tag=str(tag)):
            return f"something with the tag {quoted(tag)}: leave that out, or put it in quotes"
        case _:
            return ""


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _not_yaml(error: yaml.YAMLError, text: str) -> Unreadable:
    """What is wrong in words for a person, and the parser's own words after that."""
    if "nesting depth" in str(error):  # PyYAML counts by itself since 6.0.4
        return Unreadable(1, f"{_TOO_DEEP} ({error})")
    if isinstance(error, yaml.MarkedYAMLError):
        return _marked_mistake(error, text)
    return Unreadable(1, f"not YAML: {error}")


def _marked_mistake(error: yaml.MarkedYAMLError, text: str) -> Unreadable:
    """The same where the parser knows the place."""
    at, opened = error.problem_mark, error.context_mark
    line = at.line + 1 if at else 1
    since = f" (it opens in line {opened.line + 1})" if opened else ""
    problem = error.problem or "unknown"
    character = ""
    if at:
        start = text.splitlines()[at.line : at.line + 1]
        character = start[0][at.column : at.column + 1] if start else ""
    hint = ""
    if "cannot start" in problem and character in ("@", "`", "%"):
        hint = f'each text that starts with {character} needs quotes: "{character}name"'
    elif character == "\t" or "tab character" in problem:
        hint = "lines are indented with spaces, not with tabs"
    elif "unexpected end of stream" in problem or "document indicator" in problem:
        line = opened.line + 1 if opened else line
        hint = "a text in quotes that starts in this line is not closed"
    elif "mapping values" in problem:
        hint = "wrong indentation, or a text with a colon that needs quotes"
    elif "']'" in problem or "'}'" in problem or "node content" in problem:
        hint = f"a bracket is not closed{since}"
    elif "expected key" in problem or "'-' indicator" in problem or "<block end>" in problem:
        hint = f"wrong indentation, or text after the end of a value{since}"
    elif "simple key" in (error.context or ""):
        line = opened.line + 1 if opened else line
        hint = "a key has no colon, or its text needs quotes"
    return Unreadable(line, f"not YAML: {hint} ({problem})" if hint else f"not YAML: {problem}")
