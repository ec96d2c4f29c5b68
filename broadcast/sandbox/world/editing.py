"""Edits and deletes what was sent, within Telegram's time limits; it sends nothing new.

The random_id of a deleted message stays known (world/send_once.py): sending it again makes no
second message.
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from telethon.tl import functions, types

from broadcast.sandbox.memory.message_body import NO_EXTRA, Body
from broadcast.sandbox.memory.message_log import EventKind
from broadcast.sandbox.world.buttons import checked_buttons
from broadcast.sandbox.world.flood_waits import pace
from broadcast.sandbox.world.input_peers import address, administers
from broadcast.sandbox.world.media import album_kind, prepare
from broadcast.sandbox.world.original_posts import log_of
from broadcast.sandbox.world.rpc_error import RpcError
from broadcast.sandbox.world.scheduled_messages import time_of
from broadcast.sandbox.world.sending_options import or_none
from broadcast.sandbox.world.shown_messages import (
    channel_log,
    message_of,
    scheduled_message,
    updates_of,
)
from broadcast.sandbox.world.text_checks import checked_caption, checked_text, written

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_body import Extra
    from broadcast.sandbox.memory.message_log import MessageLog
    from broadcast.sandbox.memory.state import State
    from broadcast.sandbox.world.media import Prepared


def edit_message(
    state: State, account: Account, request: functions.messages.EditMessageRequest, now: float
) -> types.Updates:
    """messages.editMessage: one's own messages; in a channel that one administers, all.

    With a date it is a scheduled message, and may get another time.
    """
    peer, number = address(account, request.peer), request.id
    pace(state, account, now)
    if request.schedule_date and request.schedule_date.timestamp() > 0:
        return _edit_scheduled(state, account, peer, request, now)
    log = log_of(state, account, peer)
    if not log.shows_in(peer, number):
        raise RpcError(400, "MESSAGE_ID_INVALID")
    is_free = administers(state, peer)
    if log.is_channel and not is_free and log.others[number - 1] != account.id:
        raise RpcError(403, "MESSAGE_AUTHOR_REQUIRED")
    limits = state.limits
    limit = limits.bot_edit_seconds if account.is_bot else limits.edit_seconds
    if not (is_free or peer == account.id) and _is_over(log, number, limit, now):
        raise RpcError(400, "MESSAGE_EDIT_TIME_EXPIRED")
    body = _edited(state, account, request, state.body(log, number), now)
    state.edit(log, number, body, now)
    edited = types.UpdateEditChannelMessage if log.is_channel else types.UpdateEditMessage
    update = edited(message_of(state, account, log, number), pts=log.pts, pts_count=1)
    return updates_of(state, account, peer, [update], now)


def _edit_scheduled(
    state: State,
    account: Account,
    peer: int,
    request: functions.messages.EditMessageRequest,
    now: float,
) -> types.Updates:
    waiting = state.queue.get(account.id, peer, request.id)
    if waiting is None:
        raise RpcError(400, "MESSAGE_ID_INVALID")
    at = time_of(state, account, peer, request.schedule_date, count=0, now=now)
    if at is None:
        raise RpcError(400, "SCHEDULE_DATE_INVALID")
    is_text_new = request.message is not None or request.media is not None
    if not is_text_new and at == waiting.at:
        raise RpcError(400, "MESSAGE_NOT_MODIFIED")
    body = waiting.body
    if is_text_new:
        body = _edited(state, account, request, body, now, may_be_same=at != waiting.at)
    waiting = replace(waiting, body=body, at=at)
    state.schedule(waiting)
    update = types.UpdateNewScheduledMessage(scheduled_message(state, account, waiting))
    return updates_of(state, account, peer, [update], now)


def _edited(
    state: State,
    account: Account,
    request: functions.messages.EditMessageRequest,
    old: Body,
    now: float,
    *,
    may_be_same: bool = False,
) -> Body:
    """What a message says after the edit; the text stays where the request has none.

    The buttons of a bot's message go when it names none: https://core.telegram.org/bots/api#editmessagetext.
    Raises RpcError, MESSAGE_NOT_MODIFIED among them.
    """
    limits, kept = state.limits, old.extra or NO_EXTRA
    if kept.topic_title:
        raise RpcError(400, "MESSAGE_ID_INVALID")
    prepared = prepare(state, account, request.media, now) if request.media else None
    if request.message is None and prepared is None and request.reply_markup is None:
        raise RpcError(400, "MESSAGE_EMPTY")
    text, entities, extra = old.text, old.entities, kept
    if request.message is not None:
        check = checked_caption if prepared or kept.file is not None else checked_text
        text = request.message
        entities = written(check(limits, account, text, request.entities))
        no_webpage, inverted = bool(request.no_webpage), bool(request.invert_media)
        extra = replace(extra, no_webpage=no_webpage, invert_media=inverted)
    if account.is_bot:
        buttons = checked_buttons(
            account, request.reply_markup, most=limits.buttons, in_row=limits.buttons_in_row
        )
        extra = replace(extra, buttons=buttons)
    if prepared is not None:
        extra = _with_file(state, extra, prepared)
    if prepared is not None and prepared.number is None:
        extra = replace(extra, file=state.add_file(prepared.file))
        return Body(text, entities, extra)
    body = Body(text, entities, or_none(extra))
    if body == old and not may_be_same:
        raise RpcError(400, "MESSAGE_NOT_MODIFIED")
    return body


def _with_file(state: State, extra: Extra, prepared: Prepared) -> Extra:
    """With another file; in an album it must be of the same sort."""
    if extra.album is not None and extra.file is not None:
        kinds = {album_kind(state.files[extra.file]), album_kind(prepared.file)}
        if len(kinds) > 1:
            raise RpcError(400, "MEDIA_GROUPED_INVALID")
    return replace(extra, spoiler=prepared.spoiler, file=prepared.number)


def delete_messages(
    state: State, account: Account, request: functions.messages.DeleteMessagesRequest, now: float
) -> types.messages.AffectedMessages:
    """messages.deleteMessages, of private chats and basic groups.

    Without `revoke` the recipients keep what they have. A bot always revokes.
    """
    log, limits = account.log, state.limits
    limit = limits.bot_delete_seconds if account.is_bot else limits.delete_seconds
    numbers = _asked_for(state, log, request.id)
    for_all = account.is_bot or bool(request.revoke)
    if for_all and any(_is_over(log, number, limit, now) for number in numbers):
        raise RpcError(403, "MESSAGE_DELETE_FORBIDDEN")
    for number in numbers:
        is_note = log.others[number - 1] == account.id
        kind = EventKind.DELETED if for_all or is_note else EventKind.HIDDEN
        state.change(log, kind, number, now)
    return types.messages.AffectedMessages(pts=log.pts, pts_count=len(numbers))


def delete_channel_messages(
    state: State, account: Account, request: functions.channels.DeleteMessagesRequest, now: float
) -> types.messages.AffectedMessages:
    """channels.deleteMessages, for everybody: one's own, or all where one administers."""
    log = channel_log(state, account, request.channel)
    numbers = _asked_for(state, log, request.id)
    if not administers(state, log.owner):
        limit = state.limits.bot_delete_seconds if account.is_bot else None
        if any(
            log.others[number - 1] != account.id or _is_over(log, number, limit, now)
            for number in numbers
        ):
            raise RpcError(403, "MESSAGE_DELETE_FORBIDDEN")
    for number in numbers:
        state.change(log, EventKind.DELETED, number, now)
    return types.messages.AffectedMessages(pts=log.pts, pts_count=len(numbers))


def _asked_for(state: State, log: MessageLog, ids: Iterable[int]) -> list[int]:
    """Those that exist, each once: deleting a message that does not exist is no error."""
    numbers = list(dict.fromkeys(ids))
    if len(numbers) > state.limits.delete_at_once:
        raise RpcError(400, "LIMIT_INVALID")
    return [number for number in numbers if log.shows(number)]


def _is_over(log: MessageLog, number: int, limit: float | None, now: float) -> bool:
    return limit is not None and now - log.dates[number - 1] > limit
