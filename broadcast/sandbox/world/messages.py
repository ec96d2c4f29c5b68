"""Shows the messages that are there, as Telegram shows them; sending.py makes them.

Who looks at a public channel for the first time finds its posts (posts.py).
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from broadcast.sandbox.people import phonebook
from broadcast.sandbox.people.phonebook import CHANNEL_MARK
from broadcast.sandbox.world.buttons import markup_of
from broadcast.sandbox.world.input_peers import address, peer_of, users_and_chats, users_only
from broadcast.sandbox.world.media import media_of
from broadcast.sandbox.world.posts import has_posts, publish
from broadcast.sandbox.world.values import NO_EXTRA, RpcError, album_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadcast.sandbox.world.due import Waiting
    from broadcast.sandbox.world.message_log import Box
    from broadcast.sandbox.world.state import State
    from broadcast.sandbox.world.values import Account, Body, Extra

Messages = types.messages.Messages | types.messages.MessagesSlice | types.messages.ChannelMessages
Message = types.Message | types.MessageService


def get_history(
    state: State, account: Account, request: functions.messages.GetHistoryRequest, _now: float
) -> Messages:
    """messages.getHistory: newest first (https://core.telegram.org/api/offsets)."""
    users_only(account)
    peer = address(account, request.peer)
    box = box_to_read(state, account, peer)
    of_peer = [n for n in box.newest_first(None if box.is_channel else peer) if box.shows(n)]
    start = 0
    if request.offset_id:
        start = sum(number >= request.offset_id for number in of_peer)
    elif request.offset_date and request.offset_date.timestamp() > 0:  # 0 means none, in TL
        latest = request.offset_date.timestamp()
        start = sum(box.dates[number - 1] >= latest for number in of_peer)
    first = max(0, start + request.add_offset)
    end = max(first, start + request.add_offset + min(request.limit, state.limits.page))
    highest = request.max_id or len(box) + 1
    numbers = [number for number in of_peer[first:end] if request.min_id < number < highest]
    return _messages(state, account, box, numbers, total=len(of_peer))


def get_messages(
    state: State, account: Account, request: functions.messages.GetMessagesRequest, _now: float
) -> Messages:
    """messages.getMessages."""
    return _messages(state, account, account.box, _asked_for(request.id))


def get_channel_messages(
    state: State, account: Account, request: functions.channels.GetMessagesRequest, _now: float
) -> Messages:
    """channels.getMessages."""
    box = channel_box(state, account, request.channel)
    box = box_to_read(state, account, box.owner)
    return _messages(state, account, box, _asked_for(request.id))


def set_typing(
    _state: State, account: Account, request: functions.messages.SetTypingRequest, _now: float
) -> bool:
    """messages.setTyping."""
    address(account, request.peer)
    return True


def box_to_read(state: State, account: Account, peer: int) -> Box:
    """The messages of a chat, for somebody who wants to see them."""
    box = state.box_of(account, peer)
    if not box and box.is_channel and has_posts(state, peer):
        publish(state, box)
    return box


def channel_box(state: State, account: Account, channel: object) -> Box:
    """The messages of an input channel. Raises RpcError CHANNEL_INVALID."""
    marked_id = address(account, channel)
    if marked_id >= -CHANNEL_MARK:
        raise RpcError(400, "CHANNEL_INVALID")
    return state.box_of(account, marked_id)


def message_of(state: State, account: Account, box: Box, number: int) -> Message:
    """A stored message as Telegram shows it to the account."""
    other = box.others[number - 1]
    sender, peer = (other, box.owner) if box.is_channel else (box.owner, other)
    body = state.body(box, number)
    edited = box.edited_at(number)
    extra = body.extra
    if extra and extra.topic_title:
        return _opening_of_a_topic(number, box, extra)
    shown = _message(state, account, number, body, sender=sender, peer=peer)
    shown.date = _date(box.dates[number - 1])
    shown.edit_date = None if edited is None else _date(edited)
    shown.pinned = number in box.pins
    if extra and extra.album is not None:
        shown.grouped_id = album_id(box.owner, number, extra.album)
    return shown


def scheduled_message(state: State, account: Account, waiting: Waiting) -> types.Message:
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
    state: State, account: Account, box: Box, number: int
) -> types.UpdateNewMessage | types.UpdateNewChannelMessage:
    """The update that a message has made when it arrived."""
    new = types.UpdateNewChannelMessage if box.is_channel else types.UpdateNewMessage
    message = message_of(state, account, box, number)
    return new(message=message, pts=box.pts_of(number), pts_count=1)


def updates_of(
    state: State, account: Account, peer: int, updates: list[types.TypeUpdate], when: float
) -> types.Updates:
    """Updates about one peer, with those who are named in them."""
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
        date=None,  # they differ in what it means
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
    """Put on a message what goes with it."""
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
    """https://core.telegram.org/constructor/messageReplyHeader: a topic is replied to as well."""
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


def _opening_of_a_topic(number: int, box: Box, extra: Extra) -> types.MessageService:
    action = types.MessageActionTopicCreate(extra.topic_title, icon_color=0)
    return types.MessageService(
        id=number, peer_id=peer_of(box.owner), date=_date(box.dates[number - 1]), action=action
    )


def _asked_for(ids: Iterable[object]) -> list[int]:
    return [asked.id for asked in ids if isinstance(asked, types.InputMessageID)]


def _messages(
    state: State, account: Account, box: Box, numbers: list[int], total: int | None = None
) -> Messages:
    found = [
        message_of(state, account, box, number)
        if box.shows(number)
        else types.MessageEmpty(number, peer_id=None)
        for number in numbers
    ]
    users, chats = users_and_chats(state, account, sorted(named_in(state, account, box, numbers)))
    together: dict[str, Any] = {
        "messages": found,
        "topics": [],
        "chats": chats,
        "users": users,
    }
    if box.is_channel:
        count = len(box) if total is None else total
        return types.messages.ChannelMessages(pts=box.pts, count=count, **together)
    if total is not None and total > len(found):
        return types.messages.MessagesSlice(count=total, **together)
    return types.messages.Messages(**together)


def named_in(state: State, account: Account, box: Box, numbers: Iterable[int]) -> set[int]:
    """Everybody who is named in messages: who wrote them, to whom, and first."""
    named = {account.id}
    if box.is_channel:
        named.add(box.owner)
    for number in numbers:
        if box.shows(number):
            named.add(box.others[number - 1])
            extra = state.body(box, number).extra or NO_EXTRA
            if extra.origin:
                named.add(extra.origin.peer)
            if extra.send_as is not None:
                named.add(extra.send_as)
    return named


def _date(when: float) -> datetime:
    return datetime.fromtimestamp(int(when), UTC)
