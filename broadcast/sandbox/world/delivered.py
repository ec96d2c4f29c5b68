"""Shows what has arrived, and what will: to people and tests, not to clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broadcast.sandbox.memory.arrived import Delivered
from broadcast.sandbox.memory.message_body import NO_EXTRA, album_id
from broadcast.sandbox.memory.message_log import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broadcast.sandbox.memory.message_body import Body
    from broadcast.sandbox.memory.message_log import MessageLog
    from broadcast.sandbox.memory.schedule import ScheduledMessage
    from broadcast.sandbox.memory.state import State


def inbox(state: State, log: MessageLog, *, deleted: bool) -> Iterator[Delivered]:
    """The messages of one log, oldest first; with `deleted` also those that are gone."""
    for number in range(1, len(log) + 1):
        if log.is_channel and log.others[number - 1] == log.owner:
            continue  # it was there before anybody sent anything
        if deleted or log.deleted_at(number) is None:
            yield delivered(state, log, number)


def delivered(state: State, log: MessageLog, number: int) -> Delivered:
    """What arrived with this message."""
    sender, peer = log.sides(number)
    body, date = state.body(log, number), log.dates[number - 1]
    extra = body.extra or NO_EXTRA
    return _told(
        state,
        body,
        sender=sender,
        peer=peer,
        message_id=number,
        random_id=log.random_ids[number - 1],
        date=date,
        edited=log.edited_at(number),
        deleted=log.deleted_at(number),
        pinned=log.pins.get(number) is EventKind.PINNED,
        album=None if extra.album is None else album_id(log.owner, number, extra.album),
        scheduled=date if extra.from_scheduled else None,
    )


def will_be_delivered(state: State, waiting: ScheduledMessage) -> Delivered:
    """What will arrive with a message that waits; `message_id` is its scheduled one."""
    place = waiting.body.extra and waiting.body.extra.album
    return _told(
        state,
        waiting.body,
        sender=waiting.account,
        peer=waiting.peer,
        message_id=waiting.number,
        random_id=waiting.random_id,
        date=waiting.made,
        album=None if place is None else album_id(waiting.peer, waiting.number, place),
        scheduled=waiting.at,
    )


def _told(state: State, body: Body, *, peer: int, **more: Any) -> Delivered:
    extra = body.extra or NO_EXTRA
    return Delivered(
        peer=peer,
        title=state.title(peer),
        text=body.text,
        entities=body.entities,
        file=None if extra.file is None else state.files[extra.file],
        spoiler=extra.spoiler,
        buttons=extra.buttons,
        silent=extra.silent,
        protected=extra.protected or state.is_protected(peer),
        no_webpage=extra.no_webpage,
        invert_media=extra.invert_media,
        topic=extra.topic,
        reply_to=extra.reply_to,
        quote=extra.quote,
        forwarded_from=extra.origin,
        effect=extra.effect,
        send_as=extra.send_as,
        **more,
    )
