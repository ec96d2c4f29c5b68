"""Checks the options of a message: silent, a topic, a reply, an effect, buttons."""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from telethon.tl import functions, types

from broadcast.core.peers import CHANNEL_OFFSET
from broadcast.sandbox.memory.message_body import NO_EXTRA, Extra
from broadcast.sandbox.people.phonebook import Kind
from broadcast.sandbox.world.buttons import checked_buttons
from broadcast.sandbox.world.input_peers import address, administers
from broadcast.sandbox.world.rpc_error import RpcError
from broadcast.sandbox.world.topics import opens_topic, topic_of

if TYPE_CHECKING:
    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_log import MessageLog
    from broadcast.sandbox.memory.state import State

EFFECTS = frozenset(
    {
        5104841245755180586,  # fire
        5107584321108051014,  # thumbs up
        5104858069142078462,  # thumbs down
        5159385139981059251,  # heart
        5046509860389126442,  # party
        5046589136895476101,  # poo
    }
)
"""The effects for everybody, of those that messages.getAvailableEffects lists."""

Request = (
    functions.messages.SendMessageRequest
    | functions.messages.SendMediaRequest
    | functions.messages.SendMultiMediaRequest
    | functions.messages.ForwardMessagesRequest
)


class _Place(NamedTuple):
    """Where in a chat a message goes."""

    reply_to: int | None = None
    topic: int | None = None
    quote: str = ""


def extra_of(state: State, account: Account, peer: int, log: MessageLog, request: Request) -> Extra:
    """All options of a request. Raises RpcError."""
    place = _place(state, account, peer, log, request)
    limits = state.limits
    markup = getattr(request, "reply_markup", None)
    return Extra(
        silent=bool(request.silent),
        # "Only for bots": https://core.telegram.org/method/messages.sendMessage
        protected=bool(request.noforwards) and account.is_bot,
        no_webpage=bool(getattr(request, "no_webpage", None)),
        invert_media=bool(getattr(request, "invert_media", None)),
        reply_to=place.reply_to,
        quote=place.quote,
        topic=place.topic,
        send_as=_send_as(state, account, peer, request.send_as),
        effect=_effect(peer, request.effect),
        buttons=checked_buttons(account, markup, most=limits.buttons, in_row=limits.buttons_in_row),
    )


def or_none(extra: Extra) -> Extra | None:
    """None if nothing goes with the message."""
    return None if extra == NO_EXTRA else extra


def _place(state: State, account: Account, peer: int, log: MessageLog, request: Request) -> _Place:
    asked = request.reply_to
    top = getattr(request, "top_msg_id", None)
    reply, quote = None, ""
    if isinstance(asked, types.InputReplyToMessage):
        other_chat = asked.reply_to_peer_id
        if other_chat and address(account, other_chat) != peer:
            raise RpcError(400, "REPLY_TO_INVALID")  # Telegram allows it, the sandbox does not
        reply, quote = asked.reply_to_msg_id or None, asked.quote_text or ""
        top = asked.top_msg_id or top
    elif asked is not None:
        raise RpcError(400, "REPLY_TO_INVALID")
    topic = None
    if peer < -CHANNEL_OFFSET and state.is_forum(peer):
        topic = topic_of(state, log, reply, top)
        if opens_topic(reply):
            reply = None
    elif top and not log.shows(top):  # the first message of a thread, in other groups
        raise RpcError(400, "TOPIC_ID_INVALID")
    if reply is not None:
        _check_reply(state, peer, log, reply, quote)
    return _Place(reply, topic, quote)


def _check_reply(state: State, peer: int, log: MessageLog, reply: int, quote: str) -> None:
    """https://core.telegram.org/method/messages.sendMessage: REPLY_MESSAGE_ID_INVALID."""
    if not log.shows_in(peer, reply):
        raise RpcError(400, "REPLY_MESSAGE_ID_INVALID")
    if quote not in state.body(log, reply).text:
        raise RpcError(400, "QUOTE_TEXT_INVALID")


def _send_as(state: State, account: Account, peer: int, asked: object) -> int | None:
    """The channel in whose name a supergroup gets the message; None for oneself.

    https://core.telegram.org/api/send-as: in supergroups; a channel posts as itself.
    """
    if asked is None:
        return None
    author = address(account, asked)
    if peer < -CHANNEL_OFFSET:
        is_group = state.entry(peer).kind is Kind.SUPERGROUP
        is_own = author < -CHANNEL_OFFSET and administers(state, author) and not account.is_bot
        if author in (account.id, peer):
            return None
        if is_group and is_own:
            return author
    raise RpcError(400, "SEND_AS_PEER_INVALID")


def _effect(peer: int, effect: int | None) -> int | None:
    """https://core.telegram.org/api/effects: in private chats only."""
    if effect and (peer < 0 or effect not in EFFECTS):
        raise RpcError(400, "EFFECT_ID_INVALID")
    return effect or None
