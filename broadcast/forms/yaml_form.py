"""Reads YAML: a list as entries, or one document as a value; it refuses what YAML would drop."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

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
_NOT_YAML = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_COMMENT = re.compile(r"[ \t]+(#\S[^\r\n]*)")  # whoever writes a remark leaves a space after the #
_LONGEST_MEANT = 60  # characters of what was meant, in a complaint
_NO_SPACE = re.compile(r"([^\s:]+):(\S+)")


class _Events(Iterator[yaml.Event]):
    """The events of PyYAML's parser, and what it would silently leave out of `text`."""

    def __init__(self, text: str, loader: Any = _LOADER) -> None:
        # The stubs name a type of _typeshed that pyright does not know.
        self._parsed: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        self.text = text
        self.dropped: list[Complaint] = []

    def __next__(self) -> yaml.Event:
        return next(self._parsed)

    def complaints(self) -> list[Complaint]:
        """What would have been dropped since this was last asked."""
        self.dropped, found = [], self.dropped
        return found

    def is_bare(self, key: yaml.Event, value: yaml.Event) -> bool:
        """Whether `key` stands alone, without even a colon."""
        starts, ends = _span(value)
        return starts == ends and ":" not in self.text[_span(key)[1] : starts]


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
        value = _node(next(events), events)
        for complaint in events.complaints():
            raise Unreadable(complaint.line, complaint.message)
        return value


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
        yield _Events(text)
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
            yield from events.complaints()
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
            value = _node(event, events)
            yield from events.complaints()
            yield value
    elif (found := _node(start, events)) != Text(found.line, ""):
        yield from events.complaints()
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
            value = Map(line, list(_pairs(events, depth)))
        case yaml.ScalarEvent():
            value = Text(line, event.value)
            if not event.style and (lost := _COMMENT.match(events.text, _span(event)[1])):
                told = (
                    f"what follows {quoted(event.value)} would be left out: {quoted(lost[1])}. "
                    "Put the whole text in quotes, or, if it is a remark, a space after the #"
                )
                events.dropped.append(Complaint(line, told))
        case _:
            value = Other(line, "")
    mark = _mark(event)
    return Other(line, mark) if mark else value


def _pairs(events: _Events, depth: int) -> Iterator[tuple[Value, Value]]:
    """The keys of a mapping with their values; a key without one is a complaint.

    `{debt: 1,200.50, city: Madrid, Spain}` has two such keys: the rest of a text whose comma YAML
    has taken for its end.
    """
    last: tuple[Value, yaml.Event] | None = None  # the last key that has a value, and the value
    is_next = False
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        name, start = _node(event, events, depth + 1), next(events)
        item = _node(start, events, depth + 1)
        if not events.is_bare(event, start):
            yield name, item
            last, is_next = (name, start), False
            continue
        if is_next:  # `name: Ruiz, Ana, Eva`: all of it is one text, and one complaint
            events.dropped.pop()
        told = f"the key {in_words(name)} has no value: {_meant(last, event, events.text)}"
        events.dropped.append(Complaint(_line(event), told))
        is_next = True


def _meant(last: tuple[Value, yaml.Event] | None, bare: yaml.Event, text: str) -> str:
    """What was most likely meant with the key `bare`, where `last` stands before it."""
    if isinstance(bare, yaml.ScalarEvent) and (parts := _NO_SPACE.fullmatch(bare.value)):
        return f"after the colon comes a space: {parts[1]}: {parts[2]}"
    match last:
        case Text(_, key), yaml.ScalarEvent(style=None | "") as begun:
            whole = " ".join(text[_span(begun)[0] : _span(bare)[1]].split())
            meant = f"{key}: {json.dumps(whole, ensure_ascii=False)}"
            if "," in whole and len(meant) <= _LONGEST_MEANT:
                return f"did you mean {meant}? A text with a comma needs quotes here"
        case _:
            pass
    return "write one after a colon, or put the text that it is part of in quotes"


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


def _span(event: yaml.Event) -> tuple[int, int]:
    """Where it starts and ends in the text; the parser gives marks to all."""
    start, end = event.start_mark, event.end_mark
    return start.index if start else 0, end.index if end else 0


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
    # Where both marks are one, the parser has told where it gave up, and not what is open.
    is_known = at and opened and (opened.line, opened.column) != (at.line, at.column)
    since = f" (it opens in line {opened.line + 1})" if opened and is_known else ""
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
        if opened and " #" in "".join(text.splitlines()[opened.line : opened.line + 1]):
            hint += ", or a text with # needs quotes"
    elif "expected key" in problem or "'-' indicator" in problem or "<block end>" in problem:
        hint = f"wrong indentation, or text after the end of a value{since}"
    elif "simple key" in (error.context or ""):
        line = opened.line + 1 if opened else line
        hint = "a key has no colon, or its text needs quotes"
    return Unreadable(line, f"not YAML: {hint} ({problem})" if hint else f"not YAML: {problem}")
