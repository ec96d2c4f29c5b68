"""Answers what may still be done with a broadcast, in the caller's transaction; changes nothing.

Every refusal is an InputError that says what to do instead, or a LockedError that names the process
which is at work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broadcast.core.errors import InputError, LockedError
from broadcast.core.model import Action, State
from broadcast.ledger.process import in_words
from broadcast.ledger.sqlite.rows import is_alive, keys, schedule_of, state_of

if TYPE_CHECKING:
    from datetime import datetime

    from broadcast.core.model import Message
    from broadcast.ledger.sqlite.database import Statements


def require_idle(row: Any, now: datetime) -> None:
    """Raise LockedError when a living process is at work on the broadcast."""
    identity = row["id"]
    if is_alive(row, now):
        raise LockedError(
            f"broadcast {identity} is being sent by {in_words(row['owner'])}. `broadcast "
            f"status {identity} --watch` shows it, `broadcast pause {identity}` stops it"
        )


def require_resumable(sql: Statements, row: Any, now: datetime) -> None:
    """Raise when nothing of the broadcast may be sent any more, or somebody is at it."""
    identity = row["id"]
    target = row["number"] if row["target"] is None else row["target"]
    later: Any = sql.one("changes_of", target=target)
    if later is not None and later["number"] > row["number"]:
        if later["action"] == Action.RECALL:
            raise InputError(
                f"broadcast {identity} was recalled by {later['id']}: it is never sent again"
            )
        if row["target"] is not None:
            raise InputError(
                f"broadcast {identity} was overtaken by the edit {later['id']}: it is not gone on "
                "with"
            )
    if state_of(row, now) is State.CANCELLED:
        raise InputError(
            f"broadcast {identity} was cancelled: it is not gone on with. To reach the rest, "
            "send a new one to them"
        )
    require_idle(row, now)


def require_retryable(sql: Statements, row: Any, now: datetime) -> None:
    """Raise when those that failed may not be tried again."""
    require_resumable(sql, row, now)
    identity, pending = row["id"], row["total"] - row["sent"] - row["failed"]
    if pending:
        raise InputError(
            f"broadcast {identity} is unfinished, {pending} are pending: first "
            f"`broadcast resume {identity}`"
        )
    edit: Any = sql.one("changes_of", target=row["number"])
    if edit is not None and row["failed"]:
        raise InputError(
            f"broadcast {identity} was edited by {edit['id']}, and a retry would send the text "
            "from before: send a new one to those that failed; "
            f"`broadcast show {identity} --failed` names them"
        )


def require_whole(action: Action, message: Message) -> None:
    """Raise when an edit would put several messages where one stands."""
    if action is Action.EDIT and message.split:
        raise InputError(
            "an edit puts one message in the place of one, so it cannot be split: shorten it, and "
            "leave --split out; nothing was changed"
        )


def require_changeable(sql: Statements, row: Any, action: Action, now: datetime) -> None:
    """Raise when the messages of the broadcast cannot be edited or recalled now."""
    identity = row["id"]
    if row["action"] != Action.SEND:
        raise InputError(
            f"broadcast {identity} is itself the {row['action']} of another one: name that"
        )
    require_idle(row, now)
    if action is Action.EDIT and row["later_parts"]:
        raise InputError(
            f"broadcast {identity} was sent in several parts, and a new text may be cut elsewhere: "
            f"`broadcast recall {identity}`, and send it anew"
        )
    _require_known_ids(row, action, now)
    for change in sql.rows("changes_of", target=row["number"]):
        if change["action"] == Action.RECALL:
            raise InputError(
                f"broadcast {identity} was recalled by {change['id']} already; `broadcast show "
                f"{change['id']}` tells the result"
            )
        require_idle(change, now)
    pending = row["total"] - row["sent"] - row["failed"]
    if action is Action.EDIT and pending and state_of(row, now) is not State.CANCELLED:
        raise InputError(
            f"broadcast {identity} is unfinished, {pending} are pending: first "
            f"`broadcast resume {identity}` or `broadcast cancel {identity}`"
        )
    (in_doubt,) = sql.run("in_doubt", **keys(row["number"]), shift=0).fetchone()
    if not row["sent"] and not (in_doubt and action is Action.RECALL):
        raise InputError(f"nobody has received broadcast {identity}: there is nothing to change")


def _require_known_ids(row: Any, action: Action, now: datetime) -> None:
    """Raise when the ids that are known are not those of messages.

    What lies in Telegram's schedule is numbered by itself, and gets another id when it goes out:
    https://core.telegram.org/api/scheduled-messages. An edit or a recall by the old id would reach
    a message that has nothing to do with this one.
    """
    schedule, identity = schedule_of(row), row["id"]
    if schedule is None or not schedule.at_telegram:
        return
    if now >= schedule.last:
        verb = "edited" if action is Action.EDIT else "taken back"
        raise InputError(
            f"broadcast {identity} went out from the schedule of Telegram: its messages got ids "
            f"that are not known here, so it cannot be {verb}; in a Telegram app it can"
        )
    if action is Action.EDIT:
        raise InputError(
            f"broadcast {identity} lies in Telegram's schedule: `broadcast cancel {identity}`, and "
            "schedule the new text"
        )
