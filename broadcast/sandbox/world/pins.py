"""Pins messages to the top of a chat, and takes them down again.

The service message that tells a chat of a pin is not made: it would be a message that nobody sent.
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from telethon.tl import functions, types

from broadcast.sandbox.limits.floods import pace
from broadcast.sandbox.people import phonebook
from broadcast.sandbox.people.phonebook import CHANNEL_MARK
from broadcast.sandbox.world.input_peers import address, administers, peer_of
from broadcast.sandbox.world.message_log import Kind
from broadcast.sandbox.world.messages import updates_of
from broadcast.sandbox.world.values import RpcError

if TYPE_CHECKING:
    from broadcast.sandbox.world.message_log import Box
    from broadcast.sandbox.world.state import State
    from broadcast.sandbox.world.values import Account

PinUpdate = types.UpdatePinnedMessages | types.UpdatePinnedChannelMessages


def update_pinned_message(
    state: State,
    account: Account,
    request: functions.messages.UpdatePinnedMessageRequest,
    now: float,
) -> types.Updates:
    """messages.updatePinnedMessage: what is as it should be already makes no update.

    https://core.telegram.org/api/pin; `silent` makes no difference where nobody is notified.
    """
    peer, number = address(account, request.peer), request.id
    pace(state, account, now)
    box = _allowed(state, account, peer)
    if request.pm_oneside and account.is_bot:
        raise RpcError(400, "BOT_ONESIDE_NOT_AVAIL")
    if not box.shows(number) or not (box.is_channel or box.others[number - 1] == peer):
        raise RpcError(400, "MESSAGE_ID_INVALID")
    is_here = bool(request.pm_oneside) and peer > 0 and peer != account.id
    pinned = Kind.PINNED_HERE if is_here else Kind.PINNED
    kind = Kind.UNPINNED if request.unpin else pinned
    if box.pins.get(number, Kind.UNPINNED) is kind:
        return updates_of(state, account, peer, [], now)
    state.pin(box, number, kind, now)
    update = pin_update(box, number, box.pts, is_pinned=kind is not Kind.UNPINNED)
    return updates_of(state, account, peer, [update], now)


def unpin_all_messages(
    state: State, account: Account, request: functions.messages.UnpinAllMessagesRequest, now: float
) -> types.messages.AffectedHistory:
    """messages.unpinAllMessages."""
    peer = address(account, request.peer)
    pace(state, account, now)
    box = _allowed(state, account, peer)
    numbers = [number for number in box.pins if box.is_channel or box.others[number - 1] == peer]
    for number in numbers:
        state.pin(box, number, Kind.UNPINNED, now)
    return types.messages.AffectedHistory(pts=box.pts, pts_count=len(numbers), offset=0)


def pin_update(box: Box, number: int, pts: int, *, is_pinned: bool) -> PinUpdate:
    """What tells that a message was pinned, or unpinned, with this pts."""
    if box.is_channel:
        channel_id = -box.owner - CHANNEL_MARK
        return types.UpdatePinnedChannelMessages(channel_id, [number], pts, 1, pinned=is_pinned)
    chat = peer_of(box.others[number - 1])
    return types.UpdatePinnedMessages(chat, [number], pts, 1, pinned=is_pinned)


def _allowed(state: State, account: Account, peer: int) -> Box:
    """Everybody may pin in private chats and groups, administrators in channels."""
    rule, kind = state.rule_of(peer), state.entry(peer).kind
    if peer < 0:
        is_closed = kind is phonebook.Kind.CHANNEL and not administers(state, peer)
        if rule is phonebook.NOPIN or is_closed:
            raise RpcError(400, "CHAT_ADMIN_REQUIRED")
        if rule is phonebook.PRIVATE:
            raise RpcError(400, "CHANNEL_PRIVATE")
    return state.box_of(account, peer)
