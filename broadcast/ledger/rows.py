"""Turns rows of the ledger into nouns and back; it executes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from broadcast.core.classify import reason_of
from broadcast.core.model import (
    NO_FIELDS,
    Action,
    Broadcast,
    Contact,
    Counts,
    Deferred,
    Delivery,
    Failed,
    Format,
    Message,
    Peer,
    PeerKind,
    Record,
    Sent,
    State,
    Status,
)
from broadcast.core.pace import Known, Learned
from broadcast.core.peers import parse_peer
from broadcast.ledger.owner import in_words, is_dead

POSITIONS = 1 << 32
"""Of one broadcast: the key of a delivery is its broadcast's number * POSITIONS + its position."""


def keys(number: int) -> dict[str, int]:
    """The first and the last key of a broadcast's deliveries."""
    return {"low": number * POSITIONS, "high": (number + 1) * POSITIONS - 1}


def shift(broadcast: Broadcast) -> int:
    """What leads from the key of an edit or a recall to the key of the message it changes."""
    target = broadcast.number if broadcast.target is None else broadcast.target
    return (target - broadcast.number) * POSITIONS


def milliseconds(moment: datetime) -> int:
    """A moment as the ledger keeps it."""
    return round(moment.timestamp() * 1000)


def moment(kept: int) -> datetime:
    """The reverse of `milliseconds`."""
    return datetime.fromtimestamp(kept / 1000, UTC)


def recipient_row(key: int, contact: Contact) -> tuple[int, int | str, str | None]:
    """A contact as it is frozen: a bare id without a name takes no text at all."""
    text = contact.peer.text
    is_number = contact.peer.kind is PeerKind.ID and text == contact.peer.value
    more: dict[str, object] = {}
    if contact.name:
        more["name"] = contact.name
    if contact.tags:
        more["tags"] = contact.tags
    if contact.fields:
        more["fields"] = dict(contact.fields)
    kept = json.dumps(more, ensure_ascii=False, separators=(",", ":")) if more else None
    return key, int(text) if is_number else text, kept


def contact_of(peer: int | str, more: str | None) -> Contact:
    """The reverse of `recipient_row`."""
    if isinstance(peer, int):
        text = str(peer)
        named = Peer(text, PeerKind.ID, text)
    else:
        named = parse_peer(peer)
    if more is None:
        return Contact(named)
    kept = json.loads(more)
    fields = kept.get("fields", NO_FIELDS)
    return Contact(named, kept.get("name", ""), tuple(kept.get("tags", ())), fields)


def is_alive(row: Any, now: datetime) -> bool:
    """Whether the process that holds the lease of a broadcast may still be at work."""
    if row["owner"] is None or row["lease_until"] <= milliseconds(now):
        return False
    return not is_dead(row["owner"])


def state_of(row: Any, now: datetime) -> State:
    """The state of a broadcast. What was asked of a process that has died since, holds."""
    return State(row["state"] if is_alive(row, now) else row["wanted"] or row["state"])


def broadcast_of(row: Any, now: datetime, *, in_doubt: int = 0) -> Broadcast:
    """A row of the table `broadcast`.

    What is left of a cancelled one is skipped, but for those `in_doubt`: nobody knows of them.
    """
    left = row["total"] - row["sent"] - row["failed"]
    state = state_of(row, now)
    pending = in_doubt if state is State.CANCELLED else left
    return Broadcast(
        number=row["number"],
        id=row["id"],
        action=Action(row["action"]),
        message=Message(row["text"], Format(row["format"])),
        created_at=moment(row["created_at"]),
        state=state,
        counts=Counts(row["sent"], row["failed"], left - pending, pending),
        target=row["target"],
        once=row["once_key"],
        server=row["server"],
        account=row["account"],
        owner=in_words(row["owner"]) if is_alive(row, now) else None,
        note=row["note"],
        paid=row["paid"],
    )


def known_of(row: Any | None) -> Known:
    """A row of the table `account`, if there is one."""
    if row is None:
        return Known()
    return Known(
        None if row["rate"] is None else Learned(row["rate"], row["burst"]),
        None if row["learned_at"] is None else moment(row["learned_at"]),
        None if row["held_until"] is None else moment(row["held_until"]),
    )


def delivery_of(
    broadcast: Broadcast,
    key: int,
    peer: int | str,
    contact: str | None,
    *,
    message_id: int | None,
    attempts: int,
) -> Delivery:
    """A delivery of `broadcast`, as a transport takes it."""
    return Delivery(
        broadcast.id,
        key - broadcast.number * POSITIONS,
        contact_of(peer, contact),
        broadcast.message,
        attempts,
        broadcast.action,
        message_id,
    )


def record_of(broadcast: Broadcast, row: Any) -> Record:
    """A row of the statements `records` and `changes`."""
    delivery = delivery_of(
        broadcast,
        row["key"],
        row["peer"],
        row["contact"],
        message_id=row["message_id"],
        attempts=row["attempts"] or 0,
    )
    if row["sent"] is not None:
        at = broadcast.created_at + timedelta(milliseconds=row["at"])
        if row["sent"]:
            return Record(delivery, Status.SENT, Sent(row["message_id"]), at)
        return Record(delivery, Status.FAILED, Failed(row["error"], reason_of(row["error"])), at)
    trouble = row["trouble"]
    is_sending = row["claimed"] or (row["claimed"] is None and row["sliced"])
    if (is_sending or row["doubt"]) and broadcast.owner is None:
        trouble = "IN_DOUBT"
    outcome = None if trouble is None else Deferred(trouble, reason_of(trouble))
    if is_sending:
        return Record(delivery, Status.SENDING, outcome)
    if broadcast.state is State.CANCELLED and trouble != "IN_DOUBT":
        return Record(delivery, Status.SKIPPED, Failed("CANCELLED", "the broadcast was cancelled"))
    return Record(delivery, Status.PENDING, outcome)
