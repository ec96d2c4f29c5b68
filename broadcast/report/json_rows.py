"""Makes the rows of `--json`; README.md describes their keys."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from broadcast.core.lifecycle import goes_on_by_itself
from broadcast.core.model import Action, Broadcast, Failed, Record, Sent, State, Status
from broadcast.core.moments import in_utc
from broadcast.engine.gates import stars

if TYPE_CHECKING:
    from broadcast.core.asker import Question
    from broadcast.service.reports import Report


def question_row(question: Question) -> dict[str, object]:
    """A question of a plan as a row of `--json`; `told` is empty where the code says it all."""
    return {
        "type": "question",
        "code": question.code,
        "count": question.count,
        "told": question.told,
    }


def delivery_row(record: Record) -> dict[str, object]:
    """A delivery as a row of `--json`, which a contact list of JSON Lines may hold as well.

    What somebody's own message says is not in it: `own_message` tells that there is one.
    """
    delivery, outcome = record.delivery, record.outcome
    contact = delivery.contact
    sent = outcome if isinstance(outcome, Sent) else None
    other = None if isinstance(outcome, Sent) else outcome
    until = sent and sent.scheduled_until
    return {
        "type": "delivery",
        "broadcast": delivery.broadcast,
        "peer": contact.peer.text,
        "name": contact.name,
        "status": status_of(record),
        # What waits in Telegram's schedule has an id of the schedule, which is no message's.
        "message_id": sent.message_id if sent and not until else None,
        "error": other and other.error,
        "reason": other and other.reason,
        "at": record.at and in_utc(record.at),
        **({"scheduled_until": in_utc(until)} if until else {}),
        **({"deleted_at": in_utc(record.deleted_at)} if record.deleted_at else {}),
        **({"note": sent.note} if sent and sent.note else {}),
        **({"perhaps_sent": True} if isinstance(outcome, Failed) and outcome.perhaps_sent else {}),
        **({"part": delivery.part + 1} if delivery.part else {}),
        **({"tags": list(contact.tags)} if contact.tags else {}),
        **({"fields": dict(contact.fields)} if contact.fields else {}),
        **({"own_message": True} if contact.overrides else {}),
    }


def status_of(record: Record) -> str:
    """What became of a delivery in one word: also when its message was taken back since, or waits
    in Telegram's schedule."""
    if record.deleted_at is not None:
        return "deleted"
    if record.is_scheduled:
        return "scheduled"
    return Status.PENDING if record.status is Status.SENDING else record.status


def tally(broadcast: Broadcast) -> dict[str, int]:
    """How many deliveries are in each state, as `status_of` calls them: each counts once.

    Of the pending so many as are `in_doubt` were perhaps sent.
    """
    counts = asdict(broadcast.counts)
    if not counts["in_doubt"]:
        del counts["in_doubt"]
    kept = broadcast.at_telegram
    deleted = broadcast.recalled.deleted if broadcast.recalled else 0
    counts["sent"] -= kept + deleted
    more = {"scheduled": kept, "deleted": deleted}
    return counts | {name: count for name, count in more.items() if count}


def summary_row(report: Report) -> dict[str, object]:
    """The last row of `--json`."""
    return {
        "type": "summary",
        "broadcast": report.broadcast,
        **tally(report.after),
        "seconds": round(report.seconds, 3),
        **({"stars": float(stars(report.paid))} if report.paid else {}),
    }


def broadcast_row(broadcast: Broadcast) -> dict[str, object]:
    """A broadcast as a row of `--json`."""
    recalled = broadcast.recalled
    return {
        "type": "broadcast",
        "broadcast": broadcast.id,
        "action": broadcast.action,
        **({} if broadcast.action is Action.SEND else {"target": broadcast.target_id}),
        "state": state_of(broadcast),
        "text": broadcast.message.text,
        "created_at": in_utc(broadcast.created_at),
        **tally(broadcast),
        "once": broadcast.once,
        "owner": None if broadcast.owner is None else str(broadcast.owner),
        "note": None if broadcast.halted is None else broadcast.halted.reason,
        **_times(broadcast),
        **({"recalled_by": recalled.by, "recalled_at": in_utc(recalled.at)} if recalled else {}),
    }


def _times(broadcast: Broadcast) -> dict[str, object]:
    """When a scheduled broadcast is due, first and last, and whether Telegram keeps it."""
    schedule = broadcast.schedule
    if schedule is None:
        return {}
    return {
        "due": in_utc(schedule.first),
        "due_last": in_utc(schedule.last),
        "at_telegram": schedule.at_telegram,
    }


def broadcast_summary_row(broadcast: Broadcast) -> dict[str, object]:
    """The last row of `show --json`."""
    return {
        "type": "summary",
        "broadcast": broadcast.id,
        **tally(broadcast),
        "seconds": None,
    }


def state_of(broadcast: Broadcast) -> str:
    """The state of a broadcast in one word: a recall is a cancel as long as Telegram only keeps
    the messages for later."""
    recalled, schedule = broadcast.recalled, broadcast.schedule
    if broadcast.owner is not None:
        return "running"
    if recalled is not None:
        is_kept = schedule is not None and schedule.at_telegram and recalled.at < schedule.first
        return ("cancelled" if is_kept else "recalled") if recalled.is_done else "recalling"
    if broadcast.waiting and broadcast.state in (State.OPEN, State.DONE):
        return "scheduled" if goes_on_by_itself(broadcast) else "unfinished"
    return "unfinished" if broadcast.state is State.OPEN else str(broadcast.state)
