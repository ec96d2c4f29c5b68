"""Sends messages and shows them again, by Telegram's rules; it delivers to nobody's screen.

The rule that everything else rests on, from https://core.telegram.org/api/updates: a random_id used
again towards the same peer, from any session of the account, at any time, returns the message of
the first call, whatever the text is now. An error is raised before anything is stored.
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from broadcast.sandbox import phonebook
from broadcast.sandbox.pacing import is_new_stranger, pace
from broadcast.sandbox.peers import address, peer_of, users_and_chats, users_only
from broadcast.sandbox.phonebook import CHANNEL_MARK
from broadcast.sandbox.state import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadcast.sandbox.box import Box
    from broadcast.sandbox.limits import Limits
    from broadcast.sandbox.state import Account, Body, State

Sent = types.UpdateShortSentMessage | types.Updates
Messages = types.messages.Messages | types.messages.MessagesSlice | types.messages.ChannelMessages


def send_message(
    state: State, account: Account, request: functions.messages.SendMessageRequest, now: float
) -> Sent:
    """messages.sendMessage."""
    peer, random_id = address(account, request.peer), request.random_id
    if not random_id:
        raise RpcError(400, "RANDOM_ID_EMPTY")
    box = state.box_of(account, peer)
    other = account.id if box.is_channel else peer
    first = box.find(other, random_id)
    chat, skips_floods = None if first else peer, bool(request.allow_paid_floodskip)
    is_paid = pace(state, account, now, chat=chat, skips_floods=skips_floods)
    if first:
        return _updates(state, account, peer, box, first)
    if request.schedule_date and request.schedule_date.timestamp() > 0:
        raise RpcError(400, "SCHEDULE_DATE_INVALID")  # sending it at once would be a lie
    entities = _checked(state.limits, account, request.message, request.entities)
    is_stranger = is_new_stranger(state, account, peer, now)
    _refuse(state, account, peer, request, now)
    number = state.store(box, other, random_id, _body(request.message, entities), now)
    if is_stranger:
        state.meet(account, peer, now)
    if is_paid:
        state.charge(account)
    if peer > 0:
        return types.UpdateShortSentMessage(
            id=number,
            pts=box.pts,
            pts_count=1,
            date=datetime.fromtimestamp(int(now), UTC),
            out=True,
            entities=entities,
        )
    return _updates(state, account, peer, box, number)


def repeated(
    state: State, account: Account, request: functions.messages.SendMessageRequest
) -> tuple[Box, int] | None:
    """Where the message is that this request sends once more; None when it is the first time."""
    peer = address(account, request.peer)
    box = state.box_of(account, peer)
    number = box.find(account.id if box.is_channel else peer, request.random_id)
    return (box, number) if number else None


def get_history(
    state: State, account: Account, request: functions.messages.GetHistoryRequest, _now: float
) -> Messages:
    """messages.getHistory: newest first (https://core.telegram.org/api/offsets)."""
    users_only(account)
    peer = address(account, request.peer)
    box = state.box_of(account, peer)
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
    return _messages(state, account, box, _asked_for(request.id))


def set_typing(
    _state: State, account: Account, request: functions.messages.SetTypingRequest, _now: float
) -> bool:
    """messages.setTyping."""
    address(account, request.peer)
    return True


def channel_box(state: State, account: Account, channel: object) -> Box:
    """The messages of an input channel. Raises RpcError CHANNEL_INVALID."""
    marked_id = address(account, channel)
    if marked_id >= -CHANNEL_MARK:
        raise RpcError(400, "CHANNEL_INVALID")
    return state.box_of(account, marked_id)


def message_of(state: State, account: Account, box: Box, number: int) -> types.Message:
    """A stored message as Telegram shows it to the account."""
    other = box.others[number - 1]
    sender, peer = (other, box.owner) if box.is_channel else (box.owner, other)
    is_post = state.entry(peer).kind is phonebook.Kind.CHANNEL
    text, entities = state.body(box, number)
    edited = box.edited_at(number)
    return types.Message(
        id=number,
        peer_id=peer_of(peer),
        date=datetime.fromtimestamp(int(box.dates[number - 1]), UTC),
        message=text,
        out=sender == account.id,
        post=is_post,
        from_id=None if is_post else types.PeerUser(sender),
        entities=[BinaryReader(entity).tgread_object() for entity in entities] or None,
        edit_date=None if edited is None else datetime.fromtimestamp(int(edited), UTC),
    )


def checked_body(
    limits: Limits,
    account: Account,
    text: str,
    entities: list[types.TypeMessageEntity] | None,
) -> Body:
    """A text and its entities as they are kept. Raises what is wrong with them."""
    return _body(text, _checked(limits, account, text, entities))


def _refuse(
    state: State,
    account: Account,
    peer: int,
    request: functions.messages.SendMessageRequest,
    now: float,
) -> None:
    """Raise what the peer's name decides."""
    rule = state.rule_of(peer)
    if account.is_bot and peer > 0 and state.is_bot(peer):
        raise RpcError(400, "USER_IS_BOT")
    error = rule and (rule.user if peer > 0 else rule.chat)
    if rule is None or error is None or rule is phonebook.BOT:
        return
    if rule is phonebook.SLOWMODE:
        _slow_down(account, state.box_of(account, peer), now)
    elif rule is phonebook.PAID and (request.allow_paid_stars or 0) >= phonebook.PAID_STARS:
        return
    elif not rule.once or state.trip(account, peer):
        raise RpcError(*error)


def _slow_down(account: Account, box: Box, now: float) -> None:
    last = next(box.newest_first(account.id), None)
    if last is not None:
        left = box.dates[last - 1] + phonebook.SLOWMODE_SECONDS - now
        if left > 0:
            raise RpcError(420, f"SLOWMODE_WAIT_{ceil(left)}")


def _body(text: str, entities: list[types.TypeMessageEntity] | None) -> Body:
    return text, tuple(bytes(entity) for entity in entities) if entities else ()


def _checked(
    limits: Limits,
    account: Account,
    text: str,
    entities: list[types.TypeMessageEntity] | None,
) -> list[types.TypeMessageEntity] | None:
    """The entities as they are kept. Raises what is wrong with the message itself."""
    if not text.strip():
        raise RpcError(400, "MESSAGE_EMPTY")
    if not entities and len(text) <= limits.text_length // 2:
        return None
    length = len(text.encode("utf-16-le")) // 2
    if length > limits.text_length:
        raise RpcError(400, "MESSAGE_TOO_LONG")
    kept: list[types.TypeMessageEntity] = []
    for entity in (entities or ())[: limits.entities]:
        if entity.offset < 0 or entity.length < 1 or entity.offset + entity.length > length:
            raise RpcError(400, "ENTITY_BOUNDS_INVALID")
        if isinstance(entity, types.InputMessageEntityMentionName):
            mentioned = address(account, entity.user_id)
            kept.append(types.MessageEntityMentionName(entity.offset, entity.length, mentioned))
        else:
            kept.append(entity)
    return kept or None


def _updates(state: State, account: Account, peer: int, box: Box, number: int) -> types.Updates:
    """The answer to a message; for a deleted one that is sent again, only that it had this id."""
    updates: list[types.TypeUpdate] = [
        types.UpdateMessageID(id=number, random_id=box.random_ids[number - 1])
    ]
    if box.shows(number):
        message = message_of(state, account, box, number)
        new = types.UpdateNewChannelMessage if box.is_channel else types.UpdateNewMessage
        updates.append(new(message=message, pts=box.pts_of(number), pts_count=1))
    return updates_of(state, account, peer, updates, box.dates[number - 1])


def updates_of(
    state: State, account: Account, peer: int, updates: list[types.TypeUpdate], when: float
) -> types.Updates:
    """Updates about one peer, with those who are named in them."""
    users, chats = users_and_chats(state, account, (account.id, peer))
    date = datetime.fromtimestamp(int(when), UTC)
    return types.Updates(updates=updates, users=users, chats=chats, date=date, seq=0)


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
    senders_and_peers = {account.id}
    senders_and_peers.update(box.others[number - 1] for number in numbers if box.shows(number))
    if box.is_channel:
        senders_and_peers.add(box.owner)
    users, chats = users_and_chats(state, account, sorted(senders_and_peers))
    if box.is_channel:
        return types.messages.ChannelMessages(
            pts=box.pts,
            count=len(box) if total is None else total,
            messages=found,
            topics=[],
            chats=chats,
            users=users,
        )
    if total is not None and total > len(found):
        return types.messages.MessagesSlice(
            count=total, messages=found, topics=[], chats=chats, users=users
        )
    return types.messages.Messages(messages=found, topics=[], chats=chats, users=users)
