"""Turns one entry of a list, in any form, into a contact; it refuses to guess."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from broadcast.core.model import NO_FIELDS, NO_OVERRIDES, Contact, Peer
from broadcast.core.peers import PeerError, parse_peer
from broadcast.forms.entries import (
    KEYS,
    Complaint,
    Entry,
    List,
    Map,
    Number,
    Row,
    Text,
    Unreadable,
    Value,
    control_character,
    in_words,
    quoted,
)
from broadcast.message.front_matter import written_settings
from broadcast.message.schema import ContentError, Raw

if TYPE_CHECKING:
    from broadcast.people.seen import Seen

ReadMessage = Callable[[Mapping[str, Raw]], Mapping[str, object]]
"""Turns what an entry says of its message into overrides, or raises ContentError."""

_ALSO_PEER = frozenset({"chat", "id", "link", "number", "phone", "to", "user", "username"})


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
        peer = parse_peer(cells[columns.peer])
    except PeerError:
        return None
    name = "" if columns.name is None else cells[columns.name].strip()
    tags = ()
    if columns.tags is not None and cells[columns.tags]:
        tags = _tags(Text(line, cells[columns.tags]), [])
    fields = NO_FIELDS
    if columns.fields:
        fields = {word: text for at, word in columns.fields if (text := cells[at].strip())}
    if seen.first(peer.key, line):
        return None
    return Contact(peer, name, tags, fields or NO_FIELDS, line)


def contact_of_entry(
    entry: Entry, seen: Seen, complaints: list[Complaint], read_message: ReadMessage
) -> Contact | None:
    """Read one entry of any form; None when it is wrong or doubled, as `complaints` then says."""
    if isinstance(entry, Row):
        entry = entry.as_map()
    match entry:
        case Map(line, pairs):
            given = _given(pairs, complaints)
        case Text(line) | Number(line):
            given: dict[str, Value] = {"peer": entry}
        case _:
            complaints.append(
                Complaint(entry.line, f"expected a recipient or its keys, not {in_words(entry)}")
            )
            return None
    peer = _peer(line, given.get("peer"), complaints)
    name = _line_of_text("name", given["name"], complaints) if "name" in given else ""
    tags = _tags(given["tags"], complaints) if "tags" in given else ()
    fields = _fields(given["fields"], complaints) if "fields" in given else {}
    overrides = NO_OVERRIDES
    if "message" in given:
        overrides = _overrides(given["message"], complaints, read_message)
    if peer and (first := seen.first(peer.key, line)):
        complaints.append(
            Complaint(
                line,
                f"{peer.text} is already in line {first}: this entry, with its name, tags and "
                "fields, is left out, and the message goes out once",
                is_error=False,
            )
        )
        return None
    if not peer or complaints:
        return None
    return Contact(peer, name, tags, fields or NO_FIELDS, line, overrides)


def _given(pairs: list[tuple[Value, Value]], complaints: list[Complaint]) -> dict[str, Value]:
    given: dict[str, Value] = {}
    for key, value in pairs:
        if not isinstance(key, Text):
            complaints.append(Complaint(key.line, f"a key cannot be {in_words(key)}"))
        elif key.text in given:
            complaints.append(Complaint(key.line, f"the key {key.text} is given twice"))
        elif key.text in KEYS:
            given[key.text] = value
        else:
            complaints.append(Complaint(key.line, _unknown(key.text)))
    return given


def _unknown(key: str) -> str:
    close = (
        ["peer"] if key.casefold() in _ALSO_PEER else get_close_matches(key[:20].casefold(), KEYS)
    )
    if close:
        return f"unknown key {quoted(key)}: did you mean {close[0]}?"
    return (
        f"unknown key {quoted(key)}: the keys are peer, name, tags, message and, for all else, "
        "fields"
    )


def _peer(line: int, value: Value | None, complaints: list[Complaint]) -> Peer | None:
    match value:
        case None:
            complaints.append(Complaint(line, "the peer is missing: who gets the message?"))
            return None
        case Text(at, text) if not text.strip():
            complaints.append(Complaint(at, "the peer is empty: who gets the message?"))
            return None
        case Text(at, text) | Number(at, text, True):
            try:
                return parse_peer(text)
            except PeerError as error:
                complaints.append(Complaint(at, str(error)))
                return None
        case _:
            complaints.append(Complaint(value.line, f"a peer is a text, not {in_words(value)}"))
            return None


def _line_of_text(key: str, value: Value, complaints: list[Complaint]) -> str:
    """One line of text that a terminal can show as it is; else a complaint, and nothing."""
    if not isinstance(value, Text):
        complaints.append(Complaint(value.line, f"{key} is a text, not {in_words(value)}"))
        return ""
    text = value.text.strip()
    if character := control_character(text):
        complaints.append(Complaint(value.line, f"{key} holds the control character {character}"))
        return ""
    return text


def _tags(value: Value, complaints: list[Complaint]) -> tuple[str, ...]:
    """A list, or one text with commas or semicolons between; the order and the case are kept."""
    match value:
        case List(_, items):
            tags = [_line_of_text("a tag", item, complaints) for item in items]
            for item, tag in zip(items, tags, strict=True):
                if "," in tag or ";" in tag:
                    told = f"the tag {quoted(tag)} holds a comma or semicolon: make it two tags"
                    complaints.append(Complaint(item.line, told))
        case Text():
            tags = re.split("[,;]", _line_of_text("tags", value, complaints))
        case _:
            complaints.append(Complaint(value.line, f"tags are a list, not {in_words(value)}"))
            return ()
    stripped = (tag.strip() for tag in tags)
    unique = {tag.casefold(): tag for tag in stripped if tag}
    return tuple(unique.values())


def _fields(value: Value, complaints: list[Complaint]) -> dict[str, str]:
    """The fields that have a value: an empty one counts as missing, in every form."""
    if isinstance(value, Text) and not value.text.strip():
        return {}
    if not isinstance(value, Map):
        complaints.append(
            Complaint(value.line, f"fields are keys with values, not {in_words(value)}")
        )
        return {}
    fields: dict[str, str] = {}
    for key, item in value.pairs:
        name = _line_of_text("a field's name", key, complaints)
        if isinstance(key, Text) and not key.text.strip():
            complaints.append(Complaint(key.line, "a field has no name"))
        elif name in fields:
            complaints.append(Complaint(key.line, f"the field {name} is given twice"))
        elif name.casefold() in KEYS:
            told = f"a field cannot be called {name}: a contact has a key of that name"
            complaints.append(Complaint(key.line, told))
        elif not isinstance(item, Text | Number):
            told = f"the field {name} is a text, not {in_words(item)}"
            complaints.append(Complaint(item.line, told))
        elif character := control_character(item.text.strip(), may_have="\n\t"):
            told = f"the field {name} holds the control character {character}"
            complaints.append(Complaint(item.line, told))
        else:
            fields[name] = item.text.strip()
    return {name: text for name, text in fields.items() if text}


def _overrides(
    value: Value, complaints: list[Complaint], read_message: ReadMessage
) -> Mapping[str, object]:
    """The fields of the message that are different for this contact."""
    try:
        given, lines = written_settings(value)
    except Unreadable as error:
        complaints.append(error.complaint)
        return NO_OVERRIDES
    try:
        return read_message(given)
    except ContentError as error:
        at = lines.get(error.key, value.line)
        complaints.append(Complaint(at, f"message: {error.key} {error}"))
        return NO_OVERRIDES
