"""Sends messages by Telegram's rules: texts, files, albums; it delivers to nobody's screen.

The rule that everything else rests on, from https://core.telegram.org/api/updates: a random_id used
again towards the same peer, from any session of the account, at any time, returns the message of
the first call, whatever the text is now. An error is raised before anything is stored.
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from telethon.tl import functions, types

from broadcast.sandbox.memory.message_body import NO_EXTRA, Body
from broadcast.sandbox.memory.schedule import ScheduledMessage
from broadcast.sandbox.people.behaviour import CHANNEL_MARK
from broadcast.sandbox.world.flood_waits import is_new_stranger, pace
from broadcast.sandbox.world.input_peers import address
from broadcast.sandbox.world.media import album_kind, prepare
from broadcast.sandbox.world.name_rules import refuse, refuse_files
from broadcast.sandbox.world.original_posts import log_of
from broadcast.sandbox.world.rpc_error import RpcError
from broadcast.sandbox.world.scheduled_messages import time_of
from broadcast.sandbox.world.sending_options import extra_of, or_none
from broadcast.sandbox.world.shown_messages import new_message, scheduled_message, updates_of
from broadcast.sandbox.world.text_checks import checked_caption, checked_text, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_body import Extra, File
    from broadcast.sandbox.memory.message_log import MessageLog
    from broadcast.sandbox.memory.state import State
    from broadcast.sandbox.world.sending_options import Request
    from broadcast.sandbox.world.text_checks import Entities

Sent = types.UpdateShortSentMessage | types.Updates


class Draft(NamedTuple):
    """A message that may be sent: its file has a number once it is known. `group` makes albums."""

    random_id: int
    text: str
    entities: tuple[bytes, ...]
    extra: Extra | None = None
    file: File | None = None
    group: int | None = None


_Repeat = tuple[int, int | None, int | None]  # random_id, and a message or a scheduled one


def send_message(
    state: State, account: Account, request: functions.messages.SendMessageRequest, now: float
) -> Sent:
    """messages.sendMessage: a new message to a person gets the short answer."""
    peer, random_id = address(account, request.peer), request.random_id
    if not random_id:
        raise RpcError(400, "RANDOM_ID_EMPTY")
    waits = state.queue and state.queue.find(account.id, peer, random_id)
    if not waits and not _has_more(state, peer, request):
        return _send_plain(state, account, peer, request, now)
    checked: list[Entities] = []

    def draft(log: MessageLog) -> list[Draft]:
        checked.append(checked_text(state.limits, account, request.message, request.entities))
        extra = extra_of(state, account, peer, log, request)
        return [Draft(random_id, request.message, written(checked[0]), or_none(extra))]

    sent = send(state, account, peer, request, (random_id,), draft=draft, now=now)
    log = log_of(state, account, peer)
    if checked and peer > 0 and log.find(peer, random_id):
        return _short(len(log), log, checked[0], now)
    return sent


def _send_plain(
    state: State,
    account: Account,
    peer: int,
    request: functions.messages.SendMessageRequest,
    now: float,
) -> Sent:
    """What `send` does, for a text with nothing beside it: those are sent by the million."""
    log = log_of(state, account, peer)
    other = account.id if log.is_channel else peer
    first = log.find(other, request.random_id)
    chat, skips_floods = None if first else peer, bool(request.allow_paid_floodskip)
    paid = pace(state, account, now, chat=chat, skips_floods=skips_floods)
    if first:
        return _told(state, account, peer, [(request.random_id, first, None)], now)
    entities = checked_text(state.limits, account, request.message, request.entities)
    is_stranger = is_new_stranger(state, account, peer, now)
    refuse(state, account, peer, now, stars=request.allow_paid_stars)
    body = Body(request.message, written(entities))
    number = state.store(log, other, request.random_id, body, now)
    if is_stranger:
        state.meet(account, peer, now)
    if paid:
        state.charge(account, paid)
    if peer < 0:
        return _told(state, account, peer, [(request.random_id, number, None)], now)
    return _short(number, log, entities, now)


def send_media(
    state: State, account: Account, request: functions.messages.SendMediaRequest, now: float
) -> Sent:
    """messages.sendMedia: one file with a caption."""
    peer = address(account, request.peer)

    def draft(log: MessageLog) -> list[Draft]:
        extra = extra_of(state, account, peer, log, request)
        return [_with_media(state, account, request, extra, now)]

    return send(state, account, peer, request, (request.random_id,), draft=draft, now=now)


def send(
    state: State,
    account: Account,
    peer: int,
    request: Request,
    random_ids: Sequence[int],
    *,
    draft: Callable[[MessageLog], list[Draft]],
    now: float,
) -> types.Updates:
    """Send what `draft` says, but for what was sent already, now or when its time comes.

    `draft` raises what is wrong with the messages themselves; it is asked when at least one of them
    is new.
    """
    if not all(random_ids):
        raise RpcError(400, "RANDOM_ID_EMPTY")
    log = log_of(state, account, peer)
    repeats = [_repeat(state, account, peer, log, random_id) for random_id in random_ids]
    new = {random_id for random_id, sent, waits in repeats if sent is None and waits is None}
    skips_floods = bool(request.allow_paid_floodskip)
    wait = None
    if new:
        asked = request.schedule_date
        if getattr(request, "schedule_repeat_period", None):
            raise RpcError(403, "PREMIUM_ACCOUNT_REQUIRED")  # sending it once would be a lie
        wait = time_of(state, account, peer, asked, count=len(new), now=now)
    chat = peer if new and wait is None else None
    paid = pace(state, account, now, chat=chat, skips_floods=skips_floods, count=max(len(new), 1))
    if not new:
        return _told(state, account, peer, repeats, now)
    drafts = [each for each in draft(log) if each.random_id in new]
    is_stranger = is_new_stranger(state, account, peer, now)
    refuse(state, account, peer, now, stars=request.allow_paid_stars, count=len(drafts))
    refuse_files(state, peer, (file.kind for each in drafts if (file := _file_of(state, each))))
    bodies = _bodies(state, drafts)
    if wait is not None:
        for each, kept in zip(drafts, bodies, strict=True):
            number = state.queue.next_number(account.id, peer)
            state.schedule(
                ScheduledMessage(account.id, peer, number, each.random_id, kept, wait, now)
            )
    else:
        other = account.id if log.is_channel else peer
        for each, kept in zip(drafts, bodies, strict=True):
            state.store(log, other, each.random_id, kept, now)
    if is_stranger:
        state.meet(account, peer, now)
    if paid:
        state.charge(account, paid)
    repeats = [_repeat(state, account, peer, log, random_id) for random_id in random_ids]
    return _told(state, account, peer, repeats, now)


def first_repeated(
    state: State, account: Account, request: Request
) -> tuple[MessageLog, int] | None:
    """Where the message is that this request sends once more; None when it is the first time."""
    if isinstance(request, functions.messages.ForwardMessagesRequest):
        peer, random_ids = address(account, request.to_peer), request.random_id
    elif isinstance(request, functions.messages.SendMultiMediaRequest):
        peer = address(account, request.peer)
        random_ids = [single.random_id for single in request.multi_media]
    else:
        peer, random_ids = address(account, request.peer), [request.random_id]
    log = log_of(state, account, peer)
    for random_id in random_ids:
        _, number, _ = _repeat(state, account, peer, log, random_id)
        if number is not None:
            return log, number
    return None


def send_multi_media(
    state: State, account: Account, request: functions.messages.SendMultiMediaRequest, now: float
) -> Sent:
    """messages.sendMultiMedia: an album, whose files were uploaded with messages.uploadMedia.

    Photos and videos go together, documents and audio only with their like:
    https://core.telegram.org/bots/api#sendmediagroup.
    """
    peer, singles, limits = address(account, request.peer), request.multi_media, state.limits
    if len(singles) > limits.album:
        raise RpcError(400, "MULTI_MEDIA_TOO_LONG")
    if len(singles) < 2:
        raise RpcError(400, "MEDIA_EMPTY")
    random_ids = [single.random_id for single in singles]
    if len(set(random_ids)) < len(random_ids):
        raise RpcError(500, "RANDOM_ID_DUPLICATE")

    def draft(log: MessageLog) -> list[Draft]:
        extra = extra_of(state, account, peer, log, request)
        drafts: list[Draft] = []
        for place, single in enumerate(singles):
            if isinstance(
                single.media, types.InputMediaUploadedPhoto | types.InputMediaUploadedDocument
            ):
                raise RpcError(400, "MEDIA_INVALID")  # "not supported", says the method's page
            try:
                drafts.append(_with_media(state, account, single, extra, now))
            except RpcError as error:
                if not error.name.startswith("FILE_REFERENCE_"):
                    raise
                name = error.name.replace("REFERENCE", f"REFERENCE_{place}")
                raise RpcError(error.code, name) from None
        _check_kinds(state, drafts)
        return [each._replace(group=0) for each in drafts]

    return send(state, account, peer, request, random_ids, draft=draft, now=now)


def _file_of(state: State, draft: Draft) -> File | None:
    number = draft.extra and draft.extra.file
    return draft.file if number is None else state.files[number]


def _check_kinds(state: State, drafts: list[Draft]) -> None:
    kinds = {album_kind(file) for draft in drafts if (file := _file_of(state, draft))}
    if len(kinds) > 1 or None in kinds:
        raise RpcError(400, "MEDIA_INVALID")


def _with_media(
    state: State,
    account: Account,
    single: functions.messages.SendMediaRequest | types.InputSingleMedia,
    extra: Extra,
    now: float,
) -> Draft:
    entities = checked_caption(state.limits, account, single.message, single.entities)
    prepared = prepare(state, account, single.media, now)
    extra = replace(extra, file=prepared.number, spoiler=prepared.spoiler)
    file = prepared.file if prepared.number is None else None
    return Draft(single.random_id, single.message, written(entities), extra, file)


def _has_more(state: State, peer: int, request: functions.messages.SendMessageRequest) -> bool:
    """Whether anything goes with the text, or it is to be sent later."""
    return bool(
        request.silent
        or request.noforwards
        or request.no_webpage
        or request.invert_media
        or request.reply_to
        or request.reply_markup
        or request.send_as
        or request.effect
        or request.schedule_date
        or (peer < -CHANNEL_MARK and state.is_forum(peer))
    )


def _bodies(state: State, drafts: list[Draft]) -> list[Body]:
    """What is kept of the drafts. Those of one group, if there are several, become an album."""
    bodies: list[Body] = []
    for group, together in groupby(drafts, key=lambda each: each.group):
        members = list(together)
        for place, draft in enumerate(members):
            extra = draft.extra
            if draft.file:
                extra = replace(extra or NO_EXTRA, file=state.add_file(draft.file))
            if group is not None and len(members) > 1:
                extra = replace(extra or NO_EXTRA, album=place)
            bodies.append(Body(draft.text, draft.entities, extra))
    return bodies


def _short(
    number: int, log: MessageLog, entities: Entities, now: float
) -> types.UpdateShortSentMessage:
    return types.UpdateShortSentMessage(
        id=number,
        pts=log.pts,
        pts_count=1,
        date=datetime.fromtimestamp(int(now), UTC),
        out=True,
        entities=entities,
    )


def _repeat(state: State, account: Account, peer: int, log: MessageLog, random_id: int) -> _Repeat:
    """What was sent, or scheduled, under this random_id before."""
    sent = log.find(account.id if log.is_channel else peer, random_id)
    waits = None
    if sent is None and state.queue:
        waits = state.queue.find(account.id, peer, random_id)
    return random_id, sent, waits


def _told(
    state: State, account: Account, peer: int, repeats: list[_Repeat], now: float
) -> types.Updates:
    """The answer to messages that are there; of one that is gone, only that it had this id."""
    log = log_of(state, account, peer)
    updates: list[types.TypeUpdate] = [
        types.UpdateMessageID(id=sent or waits or 0, random_id=random_id)
        for random_id, sent, waits in repeats
    ]
    when = now
    for _, sent, waits in repeats:
        if sent is not None:
            when = log.dates[sent - 1]
            if log.shows(sent):
                updates.append(new_message(state, account, log, sent))
        elif waits is not None and (waiting := state.queue.get(account.id, peer, waits)):
            shown = scheduled_message(state, account, waiting)
            updates.append(types.UpdateNewScheduledMessage(shown))
    return updates_of(state, account, peer, updates, when)
