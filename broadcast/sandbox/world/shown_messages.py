"""Shows messages as Telegram shows them: history, single messages, updates.

Who reads a public channel first finds posts in it (world/original_posts.py).
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from broadcast.core.peers import CHANNEL_OFFSET
from broadcast.sandbox.memory.message_body import NO_EXTRA, album_id
from broadcast.sandbox.people import phonebook
from broadcast.sandbox.world.buttons import markup_of
from broadcast.sandbox.world.input_peers import address, peer_of, users_and_chats, users_only
from broadcast.sandbox.world.media import media_of
from broadcast.sandbox.world.original_posts import has_posts, log_of, publish
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_body import Body, Extra
    from broadcast.sandbox.memory.message_log import MessageLog
    from broadcast.sandbox.memory.schedule import ScheduledMessage
    from broadcast.sandbox.memory.state import State

Messages = types.messages.Messages | types.messages.MessagesSlice | types.messages.ChannelMessages
Message = types.Message | types.MessageService


def get_history(
    state: State, account: Account, request: functions.messages.GetHistoryRequest, _now: float
) -> Messages:
    """messages.getHistory: newest first (https://core.telegram.org/api/offsets)."""
    users_only(account)
    peer = address(account, request.peer)
    log = log_to_read(state, account, peer)
    of_peer = [n for n in log.newest_first(None if log.is_channel else peer) if log.shows(n)]
    start = 0
    if request.offset_id:
        start = sum(number >= request.offset_id for number in of_peer)
    elif request.offset_date and request.offset_date.timestamp() > 0:  # 0 means none, in TL
        latest = request.offset_date.timestamp()
        start = sum(log.dates[number - 1] >= latest for number in of_peer)
    first = max(0, start + request.add_offset)
    end = max(first, start + request.add_offset + min(request.limit, state.limits.page))
    highest = request.max_id or len(log) + 1
    numbers = [number for number in of_peer[first:end] if request.min_id < number < highest]
    return _messages(state, account, log, numbers, total=len(of_peer))


def get_messages(
    state: State, account: Account, request: functions.messages.GetMessagesRequest, _now: float
) -> Messages:
    """messages.getMessages."""
    return _messages(state, account, account.log, _asked_for(request.id))


def get_channel_messages(
    state: State, account: Account, request: functions.channels.GetMessagesRequest, _now: float
) -> Messages:
    """channels.getMessages."""
    log = channel_log(state, account, request.channel)
    log = log_to_read(state, account, log.owner)
    return _messages(state, account, log, _asked_for(request.id))


def set_typing(
    _state: State, account: Account, request: functions.messages.SetTypingRequest, _now: float
) -> bool:
    """messages.setTyping."""
    address(account, request.peer)
    return True


def log_to_read(state: State, account: Account, peer: int) -> MessageLog:
    """The messages of a chat, for somebody who wants to read them."""
    log = log_of(state, account, peer)
    if not log and log.is_channel and has_posts(state, peer):
        publish(state, log)
    return log


def channel_log(state: State, account: Account, channel: object) -> MessageLog:
    """The messages of an input channel. Raises RpcError CHANNEL_INVALID."""
    marked_id = address(account, channel)
    if marked_id >= -CHANNEL_OFFSET:
        raise RpcError(400, "CHANNEL_INVALID")
    return log_of(state, account, marked_id)


def message_of(state: State, account: Account, log: MessageLog, number: int) -> Message:
    """A stored message as Telegram shows it to the account."""
    sender, peer = log.sides(number)
    body = state.body(log, number)
    edited = log.edited_at(number)
    extra = body.extra
    if extra and extra.topic_title:
        return _opening_of_a_topic(number, log, extra)
    shown = _message(state, account, number, body, sender=sender, peer=peer)
    shown.date = _date(log.dates[number - 1])
    shown.edit_date = None if edited is None else _date(edited)
    shown.pinned = number in log.pins
    if extra and extra.album is not None:
        shown.grouped_id = album_id(log.owner, number, extra.album)
    return shown


def scheduled_message(state: State, account: Account, waiting: ScheduledMessage) -> types.Message:
    """A message that waits, as Telegram shows it: its date is when it will be sent."""
    shown = _message(
        state,
        account,
        waiting.number,
        waiting.body,
        sender=waiting.account,
        peer=waiting.peer,
    )
    shown.date = _date(waiting.at)
    shown.from_scheduled = True
    extra = waiting.body.extra
    if extra and extra.album is not None:
        shown.grouped_id = album_id(waiting.peer, waiting.number, extra.album)
    return shown


def new_message(
    state: State, account: Account, log: MessageLog, number: int
) -> types.UpdateNewMessage | types.UpdateNewChannelMessage:
    """The update that a message made when it arrived."""
    new = types.UpdateNewChannelMessage if log.is_channel else types.UpdateNewMessage
    message = message_of(state, account, log, number)
    return new(message=message, pts=log.pts_of(number), pts_count=1)


def updates_of(
    state: State, account: Account, peer: int, updates: list[types.TypeUpdate], when: float
) -> types.Updates:
    """Updates about one peer, with the users and chats that they name."""
    users, chats = users_and_chats(state, account, (account.id, peer))
    return types.Updates(updates=updates, users=users, chats=chats, date=_date(when), seq=0)


def _message(
    state: State, account: Account, number: int, body: Body, *, sender: int, peer: int
) -> types.Message:
    is_post = state.entry(peer).kind is phonebook.Kind.CHANNEL
    text, entities, extra = body
    shown = types.Message(
        id=number,
        peer_id=peer_of(peer),
        date=None,  # each kind of message sets its own
        message=text,
        out=sender == account.id,
        post=is_post,
        from_id=None if is_post else peer_of(sender),
        entities=[BinaryReader(entity).tgread_object() for entity in entities] or None,
        noforwards=state.is_protected(peer),
    )
    if extra is not None:
        _dress(state, account, shown, extra)
    return shown


def _dress(state: State, account: Account, shown: types.Message, extra: Extra) -> None:
    """Show what goes with a message."""
    shown.silent = extra.silent
    shown.noforwards = shown.noforwards or extra.protected
    shown.invert_media = extra.invert_media
    shown.from_scheduled = extra.from_scheduled
    shown.effect = extra.effect
    shown.reply_markup = markup_of(extra.buttons)
    shown.reply_to = _reply_header(extra)
    if extra.send_as is not None:
        shown.from_id = peer_of(extra.send_as)
    if extra.file is not None:
        shown.media = media_of(state, account, extra.file, spoiler=extra.spoiler)
    if extra.origin:
        origin = extra.origin
        shown.fwd_from = types.MessageFwdHeader(
            date=_date(origin.date),
            from_id=peer_of(origin.peer),
            channel_post=origin.message_id,
        )


def _reply_header(extra: Extra) -> types.MessageReplyHeader | None:
    """https://core.telegram.org/constructor/messageReplyHeader: in a topic to that, too."""
    topic = extra.topic if extra.topic != 1 else None  # General is no thread
    if extra.reply_to is None and topic is None:
        return None
    return types.MessageReplyHeader(
        forum_topic=topic is not None or None,
        quote=bool(extra.quote) or None,
        reply_to_msg_id=extra.reply_to or topic,
        reply_to_top_id=topic if extra.reply_to else None,
        quote_text=extra.quote or None,
    )


def _opening_of_a_topic(number: int, log: MessageLog, extra: Extra) -> types.MessageService:
    action = types.MessageActionTopicCreate(extra.topic_title, icon_color=0)
    return types.MessageService(
        id=number, peer_id=peer_of(log.owner), date=_date(log.dates[number - 1]), action=action
    )


def _asked_for(ids: Iterable[object]) -> list[int]:
    return [asked.id for asked in ids if isinstance(asked, types.InputMessageID)]


def _messages(
    state: State, account: Account, log: MessageLog, numbers: list[int], total: int | None = None
) -> Messages:
    found = [
        message_of(state, account, log, number)
        if log.shows(number)
        else types.MessageEmpty(number, peer_id=None)
        for number in numbers
    ]
    users, chats = users_and_chats(state, account, sorted(named_in(state, account, log, numbers)))
    together: dict[str, Any] = {
        "messages": found,
        "topics": [],
        "chats": chats,
        "users": users,
    }
    if log.is_channel:
        count = len(log) if total is None else total
        return types.messages.ChannelMessages(pts=log.pts, count=count, **together)
    if total is not None and total > len(found):
        return types.messages.MessagesSlice(count=total, **together)
    return types.messages.Messages(**together)


def named_in(state: State, account: Account, log: MessageLog, numbers: Iterable[int]) -> set[int]:
    """Everybody whom messages name: their authors, recipients and first authors."""
    named = {account.id}
    if log.is_channel:
        named.add(log.owner)
    for number in numbers:
        if log.shows(number):
            named.add(log.others[number - 1])
            extra = state.body(log, number).extra or NO_EXTRA
            if extra.origin:
                named.add(extra.origin.peer)
            if extra.send_as is not None:
                named.add(extra.send_as)
    return named


def _date(when: float) -> datetime:
    return datetime.fromtimestamp(int(when), UTC)
