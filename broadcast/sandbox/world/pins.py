"""Pins messages in a chat, and unpins them.

Telegram also posts a service message about a pin; it is not made here, as nobody sent it.
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from telethon.tl import functions, types

from broadcast.core.peers import CHANNEL_OFFSET
from broadcast.sandbox.memory.message_log import EventKind
from broadcast.sandbox.people import behaviour, phonebook
from broadcast.sandbox.world.flood_waits import pace
from broadcast.sandbox.world.input_peers import address, administers, peer_of
from broadcast.sandbox.world.original_posts import log_of
from broadcast.sandbox.world.rpc_error import RpcError
from broadcast.sandbox.world.shown_messages import updates_of

if TYPE_CHECKING:
    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_log import MessageLog
    from broadcast.sandbox.memory.state import State

PinUpdate = types.UpdatePinnedMessages | types.UpdatePinnedChannelMessages


def update_pinned_message(
    state: State,
    account: Account,
    request: functions.messages.UpdatePinnedMessageRequest,
    now: float,
) -> types.Updates:
    """messages.updatePinnedMessage: no update if it is pinned, or unpinned, already.

    https://core.telegram.org/api/pin; `silent` makes no difference where nobody is notified.
    """
    peer, number = address(account, request.peer), request.id
    pace(state, account, now)
    log = _allowed(state, account, peer)
    if request.pm_oneside and account.is_bot:
        raise RpcError(400, "BOT_ONESIDE_NOT_AVAIL")
    if not log.shows_in(peer, number):
        raise RpcError(400, "MESSAGE_ID_INVALID")
    is_here = bool(request.pm_oneside) and peer > 0 and peer != account.id
    pinned = EventKind.PINNED_HERE if is_here else EventKind.PINNED
    kind = EventKind.UNPINNED if request.unpin else pinned
    if log.pins.get(number, EventKind.UNPINNED) is kind:
        return updates_of(state, account, peer, [], now)
    state.change(log, kind, number, now)
    update = pin_update(log, number, log.pts, is_pinned=kind is not EventKind.UNPINNED)
    return updates_of(state, account, peer, [update], now)


def unpin_all_messages(
    state: State, account: Account, request: functions.messages.UnpinAllMessagesRequest, now: float
) -> types.messages.AffectedHistory:
    """messages.unpinAllMessages."""
    peer = address(account, request.peer)
    pace(state, account, now)
    log = _allowed(state, account, peer)
    numbers = [number for number in log.pins if log.shows_in(peer, number)]
    for number in numbers:
        state.change(log, EventKind.UNPINNED, number, now)
    return types.messages.AffectedHistory(pts=log.pts, pts_count=len(numbers), offset=0)


def pin_update(log: MessageLog, number: int, pts: int, *, is_pinned: bool) -> PinUpdate:
    """The update that says that a message was pinned, or unpinned, with this pts."""
    if log.is_channel:
        channel_id = -log.owner - CHANNEL_OFFSET
        return types.UpdatePinnedChannelMessages(channel_id, [number], pts, 1, pinned=is_pinned)
    chat = peer_of(log.others[number - 1])
    return types.UpdatePinnedMessages(chat, [number], pts, 1, pinned=is_pinned)


def _allowed(state: State, account: Account, peer: int) -> MessageLog:
    """Everybody may pin in private chats and groups, administrators in channels."""
    rule, kind = state.rule_of(peer), state.entry(peer).kind
    if peer < 0:
        is_closed = kind is phonebook.Kind.CHANNEL and not administers(state, peer)
        if rule is behaviour.NOPIN or is_closed:
            raise RpcError(400, "CHAT_ADMIN_REQUIRED")
        if rule is behaviour.PRIVATE:
            raise RpcError(400, "CHANNEL_PRIVATE")
    return log_of(state, account, peer)
