"""Answers what a client has missed: updates.*. It keeps no log, box.py counts the events.

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

from broadcast.sandbox.people.phonebook import CHANNEL_MARK
from broadcast.sandbox.world.input_peers import dialog_of, peer_of, users_and_chats
from broadcast.sandbox.world.message_log import FIRST_PTS, Kind
from broadcast.sandbox.world.messages import channel_box, message_of, named_in
from broadcast.sandbox.world.pins import pin_update
from broadcast.sandbox.world.state import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broadcast.sandbox.world.input_peers import Chat
    from broadcast.sandbox.world.message_log import Box
    from broadcast.sandbox.world.state import Account, State

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

CHANNEL_TIMEOUT = 30  # seconds after which a client may ask again, as Telegram tells


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
    return _state_at(account.box.pts, now)


def get_difference(
    state: State, account: Account, request: functions.updates.GetDifferenceRequest, now: float
) -> AccountDifference:
    """updates.getDifference: private chats and basic groups."""
    box = account.box
    _check(box, request.pts)
    gap = state.limits.gap if request.pts_total_limit is None else request.pts_total_limit
    if request.pts == box.pts:
        return types.updates.DifferenceEmpty(date=_date(now), seq=0)
    if request.pts + gap < box.pts:
        return types.updates.DifferenceTooLong(pts=box.pts)
    part = _slice(state, account, box, request.pts, request.pts_limit)
    told = part.messages, [], part.others, part.chats, part.users, _state_at(part.pts, now)
    if part.pts < box.pts:
        return types.updates.DifferenceSlice(*told)
    return types.updates.Difference(*told)


def get_channel_difference(
    state: State,
    account: Account,
    request: functions.updates.GetChannelDifferenceRequest,
    _now: float,
) -> ChannelDifference:
    """updates.getChannelDifference: one channel or supergroup. No filter is kept."""
    box = channel_box(state, account, request.channel)
    _check(box, request.pts)
    if request.pts == box.pts:
        return types.updates.ChannelDifferenceEmpty(
            pts=box.pts, final=True, timeout=CHANNEL_TIMEOUT
        )
    if request.pts + state.limits.gap < box.pts:
        return _start_again(state, account, box)
    part = _slice(state, account, box, request.pts, request.limit)
    return types.updates.ChannelDifference(
        pts=part.pts,
        new_messages=part.messages,
        other_updates=part.others,
        chats=part.chats,
        users=part.users,
        final=part.pts == box.pts,
        timeout=CHANNEL_TIMEOUT,
    )


def _check(box: Box, pts: int) -> None:
    if pts == 0:
        raise RpcError(400, "PERSISTENT_TIMESTAMP_EMPTY")
    if not FIRST_PTS <= pts <= box.pts:
        raise RpcError(400, "PERSISTENT_TIMESTAMP_INVALID")


def _slice(state: State, account: Account, box: Box, after: int, limit: int | None) -> _Slice:
    """The events after a pts. Each message is told in its last form, and once."""
    most = min(limit or state.limits.difference, state.limits.difference)
    events = list(islice(box.events(after), max(most, 1)))
    new = [event.number for event in events if event.kind is Kind.NEW]
    edited = {event.number: event.pts for event in events if event.kind is Kind.EDITED}
    deleted = [event.number for event in events if event.kind in (Kind.DELETED, Kind.HIDDEN)]
    others: list[types.TypeUpdate] = [
        types.UpdateMessageID(number, box.random_ids[number - 1])
        for number in new
        if not box.is_channel or box.others[number - 1] == account.id
    ]
    update = types.UpdateEditChannelMessage if box.is_channel else types.UpdateEditMessage
    others += (
        update(message_of(state, account, box, number), pts, 1)
        for number, pts in edited.items()
        if box.shows(number) and number not in new
    )
    others += (
        pin_update(box, event.number, event.pts, is_pinned=event.kind is not Kind.UNPINNED)
        for event in events
        if event.kind in (Kind.PINNED, Kind.PINNED_HERE, Kind.UNPINNED)
    )
    others += _no_longer_scheduled(state, account, box, new)
    pts = events[-1].pts
    if deleted and box.is_channel:
        channel_id = -box.owner - CHANNEL_MARK
        others.append(types.UpdateDeleteChannelMessages(channel_id, deleted, pts, len(deleted)))
    elif deleted:
        others.append(types.UpdateDeleteMessages(deleted, pts, len(deleted)))
    shown = [number for number in {*new, *edited} if box.shows(number)]
    users, chats = users_and_chats(state, account, sorted(named_in(state, account, box, shown)))
    messages = [message_of(state, account, box, number) for number in new if box.shows(number)]
    return _Slice(pts, messages, others, users, chats)


def _no_longer_scheduled(
    state: State, account: Account, box: Box, new: list[int]
) -> Iterator[types.UpdateDeleteScheduledMessages]:
    """Which scheduled messages these are that have come since."""
    for number in new if state.queue else ():
        peer = box.owner if box.is_channel else box.others[number - 1]
        scheduled = state.queue.number_of_sent(account.id, peer, number)
        if scheduled is not None:
            yield types.UpdateDeleteScheduledMessages(peer_of(peer), [scheduled], [number])


def _start_again(
    state: State, account: Account, box: Box
) -> types.updates.ChannelDifferenceTooLong:
    """https://core.telegram.org/constructor/updates.channelDifferenceTooLong."""
    newest = [number for number in islice(box.newest_first(), 1) if box.shows(number)]
    users, chats = users_and_chats(
        state, account, (account.id, box.owner, *(box.others[number - 1] for number in newest))
    )
    return types.updates.ChannelDifferenceTooLong(
        dialog=dialog_of(box.owner, newest[0] if newest else 0, box.pts),
        messages=[message_of(state, account, box, number) for number in newest],
        chats=chats,
        users=users,
        final=True,
        timeout=CHANNEL_TIMEOUT,
    )


def _state_at(pts: int, now: float) -> types.updates.State:
    return types.updates.State(pts=pts, qts=0, date=_date(now), seq=0, unread_count=0)


def _date(now: float) -> datetime:
    return datetime.fromtimestamp(int(now), UTC)
