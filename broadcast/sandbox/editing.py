"""Changes what was sent and takes it back, within Telegram's time limits; it sends nothing new.

A deleted message stays known to the rule of the random_id (messages.py): whoever repeats it makes
no second message.
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from telethon.tl import functions, types

from broadcast.sandbox.messages import channel_box, checked_body, message_of, updates_of
from broadcast.sandbox.pacing import pace
from broadcast.sandbox.peers import address, administers
from broadcast.sandbox.state import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadcast.sandbox.box import Box
    from broadcast.sandbox.state import Account, State


def edit_message(
    state: State, account: Account, request: functions.messages.EditMessageRequest, now: float
) -> types.Updates:
    """messages.editMessage: one's own messages; in a channel that one administers, all."""
    peer, number = address(account, request.peer), request.id
    pace(state, account, now)
    box = state.box_of(account, peer)
    is_here = box.shows(number) and (box.is_channel or box.others[number - 1] == peer)
    is_scheduled = request.schedule_date and request.schedule_date.timestamp() > 0
    if not is_here or is_scheduled:  # nothing ever is
        raise RpcError(400, "MESSAGE_ID_INVALID")
    is_free = administers(state, peer)
    if box.is_channel and not is_free and box.others[number - 1] != account.id:
        raise RpcError(403, "MESSAGE_AUTHOR_REQUIRED")
    limits = state.limits
    limit = limits.bot_edit_seconds if account.is_bot else limits.edit_seconds
    if not (is_free or peer == account.id) and _is_over(box, number, limit, now):
        raise RpcError(400, "MESSAGE_EDIT_TIME_EXPIRED")
    if request.media:
        raise RpcError(400, "MEDIA_INVALID")  # keeping the text alone would be a lie
    body = checked_body(limits, account, request.message or "", request.entities)
    if body == state.body(box, number):
        raise RpcError(400, "MESSAGE_NOT_MODIFIED")
    state.edit(box, number, body, now)
    edited = types.UpdateEditChannelMessage if box.is_channel else types.UpdateEditMessage
    update = edited(message_of(state, account, box, number), pts=box.pts, pts_count=1)
    return updates_of(state, account, peer, [update], now)


def delete_messages(
    state: State, account: Account, request: functions.messages.DeleteMessagesRequest, now: float
) -> types.messages.AffectedMessages:
    """messages.deleteMessages, of private chats and basic groups.

    Without `revoke` the recipients keep what they have. A bot always revokes.
    """
    box, limits = account.box, state.limits
    limit = limits.bot_delete_seconds if account.is_bot else limits.delete_seconds
    numbers = _asked_for(state, box, request.id)
    for_all = account.is_bot or bool(request.revoke)
    if for_all and any(_is_over(box, number, limit, now) for number in numbers):
        raise RpcError(403, "MESSAGE_DELETE_FORBIDDEN")
    for number in numbers:
        is_note = box.others[number - 1] == account.id
        state.delete(box, number, now, for_all=for_all or is_note)
    return types.messages.AffectedMessages(pts=box.pts, pts_count=len(numbers))


def delete_channel_messages(
    state: State, account: Account, request: functions.channels.DeleteMessagesRequest, now: float
) -> types.messages.AffectedMessages:
    """channels.deleteMessages, for everybody: one's own, or all where one administers."""
    box = channel_box(state, account, request.channel)
    numbers = _asked_for(state, box, request.id)
    if not administers(state, box.owner):
        limit = state.limits.bot_delete_seconds if account.is_bot else None
        if any(
            box.others[number - 1] != account.id or _is_over(box, number, limit, now)
            for number in numbers
        ):
            raise RpcError(403, "MESSAGE_DELETE_FORBIDDEN")
    for number in numbers:
        state.delete(box, number, now, for_all=True)
    return types.messages.AffectedMessages(pts=box.pts, pts_count=len(numbers))


def _asked_for(state: State, box: Box, ids: Iterable[int]) -> list[int]:
    """Those that are there, each once: deleting what is not there is no error."""
    numbers = list(dict.fromkeys(ids))
    if len(numbers) > state.limits.delete_at_once:
        raise RpcError(400, "LIMIT_INVALID")
    return [number for number in numbers if box.shows(number)]


def _is_over(box: Box, number: int, limit: float | None, now: float) -> bool:
    return limit is not None and now - box.dates[number - 1] > limit
