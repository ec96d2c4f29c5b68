"""Scheduled messages: listed, cancelled, and sent when their time has come.

The rules are those of https://core.telegram.org/api/scheduled-messages. There is no timer: what
is due is sent before the next request is answered, in order, and dated when it was due.
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from telethon.tl import functions, types

from broadcast.sandbox.memory.message_body import NO_EXTRA
from broadcast.sandbox.world.input_peers import address, peer_of, users_and_chats, users_only
from broadcast.sandbox.world.original_posts import log_of
from broadcast.sandbox.world.rpc_error import RpcError
from broadcast.sandbox.world.shown_messages import new_message, scheduled_message, updates_of

if TYPE_CHECKING:
    from datetime import datetime

    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.schedule import ScheduledMessage
    from broadcast.sandbox.memory.state import State

AT_ONCE = 10
"""Seconds: "if the schedule_date is less than 10 seconds in the future", it is sent immediately."""

_WHEN_ONLINE = 0x7FFFFFFE  # https://core.telegram.org/api/scheduled-messages


def time_of(
    state: State, account: Account, peer: int, asked: datetime | None, *, count: int, now: float
) -> float | None:
    """When `count` messages are to be sent, in Unix time; None for at once. Raises RpcError."""
    at = asked.timestamp() if asked else 0
    if at <= 0:
        return None
    if account.is_bot:
        raise RpcError(400, "SCHEDULE_BOT_NOT_ALLOWED")
    if at == _WHEN_ONLINE:  # nobody here shows when they are online
        raise RpcError(400, "SCHEDULE_STATUS_PRIVATE" if peer > 0 else "SCHEDULE_DATE_INVALID")
    if at < now + AT_ONCE:
        return None
    if at > now + state.limits.schedule_seconds:
        raise RpcError(400, "SCHEDULE_DATE_TOO_LATE")
    if len(state.queue.of_chat(account.id, peer)) + count > state.limits.scheduled:
        raise RpcError(400, "SCHEDULE_TOO_MUCH")
    return at


def deliver_due(state: State, now: float) -> None:
    """Send what is due, dated when it was due."""
    for waiting in state.queue.pop_due(now):
        _deliver(state, waiting, waiting.at)


def get_scheduled_history(
    state: State, account: Account, request: functions.messages.GetScheduledHistoryRequest, _: float
) -> types.messages.Messages:
    """messages.getScheduledHistory: the last to be sent first."""
    peer = _peer(account, request.peer)
    return _shown(state, account, peer, state.queue.of_chat(account.id, peer)[::-1])


def get_scheduled_messages(
    state: State,
    account: Account,
    request: functions.messages.GetScheduledMessagesRequest,
    _: float,
) -> types.messages.Messages:
    """messages.getScheduledMessages: those that still wait."""
    peer = _peer(account, request.peer)
    return _shown(state, account, peer, _asked_for(state, account, peer, request.id))


def delete_scheduled_messages(
    state: State,
    account: Account,
    request: functions.messages.DeleteScheduledMessagesRequest,
    now: float,
) -> types.Updates:
    """messages.deleteScheduledMessages: a message that no longer waits is no error."""
    peer = _peer(account, request.peer)
    cancelled = _asked_for(state, account, peer, request.id)
    for waiting in cancelled:
        state.unschedule(waiting)
    numbers = [waiting.number for waiting in cancelled]
    gone = types.UpdateDeleteScheduledMessages(peer_of(peer), numbers)
    return updates_of(state, account, peer, [gone] if numbers else [], now)


def send_scheduled_messages(
    state: State,
    account: Account,
    request: functions.messages.SendScheduledMessagesRequest,
    now: float,
) -> types.Updates:
    """messages.sendScheduledMessages: at once, in the order of the request.

    Raises RpcError MESSAGE_ID_INVALID when one of them waits no longer, and then sends none.
    """
    peer = _peer(account, request.peer)
    asked = _asked_for(state, account, peer, request.id)
    if not asked or len(asked) != len(set(request.id)):
        raise RpcError(400, "MESSAGE_ID_INVALID")
    log = log_of(state, account, peer)
    sent = [_deliver(state, waiting, now) for waiting in asked]
    updates: list[types.TypeUpdate] = [
        types.UpdateMessageID(number, waiting.random_id)
        for number, waiting in zip(sent, asked, strict=True)
    ]
    updates += (new_message(state, account, log, number) for number in sent)
    numbers = [waiting.number for waiting in asked]
    updates.append(types.UpdateDeleteScheduledMessages(peer_of(peer), numbers, sent))
    return updates_of(state, account, peer, updates, now)


def _deliver(state: State, waiting: ScheduledMessage, when: float) -> int:
    account = state.accounts[waiting.account]
    log = log_of(state, account, waiting.peer)
    other = account.id if log.is_channel else waiting.peer
    extra = replace(waiting.body.extra or NO_EXTRA, from_scheduled=True)
    body = waiting.body._replace(extra=extra)
    number = state.store(log, other, waiting.random_id, body, when)
    state.unschedule(waiting, number)
    return number


def _peer(account: Account, peer: object) -> int:
    users_only(account)
    return address(account, peer)


def _asked_for(state: State, account: Account, peer: int, ids: list[int]) -> list[ScheduledMessage]:
    found = (state.queue.get(account.id, peer, number) for number in dict.fromkeys(ids))
    return [waiting for waiting in found if waiting]


def _shown(
    state: State, account: Account, peer: int, waiting: list[ScheduledMessage]
) -> types.messages.Messages:
    users, chats = users_and_chats(state, account, (account.id, peer))
    messages = [scheduled_message(state, account, each) for each in waiting]
    return types.messages.Messages(messages=messages, topics=[], chats=chats, users=users)
