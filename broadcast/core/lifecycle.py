"""What may follow what in the life of a broadcast, decided on values; it looks nothing up.

A ledger looks the values up, in the transaction that acts on them. Every refusal is an InputError
that says what to do instead, or a LockedError that names the process that is at work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broadcast.core.classify import may_help_to_retry, reason_of
from broadcast.core.counted import counted
from broadcast.core.errors import InputError, LockedError, NextStep
from broadcast.core.model import (
    Action,
    Broadcast,
    Counts,
    Deferred,
    Delivery,
    Failed,
    Message,
    Record,
    State,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A broadcast, and what else decides what may be done with it.

    `changes` are the edits and recalls of its messages, newest first; of an edit or a recall those
    of the same messages, itself among them. Of `in_doubt` deliveries nobody knows whether they
    were sent.
    """

    broadcast: Broadcast
    changes: tuple[Broadcast, ...] = ()
    in_doubt: int = 0

    @property
    def recall(self) -> Broadcast | None:
        """What has recalled its messages, if anything has: then nothing is sent any more."""
        return next((each for each in self.changes if each.action is Action.RECALL), None)

    @property
    def later(self) -> Broadcast | None:
        """The newest change that was made after it."""
        newest = self.changes[0] if self.changes else None
        return newest if newest and newest.number > self.broadcast.number else None


# --- what is refused


def require_idle(broadcast: Broadcast) -> None:
    """Raise LockedError when a living process is at work on the broadcast."""
    if broadcast.owner is not None:
        identity = broadcast.id
        raise LockedError(
            f"broadcast {identity} is being sent by {broadcast.owner}",
            NextStep("status", identity, ("--watch",), "shows it"),
            NextStep("pause", identity, purpose="stops it"),
            code="RUNNING",
        )


def require_resumable(standing: Standing) -> None:
    """Raise when nothing of the broadcast may be sent any more, or a process is at work on it."""
    broadcast, later = standing.broadcast, standing.later
    if later is not None and later.action is Action.RECALL:
        raise InputError(
            f"broadcast {broadcast.id} was recalled by {later.id}: it is never sent again",
            code="RECALLED",
        )
    if later is not None and broadcast.action is not Action.SEND:
        raise InputError(
            f"broadcast {broadcast.id} was overtaken by the edit {later.id}: it cannot be resumed",
            code="OVERTAKEN",
        )
    if broadcast.state is State.CANCELLED:
        raise InputError(
            f"broadcast {broadcast.id} was cancelled: it cannot be resumed. To reach the rest, "
            "send a new one to them",
            code="CANCELLED",
        )
    require_idle(broadcast)


def require_retryable(standing: Standing) -> None:
    """Raise when those that failed may not be tried again."""
    require_resumable(standing)
    broadcast, later = standing.broadcast, standing.later
    if broadcast.counts.pending:
        raise _unfinished(broadcast)
    if later is not None and broadcast.counts.failed:
        raise InputError(
            f"broadcast {broadcast.id} was edited by {later.id}, and a retry would send the text "
            "from before: send a new one to those that failed",
            NextStep("show", broadcast.id, ("--failed",), "names them"),
            code="EDITED",
        )


def require_changeable(standing: Standing, action: Action, now: datetime) -> None:
    """Raise when the messages of the broadcast cannot be edited or recalled at `now`."""
    broadcast, identity = standing.broadcast, standing.broadcast.id
    if broadcast.action is not Action.SEND:
        raise InputError(
            f"broadcast {identity} is itself the {broadcast.action} of another one: name that, "
            f"{broadcast.target_id}",
            code="NO_SEND",
        )
    require_idle(broadcast)
    if action is Action.EDIT and broadcast.later_parts:
        raise InputError(
            f"broadcast {identity} was sent in several parts, and a new text may be cut elsewhere",
            NextStep("recall", identity, purpose="takes it back: then send the new text"),
            code="IN_PARTS",
        )
    _require_known_ids(broadcast, action, now)
    recall = standing.recall
    if recall is not None and not (action is Action.RECALL and _may_reach_more(standing, recall)):
        raise InputError(
            f"broadcast {identity} was recalled by {recall.id} already",
            NextStep("show", recall.id, purpose="tells the result"),
            code="RECALLED",
        )
    for change in standing.changes:
        require_idle(change)
    is_unfinished = broadcast.counts.pending and broadcast.state is not State.CANCELLED
    if action is Action.EDIT and is_unfinished:
        raise _unfinished(broadcast, NextStep("cancel", identity, purpose="gives it up"))
    if not broadcast.counts.sent and not (standing.in_doubt and action is Action.RECALL):
        raise InputError(
            f"nobody has received broadcast {identity}: there is nothing to change",
            code="NOTHING_SENT",
        )


def _may_reach_more(standing: Standing, recall: Broadcast) -> bool:
    """Whether somebody is in doubt, or was found to have it since `recall` was made."""
    return standing.in_doubt > 0 or standing.broadcast.counts.sent > recall.counts.total


def _unfinished(broadcast: Broadcast, *steps: NextStep) -> InputError:
    return InputError(
        f"broadcast {broadcast.id} is unfinished, "
        f"{counted(broadcast.counts.pending, 'is', 'are')} pending",
        NextStep("resume", broadcast.id, purpose="sends them"),
        *steps,
        code="UNFINISHED",
    )


def _require_known_ids(broadcast: Broadcast, action: Action, now: datetime) -> None:
    """Raise when the ids that are known are not those of messages.

    What waits in Telegram's schedule is numbered by itself, and gets another id when it goes out:
    https://core.telegram.org/api/scheduled-messages. An edit or a recall by the old id would reach
    a message that has nothing to do with this one.
    """
    schedule, identity = broadcast.schedule, broadcast.id
    if schedule is None or not schedule.at_telegram:
        return
    if now >= schedule.last:
        verb = "edited" if action is Action.EDIT else "recalled"
        raise InputError(
            f"broadcast {identity} went out from the schedule of Telegram: its messages got ids "
            f"that are not known here, so it cannot be {verb}; in a Telegram app it can",
            code="IDS_UNKNOWN",
        )
    if action is Action.EDIT:
        raise InputError(
            f"broadcast {identity} is scheduled at Telegram",
            NextStep("cancel", identity, purpose="takes it back: then schedule the new text"),
            code="SCHEDULED",
        )


def require_whole(action: Action, message: Message) -> None:
    """Raise when an edit would put several messages where one stands."""
    if action is Action.EDIT and message.split:
        raise InputError(
            "an edit puts one message in the place of one, so it cannot be split: shorten it, and "
            "leave --split out; nothing was changed",
            code="SPLIT",
        )


def require_same_account(broadcast: Broadcast, account: int, server: str | None) -> None:
    """Raise when the broadcast was started as another account: its random_ids would be others."""
    began = broadcast.account, broadcast.server
    if broadcast.account is not None and began != (account, server):
        raise InputError(
            f"broadcast {broadcast.id} was started as account {broadcast.account} at "
            f"{broadcast.server or 'Telegram'}: sign in there, as no other account can "
            "go on with it or change it; nothing was sent",
            code="OTHER_ACCOUNT",
        )


def require_free_account(broadcast: Broadcast, account: int, busy: Iterable[Broadcast]) -> None:
    """Raise LockedError when another broadcast of `account` is being sent right now.

    Each of two runs would send as fast as the account may, so together they would be too fast.
    """
    for other in busy:
        if other.owner is not None:
            raise LockedError(
                f"account {account} is in use: {other.owner} sends broadcast {other.id} with it",
                NextStep("status", other.id, ("--watch",), "shows it"),
                NextStep("pause", other.id, purpose="stops it"),
                NextStep("resume", broadcast.id, purpose="sends this one afterwards"),
                code="ACCOUNT_IN_USE",
            )


def require_extendable(standing: Standing) -> None:
    """Raise when nobody may be added to the audience of the broadcast."""
    require_resumable(standing)
    broadcast, later = standing.broadcast, standing.later
    if broadcast.action is not Action.SEND:
        raise InputError(
            f"broadcast {broadcast.id} is the {broadcast.action} of another one: it is for those "
            "who got that",
            code="NO_SEND",
        )
    if later is not None:
        raise InputError(
            f"broadcast {broadcast.id} was edited by {later.id}, and who is new would get the text "
            "from before: send them the new one, under another key",
            code="EDITED",
        )
    if broadcast.schedule is not None:
        raise InputError(
            f"broadcast {broadcast.id} has a time, and nobody is added to such a one: send it to "
            "who is new under another key",
            code="SCHEDULED",
        )


def not_found(prefix: str | None, *, unfinished: bool) -> InputError:
    """No broadcast has such an id; without one, there is none at all, or none unfinished."""
    if prefix is None:
        what = "no broadcast is unfinished" if unfinished else "nothing was sent yet"
    else:
        what = f"no broadcast has the id {prefix}"
    return InputError(what, NextStep("list", purpose="shows what there is"), code="NOT_FOUND")


def ambiguous(prefix: str, *found: str) -> InputError:
    """Several broadcasts have an id that begins so; `found` are two of them."""
    return InputError(
        f"several broadcasts start with {prefix}, such as {' and '.join(found)}: give more of the "
        "id",
        code="AMBIGUOUS_ID",
    )


# --- what comes of what


def state_of(state: State, wanted: State | None, *, is_alive: bool) -> State:
    """The state of a broadcast, of which a process was perhaps asked to leave it as `wanted`.

    What was asked of a process that has died since, holds.
    """
    return state if is_alive else wanted or state


def state_to_set(broadcast: Broadcast, wanted: State) -> State | None:
    """What a broadcast that no process runs becomes when it is paused or cancelled; None: nothing.

    One that is done stays so. Raises InputError when a cancelled one is to be paused.
    """
    if broadcast.state is State.CANCELLED and wanted is not State.CANCELLED:
        raise InputError(f"broadcast {broadcast.id} was cancelled: it is over", code="CANCELLED")
    return None if broadcast.state is State.DONE else wanted


def goes_on_by_itself(broadcast: Broadcast) -> bool:
    """Whether nobody needs to look at it before it is sent on: its last run was not stopped by
    itself, or by something that time fixes."""
    return broadcast.halted is None or broadcast.halted.ends_by_itself


def counts_of(state: State, *, total: int, sent: int, failed: int, in_doubt: int) -> Counts:
    """What is left of a cancelled broadcast is skipped, but for what is in doubt."""
    left = total - sent - failed
    pending = in_doubt if state is State.CANCELLED else left
    return Counts(sent, failed, left - pending, pending, in_doubt)


def to_retry(failed: Iterable[tuple[int, str]], *, insist: bool) -> tuple[list[int], list[int]]:
    """Of the failed positions with their errors, in order: those to try again, and the later parts
    that follow one of these. Without `insist` only those where another try can help."""
    first: list[int] = []
    later: list[int] = []
    chosen: int | None = None  # the position before, when it is tried again
    for position, error in failed:
        if error == "PART_MISSING":
            if chosen != position - 1:
                continue
            later.append(position)
        elif insist or may_help_to_retry(error):
            first.append(position)
        else:
            continue
        chosen = position
    return first, later


def tried(delivery: Delivery, outcome: Deferred) -> int:
    """How often a deferred delivery was tried: at least once where it has perhaps arrived.

    A message that is too late (message/when.py) is not sent, but only if it was never tried.
    """
    return max(delivery.attempts + outcome.counts, int(outcome.perhaps_sent))


def record_of_unsettled(
    broadcast: Broadcast,
    delivery: Delivery,
    *,
    is_claimed: bool,
    is_doubtful: bool,
    trouble: str | None,
) -> Record:
    """What is known of a delivery without a final outcome; `trouble` is the last error of it.

    What was claimed by a process that has died, or was perhaps sent before, is in doubt. Else what
    is left of a cancelled broadcast is skipped.
    """
    if (is_claimed or is_doubtful) and broadcast.owner is None:
        trouble = IN_DOUBT
    outcome = None if trouble is None else Deferred(trouble, reason_of(trouble))
    if is_claimed:
        return Record(delivery, Status.SENDING, outcome)
    if broadcast.state is State.CANCELLED and trouble != IN_DOUBT:
        return Record(delivery, Status.SKIPPED, Failed("CANCELLED", "the broadcast was cancelled"))
    return Record(delivery, Status.PENDING, outcome)


IN_DOUBT = "IN_DOUBT"
"""The error of what was perhaps sent: the process ended before Telegram answered."""


def is_in_doubt(record: Record) -> bool:
    """Whether nobody knows if it was sent."""
    match record.outcome:
        case Deferred(error):
            return error == IN_DOUBT
        case Failed(perhaps_sent=perhaps_sent):
            return perhaps_sent
        case _:
            return False
