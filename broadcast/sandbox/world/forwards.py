"""Forwards messages, with their author or without; files need not be uploaded again."""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from broadcast.sandbox.memory.message_body import NO_EXTRA, Origin
from broadcast.sandbox.people import behaviour
from broadcast.sandbox.people.phonebook import Kind
from broadcast.sandbox.world.input_peers import address
from broadcast.sandbox.world.rpc_error import RpcError
from broadcast.sandbox.world.send_once import Draft, send
from broadcast.sandbox.world.sending_options import extra_of, or_none
from broadcast.sandbox.world.shown_messages import log_to_read

if TYPE_CHECKING:
    from telethon.tl import functions, types

    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_body import Extra
    from broadcast.sandbox.memory.message_log import MessageLog
    from broadcast.sandbox.memory.state import State

MOST_AT_ONCE = 100
"""`forwarded_count_max` of https://core.telegram.org/constructor/config."""


def forward_messages(
    state: State, account: Account, request: functions.messages.ForwardMessagesRequest, now: float
) -> types.Updates:
    """messages.forwardMessages: https://core.telegram.org/method/messages.forwardMessages.

    An album stays an album. The order is that of the ids in the request.
    """
    source, peer = address(account, request.from_peer), address(account, request.to_peer)
    numbers, random_ids = request.id, request.random_id
    if not numbers:
        raise RpcError(400, "MESSAGE_IDS_EMPTY")
    if len(numbers) > MOST_AT_ONCE:
        raise RpcError(400, "LIMIT_INVALID")  # ours: Telegram's error is not published
    if len(set(random_ids)) != len(numbers):
        raise RpcError(400, "RANDOM_ID_INVALID")
    if state.rule_of(peer) is behaviour.SLOWMODE and peer < 0 and len(numbers) > 1:
        raise RpcError(400, "SLOWMODE_MULTI_MSGS_DISABLED")

    def draft(log: MessageLog) -> list[Draft]:
        common = extra_of(state, account, peer, log, request)
        origin_log = _readable(state, account, source)
        for number in numbers:
            _check(state, origin_log, source, number)
        return [
            _copy(state, origin_log, number, request, common)._replace(random_id=random_id)
            for number, random_id in zip(numbers, random_ids, strict=True)
        ]

    return send(state, account, peer, request, random_ids, draft=draft, now=now)


def _readable(state: State, account: Account, source: int) -> MessageLog:
    rule = state.rule_of(source)
    if source < 0 and rule is behaviour.PRIVATE:
        raise RpcError(400, "CHANNEL_PRIVATE")
    return log_to_read(state, account, source)


def _check(state: State, log: MessageLog, source: int, number: int) -> None:
    if not log.shows_in(source, number):
        raise RpcError(400, "MESSAGE_ID_INVALID")
    extra = state.body(log, number).extra or NO_EXTRA
    if extra.topic_title:
        raise RpcError(400, "MESSAGE_ID_INVALID")
    if extra.protected or state.is_protected(source):
        raise RpcError(406, "CHAT_FORWARDS_RESTRICTED")


def _copy(
    state: State,
    log: MessageLog,
    number: int,
    request: functions.messages.ForwardMessagesRequest,
    common: Extra,
) -> Draft:
    text, entities, kept = state.body(log, number)
    kept = kept or NO_EXTRA
    extra = replace(
        common,
        file=kept.file,
        spoiler=kept.spoiler,
        no_webpage=kept.no_webpage,
        invert_media=kept.invert_media,
        buttons=kept.buttons,
        origin=None if request.drop_author else kept.origin or _origin(state, log, number),
    )
    if request.drop_media_captions and kept.file is not None:
        text, entities = "", ()
    group = None if kept.album is None else number - kept.album
    return Draft(0, text, entities, or_none(extra), group=group)


def _origin(state: State, log: MessageLog, number: int) -> Origin:
    """https://core.telegram.org/constructor/messageFwdHeader: also a post's number."""
    date = log.dates[number - 1]
    if log.is_channel and state.entry(log.owner).kind is Kind.CHANNEL:
        return Origin(log.owner, date, number)
    extra = state.body(log, number).extra or NO_EXTRA
    return Origin(extra.send_as or (log.others[number - 1] if log.is_channel else log.owner), date)
