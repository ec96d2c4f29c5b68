"""Tells what has arrived, and what will; it shows it to people, no client hears of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broadcast.sandbox.world.message_log import Kind
from broadcast.sandbox.world.values import NO_EXTRA, Delivered, album_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broadcast.sandbox.world.due import Waiting
    from broadcast.sandbox.world.message_log import Box
    from broadcast.sandbox.world.state import State
    from broadcast.sandbox.world.values import Body


def inbox(state: State, box: Box, *, deleted: bool) -> Iterator[Delivered]:
    """The messages of one box, oldest first; with `deleted` also those that are gone."""
    for number in range(1, len(box) + 1):
        if box.is_channel and box.others[number - 1] == box.owner:
            continue  # it was there before anybody sent anything
        if deleted or box.deleted_at(number) is None:
            yield delivered(state, box, number)


def delivered(state: State, box: Box, number: int) -> Delivered:
    """What arrived with this message."""
    other = box.others[number - 1]
    sender, peer = (other, box.owner) if box.is_channel else (box.owner, other)
    body, date = state.body(box, number), box.dates[number - 1]
    extra = body.extra or NO_EXTRA
    return _told(
        state,
        body,
        sender=sender,
        peer=peer,
        message_id=number,
        random_id=box.random_ids[number - 1],
        date=date,
        edited=box.edited_at(number),
        deleted=box.deleted_at(number),
        pinned=box.pins.get(number) is Kind.PINNED,
        album=None if extra.album is None else album_id(box.owner, number, extra.album),
        scheduled=date if extra.from_scheduled else None,
    )


def will_be_delivered(state: State, waiting: Waiting) -> Delivered:
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
