"""Forwards messages that are there, with their author or without; nothing is uploaded for it."""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from broadcast.sandbox.people import phonebook
from broadcast.sandbox.people.phonebook import Kind
from broadcast.sandbox.world.extras import extra_of, or_none
from broadcast.sandbox.world.input_peers import address
from broadcast.sandbox.world.messages import box_to_read
from broadcast.sandbox.world.sending import Draft, send
from broadcast.sandbox.world.values import NO_EXTRA, Origin, RpcError

if TYPE_CHECKING:
    from telethon.tl import functions, types

    from broadcast.sandbox.world.message_log import Box
    from broadcast.sandbox.world.state import State
    from broadcast.sandbox.world.values import Account, Extra

MOST_AT_ONCE = 100
"""`forwarded_count_max` of https://core.telegram.org/constructor/config."""


def forward_messages(
    state: State, account: Account, request: functions.messages.ForwardMessagesRequest, now: float
) -> types.Updates:
    """messages.forwardMessages: https://core.telegram.org/method/messages.forwardMessages.

    Messages that were an album are one again. The order is that of the ids, as they are named.
    """
    source, peer = address(account, request.from_peer), address(account, request.to_peer)
    numbers, random_ids = request.id, request.random_id
    if not numbers:
        raise RpcError(400, "MESSAGE_IDS_EMPTY")
    if len(numbers) > MOST_AT_ONCE:
        raise RpcError(400, "LIMIT_INVALID")  # ours: how Telegram says it is not published
    if len(set(random_ids)) != len(numbers):
        raise RpcError(400, "RANDOM_ID_INVALID")
    if state.rule_of(peer) is phonebook.SLOWMODE and peer < 0 and len(numbers) > 1:
        raise RpcError(400, "SLOWMODE_MULTI_MSGS_DISABLED")

    def draft(box: Box) -> list[Draft]:
        common = extra_of(state, account, peer, box, request)
        origin_box = _readable(state, account, source)
        for number in numbers:
            _check(state, origin_box, source, number)
        return [
            _copy(state, origin_box, number, request, common)._replace(random_id=random_id)
            for number, random_id in zip(numbers, random_ids, strict=True)
        ]

    return send(state, account, peer, request, random_ids, draft=draft, now=now)


def _readable(state: State, account: Account, source: int) -> Box:
    rule = state.rule_of(source)
    if source < 0 and rule is phonebook.PRIVATE:
        raise RpcError(400, "CHANNEL_PRIVATE")
    return box_to_read(state, account, source)


def _check(state: State, box: Box, source: int, number: int) -> None:
    if not box.shows(number) or not (box.is_channel or box.others[number - 1] == source):
        raise RpcError(400, "MESSAGE_ID_INVALID")
    extra = state.body(box, number).extra or NO_EXTRA
    if extra.topic_title:
        raise RpcError(400, "MESSAGE_ID_INVALID")
    if extra.protected or state.is_protected(source):
        raise RpcError(406, "CHAT_FORWARDS_RESTRICTED")


def _copy(
    state: State,
    box: Box,
    number: int,
    request: functions.messages.ForwardMessagesRequest,
    common: Extra,
) -> Draft:
    text, entities, kept = state.body(box, number)
    kept = kept or NO_EXTRA
    extra = replace(
        common,
        file=kept.file,
        spoiler=kept.spoiler,
        no_webpage=kept.no_webpage,
        invert_media=kept.invert_media,
        buttons=kept.buttons,
        origin=None if request.drop_author else kept.origin or _origin(state, box, number),
    )
    if request.drop_media_captions and kept.file is not None:
        text, entities = "", ()
    group = None if kept.album is None else number - kept.album
    return Draft(0, text, entities, or_none(extra), group=group)


def _origin(state: State, box: Box, number: int) -> Origin:
    """https://core.telegram.org/constructor/messageFwdHeader: of a channel's post also which."""
    date = box.dates[number - 1]
    if box.is_channel and state.entry(box.owner).kind is Kind.CHANNEL:
        return Origin(box.owner, date, number)
    extra = state.body(box, number).extra or NO_EXTRA
    return Origin(extra.send_as or (box.others[number - 1] if box.is_channel else box.owner), date)
