"""Text -> contacts; every complaint names file and line. It refuses to guess and opens no file.

Each form (YAML, CSV, JSON Lines) has one function here that turns bytes into entries, which know
their lines; what an entry may hold is decided once, for all three, by `_contact`.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from array import array
from collections.abc import Iterator
from difflib import get_close_matches
from hashlib import blake2b
from itertools import chain
from typing import BinaryIO, Literal, NamedTuple, cast

import yaml

from broadcast.core.errors import ContactsError, Problem
from broadcast.core.model import NO_FIELDS, Contact, Peer
from broadcast.core.peers import PeerError, parse_peer

Kind = Literal["yaml", "csv", "jsonl"]

MOST_YAML = 8 * 2**20
"""The most bytes of a YAML list, which is read whole: some 150,000 people."""

MOST_LINE = 2**20
"""The most bytes of one line of CSV or JSON Lines: a longer one is no contact."""

MOST_MISTAKES = 1_000
"""After so many errors the rest is not read: it is the wrong file, or one mistake repeated."""

_KINDS: dict[str, Kind] = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_KEYS = ("peer", "name", "tags", "fields")
_ALSO_PEER = frozenset({"chat", "id", "link", "number", "phone", "to", "user", "username"})
_FORM = 'expected "contacts:" and below it one "- @username" a line, the @username in quotes'
_SHOWN = 60  # characters of a wrong text in its complaint
_DEEPEST = 8  # a list needs four levels; libyaml gets very slow below a few thousand


def kind_of(name: str) -> Kind:
    """The form of a contact list, from its file's suffix. Raises ContactsError."""
    for suffix, kind in _KINDS.items():
        if name.lower().endswith(suffix):
            return kind
    hint = " (one JSON object a line is .jsonl)" if name.lower().endswith(".json") else ""
    raise ContactsError(
        f"{name}: a contact list ends in .yaml, .csv or .jsonl, so that its form is known{hint}"
    )


def read_contacts(stream: BinaryIO, *, source: str, kind: Kind) -> Iterator[Contact | Problem]:
    """Yield the contacts and every complaint about the list, in the order of the file.

    `stream` is buffered and binary; `source` is the name that the complaints give it. A peer that
    is listed twice is a contact once, and the second entry a warning. CSV and JSON Lines are read
    as they come, so that only the memory of who was listed grows: about 12 bytes a contact.
    """
    seen = _Seen()
    mistakes = 0
    is_empty = True
    for found in _read(stream, kind, seen):
        is_empty = False
        if isinstance(found, Contact):
            yield found
            continue
        yield Problem(source, found.line, found.message, found.is_error)
        mistakes += found.is_error
        if mistakes == MOST_MISTAKES:
            yield Problem(source, found.line, f"the rest was not read: {mistakes} mistakes so far")
            return
    if is_empty:
        yield Problem(source, 1, "nobody is in this list")


class _Complaint(NamedTuple):
    line: int
    message: str
    is_error: bool = True


class _Unreadable(Exception):  # noqa: N818 - it carries a complaint, and never leaves this file
    """Nothing after this line can be understood."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.complaint = _Complaint(line, message)


# An entry as it was written: each form is turned into these, and each knows its line.


class _Text(NamedTuple):
    line: int
    text: str


class _Number(NamedTuple):
    """A number of JSON, digit by digit as it was written."""

    line: int
    text: str
    is_whole: bool


class _List(NamedTuple):
    line: int
    items: list[_Value]


class _Map(NamedTuple):
    line: int
    pairs: list[tuple[_Value, _Value]]


class _Other(NamedTuple):
    """What no key takes; `what` says it in words."""

    line: int
    what: str


_Value = _Text | _Number | _List | _Map | _Other


def _read(stream: BinaryIO, kind: Kind, seen: _Seen) -> Iterator[Contact | _Complaint]:
    try:
        for entry in _FORMS[kind](stream):
            if isinstance(entry, _Complaint):
                yield entry
                continue
            complaints: list[_Complaint] = []
            contact = _contact(entry, seen, complaints)
            if contact:
                yield contact
            yield from sorted(complaints, key=lambda complaint: complaint.line)
    except _Unreadable as end:
        yield end.complaint


# What an entry means.


def _contact(entry: _Value, seen: _Seen, complaints: list[_Complaint]) -> Contact | None:
    """Read one entry of any form; None when it is wrong or doubled, as `complaints` then says."""
    match entry:
        case _Map(line, pairs):
            given = _given(pairs, complaints)
        case _Text(line) | _Number(line):
            given: dict[str, _Value] = {"peer": entry}
        case _:
            complaints.append(
                _Complaint(entry.line, f"expected a recipient or its keys, not {_kind(entry)}")
            )
            return None
    peer = _peer(line, given.get("peer"), complaints)
    name = _line_of_text("name", given["name"], complaints) if "name" in given else ""
    tags = _tags(given["tags"], complaints) if "tags" in given else ()
    fields = _fields(given["fields"], complaints) if "fields" in given else {}
    if peer and (first := seen.first(peer.key, line)):
        complaints.append(
            _Complaint(
                line,
                f"{peer.text} is in line {first} already: this entry, with its name, tags and "
                "fields, is left out, and the message goes out once",
                is_error=False,
            )
        )
        return None
    if not peer or complaints:
        return None
    return Contact(peer, name, tags, fields or NO_FIELDS, line)


def _given(pairs: list[tuple[_Value, _Value]], complaints: list[_Complaint]) -> dict[str, _Value]:
    given: dict[str, _Value] = {}
    for key, value in pairs:
        if not isinstance(key, _Text):
            complaints.append(_Complaint(key.line, f"a key cannot be {_kind(key)}"))
        elif key.text in given:
            complaints.append(_Complaint(key.line, f"the key {key.text} is given twice"))
        elif key.text in _KEYS:
            given[key.text] = value
        else:
            complaints.append(_Complaint(key.line, _unknown(key.text)))
    return given


def _unknown(key: str) -> str:
    close = (
        ["peer"] if key.casefold() in _ALSO_PEER else get_close_matches(key[:20].casefold(), _KEYS)
    )
    if close:
        return f"unknown key {_shown(key)}: did you mean {close[0]}?"
    return f"unknown key {_shown(key)}: the keys are peer, name, tags and, for all else, fields"


def _peer(line: int, value: _Value | None, complaints: list[_Complaint]) -> Peer | None:
    match value:
        case None:
            complaints.append(_Complaint(line, "the peer is missing: who is to get the message?"))
            return None
        case _Text(at, text) if not text.strip():
            complaints.append(_Complaint(at, "the peer is empty: who is to get the message?"))
            return None
        case _Text(at, text) | _Number(at, text, True):
            try:
                return parse_peer(text)
            except PeerError as error:
                complaints.append(_Complaint(at, str(error)))
                return None
        case _:
            complaints.append(_Complaint(value.line, f"a peer is a text, not {_kind(value)}"))
            return None


def _line_of_text(key: str, value: _Value, complaints: list[_Complaint]) -> str:
    """One line of text that a terminal can show as it is; else a complaint, and nothing."""
    if not isinstance(value, _Text):
        complaints.append(_Complaint(value.line, f"{key} is a text, not {_kind(value)}"))
        return ""
    text = value.text.strip()
    if character := _control(text):
        complaints.append(_Complaint(value.line, f"{key} holds the control character {character}"))
        return ""
    return text


def _tags(value: _Value, complaints: list[_Complaint]) -> tuple[str, ...]:
    """A list, or one text with commas or semicolons between; the order and the case are kept."""
    match value:
        case _List(_, items):
            tags = [_line_of_text("a tag", item, complaints) for item in items]
            for item, tag in zip(items, tags, strict=True):
                if "," in tag or ";" in tag:
                    told = f"the tag {_shown(tag)} holds a comma or semicolon: make it two tags"
                    complaints.append(_Complaint(item.line, told))
        case _Text():
            tags = re.split("[,;]", _line_of_text("tags", value, complaints))
        case _:
            complaints.append(_Complaint(value.line, f"tags are a list, not {_kind(value)}"))
            return ()
    stripped = (tag.strip() for tag in tags)
    unique = {tag.casefold(): tag for tag in stripped if tag}
    return tuple(unique.values())


def _fields(value: _Value, complaints: list[_Complaint]) -> dict[str, str]:
    """The fields that have a value: an empty one is as good as none in every form."""
    if isinstance(value, _Text) and not value.text.strip():
        return {}
    if not isinstance(value, _Map):
        complaints.append(
            _Complaint(value.line, f"fields are keys with values, not {_kind(value)}")
        )
        return {}
    fields: dict[str, str] = {}
    for key, item in value.pairs:
        name = _line_of_text("a field's name", key, complaints)
        if isinstance(key, _Text) and not key.text.strip():
            complaints.append(_Complaint(key.line, "a field has no name"))
        elif name in fields:
            complaints.append(_Complaint(key.line, f"the field {name} is given twice"))
        elif name.casefold() in _KEYS:
            told = f"a field cannot be called {name}: a contact has a key of that name"
            complaints.append(_Complaint(key.line, told))
        elif not isinstance(item, _Text | _Number):
            told = f"the field {name} is a text, not {_kind(item)}"
            complaints.append(_Complaint(item.line, told))
        elif character := _control(item.text.strip(), may_have="\n\t"):
            told = f"the field {name} holds the control character {character}"
            complaints.append(_Complaint(item.line, told))
        else:
            fields[name] = item.text.strip()
    return {name: text for name, text in fields.items() if text}


def _control(text: str, may_have: str = "") -> str:
    """Name the first character that a terminal would obey instead of showing, or that is none."""
    if text.isprintable():
        return ""
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Cs", "Zl", "Zp") and character not in may_have:
            return f"U+{ord(character):04X}"
    return ""


def _kind(value: _Value) -> str:
    match value:
        case _Text(_, text):
            return _shown(text)
        case _Number(_, text):
            return f"the number {_shown(text)[1:-1]}"
        case _List():
            return "a list"
        case _Map():
            return "keys with values"
        case _Other(_, what):
            return what


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


class _Seen:
    """Knows in which line a peer was first, in 12 bytes a peer.

    A dict of the keys takes more than a gigabyte for ten million peers, and so does one of their
    hashes; two arrays in each of 65,536 buckets take 120 megabytes and 4 µs a peer. What is
    compared is 80 bits of hash: among ten million peers, one pair in 10^10 lists is taken for one.
    """

    def __init__(self) -> None:
        self._buckets: dict[bytes, tuple[array[int], array[int]]] = {}

    def first(self, key: str, line: int) -> int | None:
        """Give the line in which `key` was first, or note that it is this one and give None."""
        digest = blake2b(key.encode(), digest_size=10).digest()
        bucket = self._buckets.get(digest[:2])
        if bucket is None:
            bucket = self._buckets[digest[:2]] = array("Q"), array("I")
        hashes, lines = bucket
        rest = int.from_bytes(digest[2:], "little")
        if rest in hashes:
            return lines[hashes.index(rest)]
        hashes.append(rest)
        lines.append(line)
        return None


# From bytes to text.


def _lines(stream: BinaryIO) -> Iterator[str]:
    """Give each line as text with its end; raises _Unreadable."""
    number = 0
    while raw := stream.readline(MOST_LINE + 1):
        number += 1
        if len(raw) > MOST_LINE:
            raise _Unreadable(number, f"more than {MOST_LINE:,} bytes in one line: is this a list?")
        yield _decoded(raw, number)


def _decoded(raw: bytes, line: int) -> str:
    """Read `raw`, which starts in `line`, as UTF-8 with or without the mark that Excel writes."""
    if line == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _Unreadable(1, "this is UTF-16: save the list as UTF-8")
    nul = raw.find(b"\0")
    if nul >= 0:
        raise _Unreadable(line + raw.count(b"\n", 0, nul), "a NUL byte: this is no text file")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        at = error.start
        column = at - raw.rfind(b"\n", 0, at)
        raise _Unreadable(
            line + raw.count(b"\n", 0, at),
            f"not UTF-8 (the byte 0x{raw[at]:02X}, number {column} of the line): "
            "save the list as UTF-8",
        ) from None
    return text.removeprefix("\ufeff") if line == 1 else text


# JSON Lines: https://jsonlines.org


def _jsonl(stream: BinaryIO) -> Iterator[_Value | _Complaint]:
    for number, line in enumerate(_lines(stream), 1):
        if not line.strip():
            continue
        try:
            yield _json(line, number)
        except json.JSONDecodeError as error:
            told = f"not JSON at character {error.pos + 1} ({error.msg}): expected an object a line"
            yield _Complaint(number, told)
        except RecursionError:
            yield _Complaint(number, "lists within lists within lists: expected an object a line")


def _json(text: str, line: int) -> _Value:
    """Read one line; numbers stay as they are written, and no key that is given twice is lost."""

    def value(found: object) -> _Value:
        match found:
            case str():
                return _Text(line, found)
            case None:
                return _Text(line, "")  # what a program writes for a name that it does not have
            case list():
                return _List(line, [value(item) for item in cast("list[object]", found)])
            case _Number() | _Map() | _Other():
                return found
            case _:
                return _Other(line, json.dumps(found))

    def pairs(found: list[tuple[str, object]]) -> _Map:
        return _Map(line, [(_Text(line, key), value(item)) for key, item in found])

    return value(
        json.loads(
            text,
            object_pairs_hook=pairs,
            parse_int=lambda digits: _Number(line, digits, is_whole=True),
            parse_float=lambda digits: _Number(line, digits, is_whole=False),
            parse_constant=lambda word: _Other(line, word),
        )
    )


# CSV: https://www.rfc-editor.org/rfc/rfc4180, and what spreadsheets make of it.


def _csv(stream: BinaryIO) -> Iterator[_Value | _Complaint]:
    lines = _lines(stream)
    before: list[str] = []  # blank lines, and the header's first line
    for line in lines:
        before.append(line)
        if line.strip():
            break
    else:
        return
    rows = _rows(chain(before, lines), _delimiter(before[-1]))
    columns: list[_Text] = []
    for at, row in rows:
        if isinstance(row, str):
            yield _Complaint(at, row)
            if not columns:
                return
        elif not columns:
            names = [_column(cell) for cell in row]
            wrong = _wrong_columns(names, at)
            yield from wrong
            if wrong:
                return
            columns = [_Text(at, name) for name in names]
        elif any(cell.strip() for cell in row[len(columns) :]):
            told = f"{len(row)} cells under {len(columns)} columns: does a text need quotes?"
            yield _Complaint(at, told)
        else:
            yield _row(columns, row, at)


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Give the line in which each row starts, and its cells or what is wrong with it."""
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:
            words = str(error)
            if "field limit" in words or "unexpected end" in words:
                yield line, 'a text that starts with " is not closed, or is far too long'
                return
            told = f"not CSV: {words}"
            if "expected after" in words:
                told = (
                    'after the " that ends a text comes a column; a " within a text is written ""'
                )
            elif "new-line character" in words:
                told = "the lines end in an old way (CR alone): save them with CR LF or LF"
            yield line, told
            continue
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield line, row


def _delimiter(header: str) -> str:
    """The one of `,` `;` tab and `|` that makes a column `peer`, and the most columns."""

    def found(delimiter: str) -> tuple[bool, int]:
        try:
            cells = [_column(cell) for cell in next(csv.reader([header], delimiter=delimiter))]
        except csv.Error:
            return False, 0
        return "peer" in cells, len(cells)

    return max(",;\t|", key=found)


def _column(cell: str) -> str:
    name = cell.strip()
    return name.lower() if name.lower() in _KEYS else name


def _wrong_columns(columns: list[str], line: int) -> list[_Complaint]:
    while columns and not columns[-1]:
        columns.pop()  # spreadsheets write the empty columns at the right, too
    told: list[str] = []
    if "peer" not in columns:
        shown = ", ".join(_shown(name) for name in columns[:10])
        told.append(f"the first line names the columns, and none of them is peer: {shown}")
    for number, name in enumerate(columns, 1):
        if not name:
            told.append(f"column {number} has no name")
        elif name in columns[: number - 1]:
            told.append(f"two columns are called {_shown(name)}")
        elif character := _control(name):
            told.append(f"the name of column {number} holds the control character {character}")
        elif name == "fields":
            told.append("no column can be called fields: each further column is a field")
    return [_Complaint(line, message) for message in told]


def _row(columns: list[_Text], row: list[str], line: int) -> _Map:
    pairs: list[tuple[_Value, _Value]] = []
    fields: list[tuple[_Value, _Value]] = []
    for column, cell in zip(columns, row, strict=False):  # spreadsheets end a row early
        if cell:
            (pairs if column.text in _KEYS else fields).append((column, _Text(line, cell)))
    if fields:
        pairs.append((_Text(line, "fields"), _Map(line, fields)))
    return _Map(line, pairs)


# YAML: https://yaml.org/spec/1.1, the part of it that a list of people needs.

# PyYAML's own composer is not used: the C one overflows the stack, and so kills the process, on
# ten thousand nested brackets, and it hides the aliases. Events show both before any harm is done.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Events = Iterator[yaml.Event]
_NOT_YAML = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def _yaml(stream: BinaryIO) -> Iterator[_Value | _Complaint]:
    raw = stream.read(MOST_YAML + 1)
    if len(raw) > MOST_YAML:
        raise _Unreadable(
            1, f"more than {MOST_YAML // 2**20} MiB of YAML: use CSV or JSON Lines for long lists"
        )
    text = _decoded(raw, 1)
    if strange := _NOT_YAML.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        raise _Unreadable(line, f"YAML cannot hold the character U+{ord(strange[0]):04X}")
    try:
        # The stubs name a type of _typeshed that pyright does not know.
        yield from _document(yaml.parse(text, Loader=_LOADER))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, text) from None
    except yaml.YAMLError as error:
        raise _Unreadable(1, f"not YAML: {error}") from None


def _document(events: _Events) -> Iterator[_Value | _Complaint]:
    next(events)  # the start of the stream
    if isinstance(next(events), yaml.StreamEndEvent):
        return
    root = next(events)
    match root:
        case yaml.SequenceStartEvent():
            yield from _items(root, events)
        case yaml.MappingStartEvent():
            yield from _contacts_key(root, events)
        case yaml.ScalarEvent(value=""):
            pass
        case _:
            yield _Complaint(_line(root), f"this is no list: {_FORM}")
    next(events)  # the end of the document
    after = next(events)
    if not isinstance(after, yaml.StreamEndEvent):
        yield _Complaint(_line(after), "a second document (---) starts here: a file is one list")


def _contacts_key(root: yaml.MappingStartEvent, events: _Events) -> Iterator[_Value | _Complaint]:
    yield from _marked(root)
    is_given = False
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _node(event, events)
        value = next(events)
        if not isinstance(key, _Text) or key.text != "contacts":
            _node(value, events)
            yield _Complaint(key.line, f"unknown key {_kind(key)}: {_FORM}")
            continue
        if is_given:
            yield _Complaint(key.line, "the key contacts is given twice")
        is_given = True
        if isinstance(value, yaml.SequenceStartEvent):
            yield from _items(value, events)
            continue
        found = _node(value, events)
        if not (isinstance(found, _Text) and not found.text):
            yield _Complaint(found.line, f"contacts is a list, not {_kind(found)}: {_FORM}")


def _items(start: yaml.SequenceStartEvent, events: _Events) -> Iterator[_Value | _Complaint]:
    yield from _marked(start)
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        yield _node(event, events)


def _marked(event: yaml.Event) -> Iterator[_Complaint]:
    if mark := _mark(event):
        yield _Complaint(_line(event), f"expected a plain list, not {mark}")


def _node(event: yaml.Event, events: _Events, depth: int = 1) -> _Value:
    """Read a value whole: scalars stay text, so that a phone is no number and `no` is a name."""
    line = _line(event)
    value: _Value
    if depth > _DEEPEST:
        raise _Unreadable(line, "lists within lists within lists: a contact needs no such thing")
    match event:
        case yaml.SequenceStartEvent():
            value = _List(line, [])
            while not isinstance(item := next(events), yaml.SequenceEndEvent):
                value.items.append(_node(item, events, depth + 1))
        case yaml.MappingStartEvent():
            value = _Map(line, [])
            while not isinstance(key := next(events), yaml.MappingEndEvent):
                name = _node(key, events, depth + 1)
                value.pairs.append((name, _node(next(events), events, depth + 1)))
        case yaml.ScalarEvent():
            value = _Text(line, event.value)
        case _:
            value = _Other(line, "")
    mark = _mark(event)
    return _Other(line, mark) if mark else value


def _mark(event: yaml.Event) -> str:
    """What is refused of YAML, in words: with aliases, a few lines could stand for a billion."""
    match event:
        case yaml.AliasEvent():
            return f"the alias *{event.anchor}: write the value out, or put it in quotes"
        case yaml.NodeEvent(anchor=str(anchor)):
            return f"something with the anchor &{anchor}: leave that out, or put it in quotes"
        case yaml.ScalarEvent(tag=str(tag)) | yaml.CollectionStartEvent(tag=str(tag)):
            return f"something with the tag {_shown(tag)}: leave that out, or put it in quotes"
        case _:
            return ""


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _not_yaml(error: yaml.MarkedYAMLError, text: str) -> _Unreadable:
    """Say what is wrong in words for a person, and the parser's own words after that."""
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
    return _Unreadable(line, f"not YAML: {hint} ({problem})" if hint else f"not YAML: {problem}")


_FORMS = {"yaml": _yaml, "csv": _csv, "jsonl": _jsonl}
