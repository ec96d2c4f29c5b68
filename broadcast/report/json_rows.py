"""Makes the rows of `--json`; README.md describes their keys."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from broadcast.core.model import Broadcast, Failed, Record, Sent, State, Status
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
    """A delivery as a row of `--json`."""
    delivery, outcome, at = record.delivery, record.outcome, record.at
    return {
        "type": "delivery",
        "broadcast": delivery.broadcast,
        "peer": delivery.contact.peer.text,
        "name": delivery.contact.name,
        "status": Status.PENDING if record.status is Status.SENDING else record.status,
        "message_id": outcome.message_id if isinstance(outcome, Sent) else None,
        "error": None if outcome is None or isinstance(outcome, Sent) else outcome.error,
        "reason": None if outcome is None or isinstance(outcome, Sent) else outcome.reason,
        "at": None if at is None else at.isoformat(timespec="milliseconds"),
        **({"note": note} if isinstance(outcome, Sent) and (note := _note_of(outcome)) else {}),
        **({"perhaps_sent": True} if isinstance(outcome, Failed) and outcome.perhaps_sent else {}),
        **({"part": delivery.part + 1} if delivery.part else {}),
    }


def _note_of(sent: Sent) -> str:
    if sent.scheduled_until is None:
        return sent.note
    return f"at Telegram until {sent.scheduled_until:%Y-%m-%d %H:%M} UTC"


def summary_row(report: Report) -> dict[str, object]:
    """The last row of `--json`."""
    counts = report.counts
    return {
        "type": "summary",
        "broadcast": report.broadcast,
        "sent": counts.sent,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "pending": counts.pending,
        "seconds": round(report.seconds, 3),
        **({"stars": float(stars(report.paid))} if report.paid else {}),
    }


def broadcast_row(broadcast: Broadcast) -> dict[str, object]:
    """A broadcast as a row of `--json`."""
    return {
        "type": "broadcast",
        "broadcast": broadcast.id,
        "action": broadcast.action,
        "state": state_of(broadcast),
        "text": broadcast.message.text,
        "created_at": broadcast.created_at.isoformat(timespec="milliseconds"),
        **asdict(broadcast.counts),
        "once": broadcast.once,
        "owner": None if broadcast.owner is None else str(broadcast.owner),
        "note": None if broadcast.halted is None else broadcast.halted.reason,
        **_times(broadcast),
    }


def _times(broadcast: Broadcast) -> dict[str, object]:
    """When a scheduled broadcast is due, first and last, and whether Telegram keeps it."""
    schedule = broadcast.schedule
    if schedule is None:
        return {}
    return {
        "due": schedule.first.isoformat(timespec="milliseconds"),
        "due_last": schedule.last.isoformat(timespec="milliseconds"),
        "at_telegram": schedule.at_telegram,
    }


def broadcast_summary_row(broadcast: Broadcast) -> dict[str, object]:
    """The last row of `show --json`."""
    return {
        "type": "summary",
        "broadcast": broadcast.id,
        **asdict(broadcast.counts),
        "seconds": None,
    }


def state_of(broadcast: Broadcast) -> str:
    """The state of a broadcast in one word."""
    if broadcast.owner is not None:
        return "running"
    return "unfinished" if broadcast.state is State.OPEN else str(broadcast.state)
