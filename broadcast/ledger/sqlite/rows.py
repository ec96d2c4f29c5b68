"""Turns rows of the ledger into nouns and back; it executes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from broadcast.core.classify import reason_of
from broadcast.core.model import (
    Action,
    Broadcast,
    Counts,
    Deferred,
    Delivery,
    Failed,
    Format,
    Message,
    Record,
    Schedule,
    Sent,
    State,
    Status,
)
from broadcast.engine.pacer import Known, Learned
from broadcast.ledger.process import in_words, is_dead
from broadcast.message.stored import pack, unpack
from broadcast.people.stored import as_json, contact_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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


def content_of(message: Message) -> str | None:
    """All of a message but text and format, as the ledger keeps it; None when it is as usual."""
    packed = pack(message)
    return as_json(packed) if packed else None


def _message_of(row: Any) -> Message:
    text, markup, content = row["text"], Format(row["format"]), row["content"]
    return Message(text, markup) if content is None else unpack(text, markup, json.loads(content))


def others_row(others: Sequence[int]) -> str | None:
    """The further message ids of an album, as the ledger keeps them."""
    return as_json(others) if others else None


def own_reason(outcome: Failed) -> str | None:
    """The words of a failure where they are not those of the table, such as a time."""
    return None if outcome.reason == reason_of(outcome.error) else outcome.reason


def _others_of(kept: str | None) -> tuple[int, ...]:
    return tuple(json.loads(kept)) if kept else ()


def schedule_of(row: Any) -> Schedule | None:
    """When a broadcast of the table goes out, unless that is at once."""
    if row["due_first"] is None:
        return None
    return Schedule(moment(row["due_first"]), moment(row["due_last"]), bool(row["at_telegram"]))


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
        message=_message_of(row),
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
        schedule=schedule_of(row),
        later_parts=row["later_parts"],
    )


def tried(delivery: Delivery, outcome: Deferred) -> int:
    """How often a deferred delivery was tried: at least once where it has perhaps arrived.

    A message that is too late (message/when.py) is not sent, but only if it was never tried.
    """
    return max(delivery.attempts + outcome.counts, int(outcome.perhaps_sent))


def known_of(row: Any | None) -> Known:
    """A row of the table `account`, if there is one."""
    if row is None:
        return Known()
    return Known(
        None if row["rate"] is None else Learned(row["rate"], row["burst"]),
        None if row["learned_at"] is None else moment(row["learned_at"]),
        None if row["held_until"] is None else moment(row["held_until"]),
    )


def delivery_of(  # noqa: PLR0917 - a row of the statements, as it comes
    broadcast: Broadcast,
    key: int,
    peer: int | str,
    contact: str | None,
    part: int | None,
    message_id: int | None,
    others: str | None,
    is_scheduled: int | None = 0,
    *,
    attempts: int = 0,
) -> Delivery:
    """A delivery of `broadcast`, as a transport takes it, from a row of the statements."""
    return Delivery(
        broadcast.id,
        key - broadcast.number * POSITIONS,
        contact_of(peer, contact),
        broadcast.message,
        attempts,
        broadcast.action,
        message_id,
        part or 0,
        _others_of(others),
        bool(is_scheduled),
    )


def ended_by(wanted: Collection[Status]) -> str | None:
    """What the statements `records` and `changes` leave out: all but `sent`, `failed` or `not yet`.

    So that a few failures among a million are found without a million records being made.
    """
    ends = {status if status in _FINAL else "not yet" for status in wanted}
    return str(ends.pop()) if len(ends) == 1 else None


_FINAL = (Status.SENT, Status.FAILED)


def record_of(broadcast: Broadcast, row: Any) -> Record:
    """A row of the statements `records` and `changes`."""
    delivery = delivery_of(
        broadcast,
        row["key"],
        row["peer"],
        row["contact"],
        row["part"],
        row["message_id"],
        row["others"],
        attempts=row["attempts"] or 0,
    )
    if row["sent"] is not None:
        at = broadcast.created_at + timedelta(milliseconds=row["at"])
        if row["sent"]:
            sent = Sent(row["message_id"], others=delivery.others, note=row["note"] or "")
            return Record(delivery, Status.SENT, sent, at)
        failed = Failed(row["error"], row["note"] or reason_of(row["error"]))
        return Record(delivery, Status.FAILED, failed, at)
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
