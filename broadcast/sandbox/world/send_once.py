"""Sends each message once, however often a client asks: the rule of the random_id.

Everything depends on this rule of https://core.telegram.org/api/updates: a random_id used
again for the same peer, from any session of the account, at any time, returns the message of
the first call, whatever the text is now. An error is raised before anything is stored.
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from telethon.tl import functions, types

from broadcast.sandbox.memory.message_body import NO_EXTRA, Body
from broadcast.sandbox.memory.schedule import ScheduledMessage
from broadcast.sandbox.world.flood_waits import is_new_stranger, pace
from broadcast.sandbox.world.input_peers import address
from broadcast.sandbox.world.name_rules import refuse, refuse_files
from broadcast.sandbox.world.original_posts import log_of
from broadcast.sandbox.world.rpc_error import RpcError
from broadcast.sandbox.world.scheduled_messages import time_of
from broadcast.sandbox.world.shown_messages import new_message, scheduled_message, updates_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_body import Extra, File
    from broadcast.sandbox.memory.message_log import MessageLog
    from broadcast.sandbox.memory.state import State
    from broadcast.sandbox.world.sending_options import Request


class Draft(NamedTuple):
    """A message to be sent; `file` is one that is not stored yet, one `group` makes an album."""

    random_id: int
    text: str
    entities: tuple[bytes, ...]
    extra: Extra | None = None
    file: File | None = None
    group: int | None = None


class Known(NamedTuple):
    """What is known of a random_id: the number of what was sent, or of what was scheduled."""

    random_id: int
    sent: int | None = None
    scheduled: int | None = None

    @property
    def is_new(self) -> bool:
        """Whether nothing was sent or scheduled under it."""
        return self.sent is None and self.scheduled is None


def send(
    state: State,
    account: Account,
    peer: int,
    request: Request,
    random_ids: Sequence[int],
    *,
    draft: Callable[[MessageLog], list[Draft]],
    now: float,
) -> types.Updates:
    """Send the messages of `draft`, now or at their time, but for those that were sent before.

    `draft` raises RpcError for what is wrong with the messages themselves; it is called only if one
    of them is new.
    """
    if not all(random_ids):
        raise RpcError(400, "RANDOM_ID_EMPTY")
    log = log_of(state, account, peer)
    known = known_of(state, account, peer, random_ids)
    new = {each.random_id for each in known if each.is_new}
    at = _send_at(state, account, peer, request, count=len(new), now=now) if new else None
    paid = pace(
        state,
        account,
        now,
        chat=peer if new and at is None else None,
        skips_floods=bool(request.allow_paid_floodskip),
        count=max(len(new), 1),
    )
    if not new:
        return answer_to(state, account, peer, known, now)
    drafts = [each for each in draft(log) if each.random_id in new]
    is_stranger = is_new_stranger(state, account, peer, now)
    refuse(state, account, peer, now, stars=request.allow_paid_stars, count=len(drafts))
    refuse_files(state, peer, (file.kind for each in drafts if (file := file_of(state, each))))
    _keep(state, account, peer, log, drafts, at=at, now=now)
    if is_stranger:
        state.meet(account, peer, now)
    if paid:
        state.charge(account, paid)
    return answer_to(state, account, peer, known_of(state, account, peer, random_ids), now)


def first_repeated(
    state: State, account: Account, request: Request
) -> tuple[MessageLog, int] | None:
    """The first message that this request repeats, in its log; None if it repeats none."""
    if isinstance(request, functions.messages.ForwardMessagesRequest):
        peer, random_ids = address(account, request.to_peer), request.random_id
    elif isinstance(request, functions.messages.SendMultiMediaRequest):
        peer = address(account, request.peer)
        random_ids = [single.random_id for single in request.multi_media]
    else:
        peer, random_ids = address(account, request.peer), [request.random_id]
    known = known_of(state, account, peer, random_ids)
    number = next((each.sent for each in known if each.sent is not None), None)
    return None if number is None else (log_of(state, account, peer), number)


def known_of(state: State, account: Account, peer: int, random_ids: Iterable[int]) -> list[Known]:
    """What was sent, or scheduled, under these random_ids before."""
    log = log_of(state, account, peer)
    other = account.id if log.is_channel else peer
    known: list[Known] = []
    for random_id in random_ids:
        sent = log.find(other, random_id)
        scheduled = None
        if sent is None and state.queue:
            scheduled = state.queue.find(account.id, peer, random_id)
        known.append(Known(random_id, sent, scheduled))
    return known


def answer_to(
    state: State, account: Account, peer: int, known: Iterable[Known], now: float
) -> types.Updates:
    """The answer with these messages; a deleted one has only its id in it."""
    log = log_of(state, account, peer)
    ids: list[types.TypeUpdate] = []
    shown: list[types.TypeUpdate] = []
    when = now
    for random_id, sent, scheduled in known:
        ids.append(types.UpdateMessageID(id=sent or scheduled or 0, random_id=random_id))
        if sent is not None:
            when = log.dates[sent - 1]
            if log.shows(sent):
                shown.append(new_message(state, account, log, sent))
        elif scheduled and (waiting := state.queue.get(account.id, peer, scheduled)):
            message = scheduled_message(state, account, waiting)
            shown.append(types.UpdateNewScheduledMessage(message))
    return updates_of(state, account, peer, ids + shown, when)


def file_of(state: State, draft: Draft) -> File | None:
    """The file of a draft, whether it is known already or not."""
    number = draft.extra and draft.extra.file
    return draft.file if number is None else state.files[number]


def _send_at(
    state: State, account: Account, peer: int, request: Request, *, count: int, now: float
) -> float | None:
    """When `count` new messages are to be sent, in Unix time; None for at once."""
    if getattr(request, "schedule_repeat_period", None):
        raise RpcError(403, "PREMIUM_ACCOUNT_REQUIRED")  # ignoring it would be wrong
    return time_of(state, account, peer, request.schedule_date, count=count, now=now)


def _keep(
    state: State,
    account: Account,
    peer: int,
    log: MessageLog,
    drafts: list[Draft],
    *,
    at: float | None,
    now: float,
) -> None:
    """Send the drafts; or, with a time, schedule them."""
    other = account.id if log.is_channel else peer
    for each, body in zip(drafts, _bodies(state, drafts), strict=True):
        if at is None:
            state.store(log, other, each.random_id, body, now)
        else:
            number = state.queue.next_number(account.id, peer)
            state.schedule(
                ScheduledMessage(account.id, peer, number, each.random_id, body, at, now)
            )


def _bodies(state: State, drafts: list[Draft]) -> list[Body]:
    """The drafts as they are stored. Several of one group become an album."""
    bodies: list[Body] = []
    for group, together in groupby(drafts, key=lambda each: each.group):
        members = list(together)
        for place, draft in enumerate(members):
            extra = draft.extra
            if draft.file:
                extra = replace(extra or NO_EXTRA, file=state.add_file(draft.file))
            if group is not None and len(members) > 1:
                extra = replace(extra or NO_EXTRA, album=place)
            bodies.append(Body(draft.text, draft.entities, extra))
    return bodies
