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
from broadcast.sandbox.peers import address, peer_of, users_and_chats, users_only
from broadcast.sandbox.phonebook import CHANNEL_MARK
from broadcast.sandbox.state import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadcast.sandbox.state import Account, Box, State

MAX_LENGTH = 4096  # UTF-16 units: https://core.telegram.org/api/entities#entity-length
MAX_ENTITIES = 100  # the rest is dropped: https://limits.tginfo.me
PAGE = 100  # messages or dialogs in one answer

Sent = types.UpdateShortSentMessage | types.Updates
Messages = types.messages.Messages | types.messages.MessagesSlice | types.messages.ChannelMessages


def send_message(
    state: State, account: Account, request: functions.messages.SendMessageRequest, now: float
) -> Sent:
    """messages.sendMessage."""
    peer, random_id = address(account, request.peer), request.random_id
    if not random_id:
        raise RpcError(400, "RANDOM_ID_EMPTY")
    if state.limits.messages_per_second:
        _pace(account, state.limits.messages_per_second, now)
    box = state.box_of(account, peer)
    other = account.id if box.is_channel else peer
    first = box.find(other, random_id)
    if first:
        return _updates(state, account, peer, box, first)
    if request.schedule_date and request.schedule_date.timestamp() > 0:
        raise RpcError(400, "SCHEDULE_DATE_INVALID")  # sending it at once would be a lie
    entities = _checked(account, request.message, request.entities)
    _refuse(state, account, peer, request, now)
    kept = tuple(bytes(entity) for entity in entities) if entities else ()
    number = state.store(box, other, random_id, (request.message, kept), now)
    if peer > 0:
        return types.UpdateShortSentMessage(
            id=number,
            pts=_pts(box),
            pts_count=1,
            date=datetime.fromtimestamp(int(now), UTC),
            out=True,
            entities=entities,
        )
    return _updates(state, account, peer, box, number)


def get_history(
    state: State, account: Account, request: functions.messages.GetHistoryRequest, _now: float
) -> Messages:
    """messages.getHistory: newest first (https://core.telegram.org/api/offsets)."""
    users_only(account)
    peer = address(account, request.peer)
    box = state.box_of(account, peer)
    of_peer = list(box.newest_first(None if box.is_channel else peer))
    start = 0
    if request.offset_id:
        start = sum(number >= request.offset_id for number in of_peer)
    elif request.offset_date and request.offset_date.timestamp() > 0:  # 0 means none, in TL
        latest = request.offset_date.timestamp()
        start = sum(box.dates[number - 1] >= latest for number in of_peer)
    first = max(0, start + request.add_offset)
    end = max(first, start + request.add_offset + min(request.limit, PAGE))
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
    channel = address(account, request.channel)
    if channel >= -CHANNEL_MARK:
        raise RpcError(400, "CHANNEL_INVALID")
    box = state.box_of(account, channel)
    return _messages(state, account, box, _asked_for(request.id))


def set_typing(
    _state: State, account: Account, request: functions.messages.SetTypingRequest, _now: float
) -> bool:
    """messages.setTyping."""
    address(account, request.peer)
    return True


def get_state(
    _state: State, account: Account, _request: functions.updates.GetStateRequest, now: float
) -> types.updates.State:
    """updates.getState."""
    date = datetime.fromtimestamp(int(now), UTC)
    return types.updates.State(pts=_pts(account.box), qts=0, date=date, seq=0, unread_count=0)


def get_difference(
    _state: State, _account: Account, _request: functions.updates.GetDifferenceRequest, now: float
) -> types.updates.DifferenceEmpty:
    """updates.getDifference: nobody writes to us, so that nothing is ever missed."""
    return types.updates.DifferenceEmpty(date=datetime.fromtimestamp(int(now), UTC), seq=0)


def get_channel_difference(
    state: State,
    account: Account,
    request: functions.updates.GetChannelDifferenceRequest,
    _now: float,
) -> types.updates.ChannelDifferenceEmpty:
    """updates.getChannelDifference."""
    box = state.box_of(account, address(account, request.channel))
    return types.updates.ChannelDifferenceEmpty(pts=_pts(box), final=True, timeout=30)


def message_of(state: State, account: Account, box: Box, number: int) -> types.Message:
    """A stored message as Telegram shows it to the account."""
    other = box.others[number - 1]
    sender, peer = (other, box.owner) if box.is_channel else (box.owner, other)
    is_post = state.entry(peer).kind is phonebook.Kind.CHANNEL
    text, entities = state.body(box, number)
    return types.Message(
        id=number,
        peer_id=peer_of(peer),
        date=datetime.fromtimestamp(int(box.dates[number - 1]), UTC),
        message=text,
        out=sender == account.id,
        post=is_post,
        from_id=None if is_post else types.PeerUser(sender),
        entities=[BinaryReader(entity).tgread_object() for entity in entities] or None,
    )


def _pts(box: Box) -> int:
    # Every message is one event, and a fresh account starts at 1.
    return len(box) + 1


def _pace(account: Account, messages_per_second: float, now: float) -> None:
    # GCRA with a burst of one second: `next_free` is when the account will have paid its debt.
    next_free = max(account.next_free, now) + 1 / messages_per_second
    if next_free - now > 1 + 1e-9:
        raise RpcError(420, f"FLOOD_WAIT_{ceil(next_free - now - 1)}")
    account.next_free = next_free


def _refuse(
    state: State,
    account: Account,
    peer: int,
    request: functions.messages.SendMessageRequest,
    now: float,
) -> None:
    """Raise what the peer's name decides."""
    rule = phonebook.rule_of(peer)
    if account.is_bot and peer > 0 and _is_bot(state, peer):
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


def _is_bot(state: State, user_id: int) -> bool:
    known = state.accounts.get(user_id)
    return known.is_bot if known else phonebook.rule_of(user_id) is phonebook.BOT


def _slow_down(account: Account, box: Box, now: float) -> None:
    last = next(box.newest_first(account.id), None)
    if last is not None:
        left = box.dates[last - 1] + phonebook.SLOWMODE_SECONDS - now
        if left > 0:
            raise RpcError(420, f"SLOWMODE_WAIT_{ceil(left)}")


def _checked(
    account: Account,
    text: str,
    entities: list[types.TypeMessageEntity] | None,
) -> list[types.TypeMessageEntity] | None:
    """The entities as they are kept. Raises what is wrong with the message itself."""
    if not text.strip():
        raise RpcError(400, "MESSAGE_EMPTY")
    if not entities and len(text) <= MAX_LENGTH // 2:
        return None
    length = len(text.encode("utf-16-le")) // 2
    if length > MAX_LENGTH:
        raise RpcError(400, "MESSAGE_TOO_LONG")
    kept: list[types.TypeMessageEntity] = []
    for entity in (entities or ())[:MAX_ENTITIES]:
        if entity.offset < 0 or entity.length < 1 or entity.offset + entity.length > length:
            raise RpcError(400, "ENTITY_BOUNDS_INVALID")
        if isinstance(entity, types.InputMessageEntityMentionName):
            mentioned = address(account, entity.user_id)
            kept.append(types.MessageEntityMentionName(entity.offset, entity.length, mentioned))
        else:
            kept.append(entity)
    return kept or None


def _updates(state: State, account: Account, peer: int, box: Box, number: int) -> types.Updates:
    message = message_of(state, account, box, number)
    new = types.UpdateNewChannelMessage if box.is_channel else types.UpdateNewMessage
    users, chats = users_and_chats(state, account, (account.id, peer))
    return types.Updates(
        updates=[
            types.UpdateMessageID(id=number, random_id=box.random_ids[number - 1]),
            new(message=message, pts=number + 1, pts_count=1),
        ],
        users=users,
        chats=chats,
        date=message.date,
        seq=0,
    )


def _asked_for(ids: Iterable[object]) -> list[int]:
    return [asked.id for asked in ids if isinstance(asked, types.InputMessageID)]


def _messages(
    state: State, account: Account, box: Box, numbers: list[int], total: int | None = None
) -> Messages:
    found = [
        message_of(state, account, box, number)
        if 0 < number <= len(box)
        else types.MessageEmpty(number, peer_id=None)
        for number in numbers
    ]
    senders_and_peers = {account.id}
    for number in numbers:
        if 0 < number <= len(box):
            senders_and_peers.add(box.others[number - 1])
    if box.is_channel:
        senders_and_peers.add(box.owner)
    users, chats = users_and_chats(state, account, sorted(senders_and_peers))
    if box.is_channel:
        return types.messages.ChannelMessages(
            pts=_pts(box),
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
