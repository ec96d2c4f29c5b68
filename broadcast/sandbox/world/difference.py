"""Answers what a client has missed: updates.*. memory/message_log.py counts the events.

The rules are those of https://core.telegram.org/api/updates#recovering-gaps. Every message of the
account comes with its UpdateMessageID, also one that was deleted since: whoever lost an answer
finds the message's id by its random_id here.
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from telethon.tl import functions, types

from broadcast.core.peers import CHANNEL_OFFSET
from broadcast.sandbox.memory.message_log import FIRST_PTS, EventKind
from broadcast.sandbox.world.input_peers import dialog_of, peer_of, users_and_chats
from broadcast.sandbox.world.pins import pin_update
from broadcast.sandbox.world.rpc_error import RpcError
from broadcast.sandbox.world.shown_messages import channel_log, message_of, named_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_log import Event, MessageLog
    from broadcast.sandbox.memory.state import State
    from broadcast.sandbox.world.input_peers import Chat

AccountDifference = (
    types.updates.Difference
    | types.updates.DifferenceSlice
    | types.updates.DifferenceEmpty
    | types.updates.DifferenceTooLong
)
ChannelDifference = (
    types.updates.ChannelDifference
    | types.updates.ChannelDifferenceEmpty
    | types.updates.ChannelDifferenceTooLong
)

CHANNEL_TIMEOUT = 30  # seconds until a client may ask again, as Telegram says


class _Slice(NamedTuple):
    """Some events in a row, up to `pts`, as Telegram tells them."""

    pts: int
    messages: list[types.TypeMessage]
    others: list[types.TypeUpdate]
    users: list[types.User]
    chats: list[Chat]


def get_state(
    _state: State, account: Account, _request: functions.updates.GetStateRequest, now: float
) -> types.updates.State:
    """updates.getState."""
    return _state_at(account.log.pts, now)


def get_difference(
    state: State, account: Account, request: functions.updates.GetDifferenceRequest, now: float
) -> AccountDifference:
    """updates.getDifference: private chats and basic groups."""
    log = account.log
    _check(log, request.pts)
    gap = state.limits.gap if request.pts_total_limit is None else request.pts_total_limit
    if request.pts == log.pts:
        return types.updates.DifferenceEmpty(date=_date(now), seq=0)
    if request.pts + gap < log.pts:
        return types.updates.DifferenceTooLong(pts=log.pts)
    part = _slice(state, account, log, request.pts, request.pts_limit)
    told = part.messages, [], part.others, part.chats, part.users, _state_at(part.pts, now)
    if part.pts < log.pts:
        return types.updates.DifferenceSlice(*told)
    return types.updates.Difference(*told)


def get_channel_difference(
    state: State,
    account: Account,
    request: functions.updates.GetChannelDifferenceRequest,
    _now: float,
) -> ChannelDifference:
    """updates.getChannelDifference: one channel or supergroup. No filter is kept."""
    log = channel_log(state, account, request.channel)
    _check(log, request.pts)
    if request.pts == log.pts:
        return types.updates.ChannelDifferenceEmpty(
            pts=log.pts, final=True, timeout=CHANNEL_TIMEOUT
        )
    if request.pts + state.limits.gap < log.pts:
        return _start_again(state, account, log)
    part = _slice(state, account, log, request.pts, request.limit)
    return types.updates.ChannelDifference(
        pts=part.pts,
        new_messages=part.messages,
        other_updates=part.others,
        chats=part.chats,
        users=part.users,
        final=part.pts == log.pts,
        timeout=CHANNEL_TIMEOUT,
    )


def _check(log: MessageLog, pts: int) -> None:
    if pts == 0:
        raise RpcError(400, "PERSISTENT_TIMESTAMP_EMPTY")
    if not FIRST_PTS <= pts <= log.pts:
        raise RpcError(400, "PERSISTENT_TIMESTAMP_INVALID")


def _slice(
    state: State, account: Account, log: MessageLog, after: int, limit: int | None
) -> _Slice:
    """The events after a pts. Each message comes once, in its latest form."""
    most = min(limit or state.limits.difference, state.limits.difference)
    events = list(islice(log.events(after), max(most, 1)))
    new = [event.number for event in events if event.kind is EventKind.NEW]
    edited = {event.number: event.pts for event in events if event.kind is EventKind.EDITED}
    others = [
        *_ids(account, log, new),
        *_edits(state, account, log, {n: pts for n, pts in edited.items() if n not in new}),
        *_pins(log, events),
        *_no_longer_scheduled(state, account, log, new),
        *_deletions(log, events),
    ]
    shown = [number for number in {*new, *edited} if log.shows(number)]
    users, chats = users_and_chats(state, account, sorted(named_in(state, account, log, shown)))
    messages = [message_of(state, account, log, number) for number in new if log.shows(number)]
    return _Slice(events[-1].pts, messages, others, users, chats)


def _ids(account: Account, log: MessageLog, new: list[int]) -> Iterator[types.UpdateMessageID]:
    """Under which random_id the account sent these."""
    for number in new:
        if not log.is_channel or log.others[number - 1] == account.id:
            yield types.UpdateMessageID(number, log.random_ids[number - 1])


def _edits(
    state: State, account: Account, log: MessageLog, edited: dict[int, int]
) -> Iterator[types.TypeUpdate]:
    """The latest form of edited messages, by number with the pts of the edit."""
    update = types.UpdateEditChannelMessage if log.is_channel else types.UpdateEditMessage
    for number, pts in edited.items():
        if log.shows(number):
            yield update(message_of(state, account, log, number), pts, 1)


def _pins(log: MessageLog, events: list[Event]) -> Iterator[types.TypeUpdate]:
    for event in events:
        if event.kind in (EventKind.PINNED, EventKind.PINNED_HERE, EventKind.UNPINNED):
            is_pinned = event.kind is not EventKind.UNPINNED
            yield pin_update(log, event.number, event.pts, is_pinned=is_pinned)


def _deletions(log: MessageLog, events: list[Event]) -> Iterator[types.TypeUpdate]:
    """All deleted messages in one update, at the end."""
    gone = [e.number for e in events if e.kind in (EventKind.DELETED, EventKind.HIDDEN)]
    pts = events[-1].pts
    if gone and log.is_channel:
        channel_id = -log.owner - CHANNEL_OFFSET
        yield types.UpdateDeleteChannelMessages(channel_id, gone, pts, len(gone))
    elif gone:
        yield types.UpdateDeleteMessages(gone, pts, len(gone))


def _no_longer_scheduled(
    state: State, account: Account, log: MessageLog, new: list[int]
) -> Iterator[types.UpdateDeleteScheduledMessages]:
    """Which scheduled messages these are that have come since."""
    for number in new if state.queue else ():
        peer = log.owner if log.is_channel else log.others[number - 1]
        scheduled = state.queue.number_of_sent(account.id, peer, number)
        if scheduled is not None:
            yield types.UpdateDeleteScheduledMessages(peer_of(peer), [scheduled], [number])


def _start_again(
    state: State, account: Account, log: MessageLog
) -> types.updates.ChannelDifferenceTooLong:
    """https://core.telegram.org/constructor/updates.channelDifferenceTooLong."""
    newest = [number for number in islice(log.newest_first(), 1) if log.shows(number)]
    users, chats = users_and_chats(
        state, account, (account.id, log.owner, *(log.others[number - 1] for number in newest))
    )
    return types.updates.ChannelDifferenceTooLong(
        dialog=dialog_of(log.owner, newest[0] if newest else 0, log.pts),
        messages=[message_of(state, account, log, number) for number in newest],
        chats=chats,
        users=users,
        final=True,
        timeout=CHANNEL_TIMEOUT,
    )


def _state_at(pts: int, now: float) -> types.updates.State:
    return types.updates.State(pts=pts, qts=0, date=_date(now), seq=0, unread_count=0)


def _date(now: float) -> datetime:
    return datetime.fromtimestamp(int(now), UTC)
