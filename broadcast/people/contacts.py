"""Reads a contact list, and refuses to guess: each complaint names file and line. It opens no file.

Each form (YAML, CSV, JSON Lines) has a module in forms/ that turns bytes into entries, which know
their lines. What an entry may hold is decided here, once for all three.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from hashlib import blake2b
from typing import TYPE_CHECKING, BinaryIO, Literal

from broadcast.core.errors import ContactsError, Problem
from broadcast.core.model import NO_FIELDS, NO_OVERRIDES, Contact, Peer
from broadcast.core.peers import PeerError
from broadcast.core.spelling import same, same_key
from broadcast.forms.csv_form import csv_entries
from broadcast.forms.encodings import as_utf8
from broadcast.forms.entries import (
    KEYS,
    Complaint,
    Entry,
    List,
    Map,
    NotUtf8,
    Number,
    Row,
    Text,
    Unreadable,
    Value,
    control_character,
    in_words,
    is_like_peer,
    quoted,
)
from broadcast.forms.jsonl_form import jsonl_entries
from broadcast.message.front_matter import written_settings
from broadcast.message.schema import ContentError, Raw
from broadcast.people.phones import read_peer

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["yaml", "csv", "jsonl"]

ReadMessage = Callable[[Mapping[str, Raw]], Mapping[str, object]]
"""Turns what an entry says of its message into overrides, or raises ContentError."""

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

_HINTS = {
    ".json": "one JSON object a line is .jsonl",
    ".txt": "a table with tabs between its columns is .tsv",
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), "save the spreadsheet as CSV UTF-8"),
}
"""What to make of other files."""


def kind_of(name: str) -> Kind:
    """The form of a contact list, from its file's suffix. Raises ContactsError."""
    for suffix, kind in _KINDS.items():
        if name.lower().endswith(suffix):
            return kind
    ends = (end for end in _HINTS if name.lower().endswith(end))
    hint = next((f" ({_HINTS[end]})" for end in ends), "")
    raise ContactsError(
        f"{name}: a contact list ends in .yaml, .csv or .jsonl, so that its form is known{hint}"
    )


def read_contacts(
    stream: BinaryIO,
    *,
    source: str,
    kind: Kind,
    read_message: ReadMessage | None = None,
    encoding: str | None = None,
) -> Iterator[Contact | Problem]:
    """Yield the contacts and every complaint about the list, in the order of the file.

    `stream` is buffered and binary, UTF-8 unless it has a mark of its own or `encoding` is given;
    `source` is the name that the complaints give it. A peer that
    is listed twice is a contact once, and the second entry a warning. CSV and JSON Lines are read
    as they come, so that only the memory of who was listed grows: about 14 bytes a contact.
    """
    mistakes = 0
    is_empty = True
    for found in _read(stream, kind, read_message or _no_messages, encoding):
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
        yield Problem(source, 1, "this list is empty")


def _no_messages(_: Mapping[str, Raw]) -> Mapping[str, object]:
    raise ContentError("message", "cannot be set here")


def _read(
    stream: BinaryIO, kind: Kind, read_message: ReadMessage, encoding: str | None
) -> Iterator[Contact | Complaint]:
    seen = Seen()
    try:
        for entry in _entries(as_utf8(stream, encoding), kind):
            if isinstance(entry, Complaint):
                yield entry
            elif isinstance(entry, Row) and (contact := plain_contact(entry, seen)):
                yield contact
            else:
                contact, complaints = contact_of_entry(entry, seen, read_message)
                if contact:
                    yield contact
                yield from sorted(complaints, key=lambda complaint: complaint.line)
    except NotUtf8 as end:
        hint = ", or name its encoding: Excel's is often --encoding cp1252"
        yield end.complaint._replace(message=end.complaint.message + hint)
    except Unreadable as end:
        yield end.complaint


def _entries(stream: BinaryIO, kind: Kind) -> Iterator[Entry | Complaint]:
    if kind == "csv":
        return csv_entries(stream)
    if kind == "jsonl":
        return _recipients(jsonl_entries(stream))
    from broadcast.forms.yaml_form import yaml_entries  # noqa: PLC0415 - PyYAML is slow to load

    return yaml_entries(stream)


def _recipients(entries: Iterator[Value | Complaint]) -> Iterator[Entry | Complaint]:
    """The entries; of the rows of a report (report/json_rows.py) those of the recipients."""
    for entry in entries:
        pairs = entry.pairs if isinstance(entry, Map) else []
        given = {key.text: value for key, value in pairs if isinstance(key, Text)}
        match given.get("type"):
            case Text(line, "delivery") if "own_message" in given:
                told = "this recipient has a message of their own, which a report does not hold"
                yield Complaint(line, f"{told}: choose them with --to from the list itself")
            case Text(line, "delivery"):
                kept = (name for name in ("peer", "name", "tags", "fields") if name in given)
                yield Map(line, [(Text(line, name), given[name]) for name in kept])
            case Text(_, "summary" | "question"):
                pass
            case _:
                yield entry


class Seen:
    """Knows in which line a peer was first, in some 14 bytes a peer.

    A dict of the keys takes more than a gigabyte for ten million peers, and so does one of their
    hashes. Here each of 16,384 buckets is one row of bytes, which is searched as a text is: 8 bytes
    of hash and 4 of the line for each peer, which takes less than a microsecond in a list of a
    million. What is compared is 78 bits of hash: among ten million peers, one pair in 10^9 lists is
    taken for one.
    """

    _ENTRY = 12  # bytes of hash and line

    def __init__(self) -> None:
        self._buckets: dict[int, bytearray] = {}

    def first(self, key: str, line: int) -> int | None:
        """Give the line in which `key` was first, or note that it is this one and give None."""
        digest = blake2b(key.encode(), digest_size=10).digest()
        number, rest = (digest[0] << 6) | (digest[1] >> 2), digest[2:]
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = bytearray()
        at = bucket.find(rest)
        while at > 0 and at % self._ENTRY:  # across two entries: no peer
            at = bucket.find(rest, at + 1)
        if at >= 0:
            return int.from_bytes(bucket[at + 8 : at + self._ENTRY], "little")
        bucket += rest + line.to_bytes(4, "little")
        return None


# From an entry to a contact.


def plain_contact(row: Row, seen: Seen) -> Contact | None:
    """The contact of a row without any mistake, as `contact_of_entry` would read it.

    None when there may be a mistake, or something that must be read in another way. A row takes
    8 µs with it and 14 without: most of what a dry run takes.
    """
    line, cells, columns = row
    if len(cells) < len(columns.names):
        cells += [""] * (len(columns.names) - len(cells))
    if not columns.are_plain or not "".join(cells).isprintable():
        return None
    try:
        peer = read_peer(cells[columns.peer])
    except PeerError:
        return None
    name = "" if columns.name is None else cells[columns.name].strip()
    tags = ()
    if columns.tags is not None and cells[columns.tags]:
        tags = _unique(re.split("[,;]", cells[columns.tags]))
    fields = NO_FIELDS
    if columns.fields:
        fields = {word: text for at, word in columns.fields if (text := cells[at].strip())}
    if seen.first(peer.key, line):
        return None
    return Contact(peer, name, tags, fields or NO_FIELDS, line)


def contact_of_entry(
    entry: Entry, seen: Seen, read_message: ReadMessage
) -> tuple[Contact | None, list[Complaint]]:
    """Read one entry of any form; the contact is None when the entry is wrong or doubled."""
    reading = _Reading()
    if isinstance(entry, Row):
        entry = entry.as_map()
    match entry:
        case Map(line, pairs):
            given = reading.keys(pairs)
        case Text(line) | Number(line):
            given: dict[str, Value] = {"peer": entry}
        case _:
            reading.wrong(entry, f"expected a recipient or its keys, not {in_words(entry)}")
            return None, reading.complaints
    peer = reading.peer(entry, given.get("peer"))
    name = reading.line("name", given["name"]) if "name" in given else ""
    tags = reading.tags(given["tags"]) if "tags" in given else ()
    fields = reading.fields(given["fields"]) if "fields" in given else {}
    overrides = NO_OVERRIDES
    if "message" in given:
        overrides = reading.overrides(given["message"], read_message)
    if peer and (first := seen.first(peer.key, line)):
        told = (
            f"{peer.text} is already in line {first}: this entry, with its name, tags and "
            "fields, is left out, and the message goes out once"
        )
        reading.complaints.append(Complaint(line, told, is_error=False))
    if not peer or reading.complaints:
        return None, reading.complaints
    return Contact(peer, name, tags, fields or NO_FIELDS, line, overrides), []


class _Reading:
    """The parts of one entry, and the complaints about them; what is wrong is read as nothing."""

    def __init__(self) -> None:
        self.complaints: list[Complaint] = []

    def wrong(self, value: Value, told: str) -> None:
        self.complaints.append(Complaint(value.line, told))

    def keys(self, pairs: list[tuple[Value, Value]]) -> dict[str, Value]:
        given: dict[str, Value] = {}
        for key, value in pairs:
            if not isinstance(key, Text):
                self.wrong(key, f"a key cannot be {in_words(key)}")
            elif (name := same_key(key.text)) in given:
                self.wrong(key, f"the key {name} is given twice")
            elif name in KEYS:
                given[name] = value
            else:
                self.wrong(key, _unknown(key.text))
        return given

    def peer(self, entry: Value, value: Value | None) -> Peer | None:
        match value:
            case None:
                self.wrong(entry, "the peer is missing: who gets the message?")
            case Text(_, text) if not text.strip():
                self.wrong(value, "the peer is empty: who gets the message?")
            case Text(_, text) | Number(_, text, True):
                try:
                    return read_peer(text)
                except PeerError as error:
                    self.wrong(value, str(error))
            case _:
                self.wrong(value, f"a peer is a text, not {in_words(value)}")
        return None

    def line(self, key: str, value: Value) -> str:
        """One line of text that a terminal can show as it is."""
        if not isinstance(value, Text):
            self.wrong(value, f"{key} is a text, not {in_words(value)}")
            return ""
        text = _stripped(value.text)
        if character := control_character(text):
            self.wrong(value, f"{key} holds the control character {character}")
            return ""
        return text

    def tags(self, value: Value) -> tuple[str, ...]:
        """A list, or one text with commas or semicolons between; order and case are kept."""
        match value:
            case List(_, items):
                tags = [self.line("a tag", item) for item in items]
                for item, tag in zip(items, tags, strict=True):
                    if "," in tag or ";" in tag:
                        told = f"the tag {quoted(tag)} holds a comma or semicolon: make it two tags"
                        self.wrong(item, told)
                return _unique(tags)
            case Text():
                return _unique(re.split("[,;]", self.line("tags", value)))
            case _:
                self.wrong(value, f"tags are a list, not {in_words(value)}")
                return ()

    def fields(self, value: Value) -> dict[str, str]:
        """The fields that have a value: an empty one counts as missing, in every form."""
        fields: dict[str, str] = {}
        known: set[str] = set()
        if isinstance(value, Text) and not value.text.strip():
            return fields
        if not isinstance(value, Map):
            self.wrong(value, f"fields are keys with values, not {in_words(value)}")
            return fields
        for key, item in value.pairs:
            name = self.line("a field's name", key)
            if isinstance(key, Text) and not same_key(key.text):
                self.wrong(key, "a field has no name")
            elif same_key(name) in known:
                self.wrong(key, f"the field {name} is given twice")
            elif same_key(name) in KEYS:
                self.wrong(
                    key, f"a field cannot be called {name}: a contact has a key of that name"
                )
            elif not isinstance(item, Text | Number):
                self.wrong(item, f"the field {name} is a text, not {in_words(item)}")
            elif character := control_character(text := _stripped(item.text), may_have="\n\t"):
                self.wrong(item, f"the field {name} holds the control character {character}")
            else:
                fields[name] = text
                known.add(same_key(name))
        return {name: text for name, text in fields.items() if text}

    def overrides(self, value: Value, read_message: ReadMessage) -> Mapping[str, object]:
        """The fields of the message that are different for this contact."""
        lines: Mapping[str, int] = {}
        try:
            given, lines = written_settings(value)
            return read_message(given)
        except Unreadable as error:
            self.complaints.append(error.complaint)
        except ContentError as error:
            at = lines.get(error.key, value.line)
            self.complaints.append(Complaint(at, f"message: {error.key} {error}"))
        return NO_OVERRIDES


def _unknown(key: str) -> str:
    close = ["peer"] if is_like_peer(key) else get_close_matches(same(key)[:20], KEYS)
    if close:
        return f"unknown key {quoted(key)}: did you mean {close[0]}?"
    return (
        f"unknown key {quoted(key)}: the keys are peer, name, tags, message and, for all else, "
        "fields"
    )


def _stripped(text: str) -> str:
    """Empty also where there are nothing but invisible characters."""
    text = text.strip()
    return text if text.isprintable() or same(text) else ""


def _unique(tags: list[str]) -> tuple[str, ...]:
    return tuple({key: tag.strip() for tag in tags if (key := same_key(tag))}.values())
