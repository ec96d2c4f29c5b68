"""Turns rows of the ledger into nouns and back; it executes nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from broadcast.core.classify import reason_of
from broadcast.core.lifecycle import counts_of, record_of_unsettled, state_of
from broadcast.core.model import (
    Action,
    Broadcast,
    Delivery,
    Failed,
    Format,
    Halted,
    Message,
    Recalled,
    Record,
    Schedule,
    Selection,
    Sent,
    State,
    Status,
)
from broadcast.engine.pacer import Known, Learned
from broadcast.ledger.process import process_of
from broadcast.message.stored import pack, unpack
from broadcast.people.audience import as_json, contact_of

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


def _schedule_of(row: Any) -> Schedule | None:
    """When a broadcast of the table goes out, unless that is at once."""
    if row["due_first"] is None:
        return None
    return Schedule(moment(row["due_first"]), moment(row["due_last"]), bool(row["at_telegram"]))


def _halted_of(row: Any) -> Halted | None:
    """Why the last run of a broadcast stopped early, if it did."""
    if row["note"] is None:
        return None
    return Halted(row["halted"] or "", row["note"], ends_by_itself=bool(row["ends_by_itself"]))


def recalled_of(row: Any) -> Recalled | None:
    """What has recalled a broadcast, if anything has."""
    if row["recall"] is None:
        return None
    is_done = row["recall_state"] == State.DONE
    return Recalled(row["recalled_by"], moment(row["recalled_at"]), is_done, row["deleted"])


def to_recall(row: Any) -> int | None:
    """What leads from the key of a message to the key of its recall; None where there is none."""
    return None if row["recall"] is None else (row["recall"] - row["number"]) * POSITIONS


def broadcast_of(row: Any, *, is_alive: bool, in_doubt: int = 0) -> Broadcast:
    """A row of `known_broadcast`; `is_alive` tells of its owner.

    So many as are `in_doubt` were perhaps sent.
    """
    wanted = None if row["wanted"] is None else State(row["wanted"])
    state = state_of(State(row["state"]), wanted, is_alive=is_alive)
    total, sent, failed = row["total"], row["sent"], row["failed"]
    return Broadcast(
        number=row["number"],
        id=row["id"],
        action=Action(row["action"]),
        message=_message_of(row),
        created_at=moment(row["created_at"]),
        state=state,
        counts=counts_of(state, total=total, sent=sent, failed=failed, in_doubt=in_doubt),
        target=row["target"],
        once=row["once_key"],
        server=row["server"],
        account=row["account"],
        owner=process_of(row["owner"]) if is_alive else None,
        halted=_halted_of(row),
        paid=row["paid"],
        schedule=_schedule_of(row),
        later_parts=row["later_parts"],
        selection=_selection_of(row["selection"]),
        target_id=row["target_id"],
        recalled=recalled_of(row),
    )


def selection_row(selection: Selection | None) -> str | None:
    """How an audience was chosen, as the ledger keeps it."""
    return None if selection is None else as_json(asdict(selection))


def _selection_of(kept: str | None) -> Selection | None:
    if kept is None:
        return None
    found = json.loads(kept)
    return Selection(tuple(found["to"]), tuple(found["exclude"]), found["path"])


def known_of(row: Any, before: Known) -> Known:
    """A row of the table `account`; `before` is what was known without it."""
    return Known(
        before.learned if row["rate"] is None else Learned(row["rate"], row["burst"]),
        before.at if row["learned_at"] is None else moment(row["learned_at"]),
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
    before: tuple[int, bool] | None = None,
) -> Delivery:
    """A delivery of `broadcast`, as a transport takes it, from a row of the statements.

    `before`: how often it was tried, and whether it was perhaps sent.
    """
    attempts, perhaps_sent = before or (0, False)
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
        perhaps_sent,
    )


def ended_by(wanted: Collection[Status]) -> str | None:
    """What the statements `records` and `changes` leave out: all but `sent`, `failed` or `not yet`.

    So that a few failures among a million are found without a million records being made.
    """
    ends = {status if status in _FINAL else "not yet" for status in wanted}
    return str(ends.pop()) if len(ends) == 1 else None


_FINAL = (Status.SENT, Status.FAILED)


def failed_of(error: str, note: str | None, perhaps_sent: int | None) -> Failed:
    """A failure as the ledger keeps it: without words where the table of errors has them."""
    return Failed(error, note or reason_of(error), bool(perhaps_sent))


def record_of(broadcast: Broadcast, row: Any, recall: Recalled | None, now: datetime) -> Record:
    """A row of the statements `records` and `changes`, as of `now`."""
    delivery = delivery_of(
        broadcast,
        row["key"],
        row["peer"],
        row["contact"],
        row["part"],
        row["message_id"],
        row["others"],
        before=(row["attempts"] or 0, bool(row["doubt"])),
    )
    if row["sent"] is not None:
        at = broadcast.created_at + timedelta(milliseconds=row["at"])
        if row["sent"]:
            until = None if row["until"] is None else moment(row["until"])
            deleted = None
            if recall is not None and row["deleted"] is not None:
                deleted = recall.at + timedelta(milliseconds=row["deleted"])
            sent = Sent(
                row["message_id"],
                others=delivery.others,
                note=row["note"] or "",
                scheduled_until=until,
            )
            went_out = until is not None and until <= now
            return Record(delivery, Status.SENT, sent, at, deleted, went_out)
        failed = failed_of(row["error"], row["note"], row["perhaps_sent"])
        return Record(delivery, Status.FAILED, failed, at)
    return record_of_unsettled(
        broadcast,
        delivery,
        is_claimed=bool(row["claimed"] or (row["claimed"] is None and row["sliced"])),
        is_doubtful=bool(row["doubt"]),
        trouble=row["trouble"],
    )
