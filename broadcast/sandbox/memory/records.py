"""How changes are written to the journal: as small records, ready for JSON.

A field that has its default is left out, so that a plain message stays a short line.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from broadcast.sandbox.memory.message_body import NO_EXTRA, Body, Extra, File, Origin
from broadcast.sandbox.memory.message_log import EventKind

if TYPE_CHECKING:
    from decimal import Decimal

    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_log import Event
    from broadcast.sandbox.memory.schedule import ScheduledMessage

Record = dict[str, Any]  # one line of JSON

_PINS = {EventKind.PINNED: "all", EventKind.PINNED_HERE: "self", EventKind.UNPINNED: ""}
_PIN_KINDS = {who: kind for kind, who in _PINS.items()}


def account_record(account: Account) -> Record:
    """Somebody has an account."""
    return {
        "t": "account",
        "account": account.id,
        "phone": account.phone,
        "first_name": account.first_name,
        "last_name": account.last_name,
        "is_bot": account.is_bot,
    }


def contact_record(account: Account, user_id: int, first_name: str, last_name: str) -> Record:
    """Somebody is in an address book."""
    return {
        "t": "contact",
        "account": account.id,
        "user": user_id,
        "first_name": first_name,
        "last_name": last_name,
    }


def stranger_record(account: Account, user_id: int, met: float) -> Record:
    """A stranger was written to."""
    return {"t": "stranger", "account": account.id, "user": user_id, "date": met}


def stars_record(account: Account, spent: Decimal) -> Record:
    """What an account has paid so far."""
    return {"t": "stars", "account": account.id, "spent": str(spent)}


def file_record(number: int, file: File) -> Record:
    """A file can be sent from now on."""
    attributes = [attribute.hex() for attribute in file.attributes]
    return {"t": "file", "id": number} | asdict(file) | {"attributes": attributes}


def file_of(record: Record) -> File:
    """The file of a record."""
    given: Record = {name: record[name] for name in _FILE_FIELDS}
    given["attributes"] = tuple(bytes.fromhex(attribute) for attribute in record["attributes"])
    return File(**given)


def schedule_record(waiting: ScheduledMessage) -> Record:
    """A message waits for its time."""
    return {
        "t": "schedule",
        "account": waiting.account,
        "peer": waiting.peer,
        "id": waiting.number,
        "random_id": waiting.random_id,
        **body_fields(waiting.body),
        "at": waiting.at,
        "date": waiting.made,
    }


def unschedule_record(
    account: int, peer: int, number: int, random_id: int, sent: int | None
) -> Record:
    """A message waits no longer: `sent` is the number that it was sent under, if it was."""
    return {
        "t": "unschedule",
        "account": account,
        "peer": peer,
        "id": number,
        "random_id": random_id,
        "sent": sent,
    }


def change_record(owner: int, event: Event) -> Record:
    """A message was deleted, hidden, pinned or unpinned."""
    record: Record = {"t": "delete", "owner": owner, "id": event.number}
    if event.kind in _PINS:
        record["t"], record["for"] = "pin", _PINS[event.kind]
    else:
        record["for_all"] = event.kind is EventKind.DELETED
    record["date"] = event.date
    return record


def pin_kind(record: Record) -> EventKind:
    """For whom a record pins. Raises ValueError for an unknown word."""
    kind = _PIN_KINDS.get(record["for"])
    if kind is None:
        raise ValueError(f"nobody to pin for: {record['for']!r}")
    return kind


def body_fields(body: Body) -> Record:
    """What a message says, as fields of a record."""
    written: Record = {
        "text": body.text,
        "entities": [entity.hex() for entity in body.entities],
    }
    if body.extra is not None:
        written["extra"] = _written(body.extra)
    return written


def body_of(record: Record) -> Body:
    """What the message of a record says."""
    entities = tuple(bytes.fromhex(entity) for entity in record["entities"])
    extra = record.get("extra")
    return Body(record["text"], entities, None if extra is None else _read(extra))


def _written(extra: Extra) -> Record:
    written: Record = {}
    for name in _EXTRA_FIELDS:
        value = getattr(extra, name)
        if value != getattr(NO_EXTRA, name):
            written[name] = value
    if extra.origin:
        written["origin"] = [extra.origin.peer, extra.origin.date, extra.origin.message_id]
    if extra.buttons:
        written["buttons"] = [[list(button) for button in row] for row in extra.buttons]
    return written


def _read(written: Record) -> Extra:
    given = dict(written)
    if "origin" in given:
        given["origin"] = Origin(*given["origin"])
    if "buttons" in given:
        rows = given["buttons"]
        given["buttons"] = tuple(tuple((text, url) for text, url in row) for row in rows)
    return Extra(**given)


_EXTRA_FIELDS = [field.name for field in fields(Extra)]
_FILE_FIELDS = [field.name for field in fields(File)]
