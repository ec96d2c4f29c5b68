"""Reads a contact list; every complaint names file and line. It opens no file.

Each form (YAML, CSV, JSON Lines) has a module that turns bytes into entries, which know their lines
(entries.py); what an entry may hold is decided once, for all three (entry.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Literal

from broadcast.core.errors import ContactsError, Problem
from broadcast.core.model import Contact
from broadcast.forms.csv_form import csv_entries
from broadcast.forms.entries import Complaint, Entry, Row, Unreadable
from broadcast.forms.jsonl_form import jsonl_entries
from broadcast.message.schema import ContentError
from broadcast.people.entry import contact_of_entry, plain_contact
from broadcast.people.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from broadcast.message.schema import Raw
    from broadcast.people.entry import ReadMessage

Kind = Literal["yaml", "csv", "jsonl"]

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


def kind_of(name: str) -> Kind:
    """The form of a contact list, from its file's suffix. Raises ContactsError."""
    for suffix, kind in _KINDS.items():
        if name.lower().endswith(suffix):
            return kind
    hint = " (one JSON object a line is .jsonl)" if name.lower().endswith(".json") else ""
    raise ContactsError(
        f"{name}: a contact list ends in .yaml, .csv or .jsonl, so that its form is known{hint}"
    )


def read_contacts(
    stream: BinaryIO, *, source: str, kind: Kind, read_message: ReadMessage | None = None
) -> Iterator[Contact | Problem]:
    """Yield the contacts and every complaint about the list, in the order of the file.

    `stream` is buffered and binary; `source` is the name that the complaints give it. A peer that
    is listed twice is a contact once, and the second entry a warning. CSV and JSON Lines are read
    as they come, so that only the memory of who was listed grows: about 14 bytes a contact.
    """
    seen = Seen()
    mistakes = 0
    is_empty = True
    for found in _read(stream, kind, seen, read_message or _no_messages):
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
    stream: BinaryIO, kind: Kind, seen: Seen, read_message: ReadMessage
) -> Iterator[Contact | Complaint]:
    try:
        for entry in _entries(stream, kind):
            if isinstance(entry, Complaint):
                yield entry
                continue
            contact = plain_contact(entry, seen) if isinstance(entry, Row) else None
            if contact is not None:
                yield contact
                continue
            complaints: list[Complaint] = []
            contact = contact_of_entry(entry, seen, complaints, read_message)
            if contact:
                yield contact
            yield from sorted(complaints, key=lambda complaint: complaint.line)
    except Unreadable as end:
        yield end.complaint


def _entries(stream: BinaryIO, kind: Kind) -> Iterator[Entry | Complaint]:
    if kind == "csv":
        return csv_entries(stream)
    if kind == "jsonl":
        return jsonl_entries(stream)
    from broadcast.forms.yaml_form import yaml_entries  # noqa: PLC0415 - PyYAML is slow to load

    return yaml_entries(stream)
