"""A message -> the request that sends it; it asks nobody and sends nothing.

Which flag each method takes: https://core.telegram.org/method/messages.sendMessage, and likewise
sendMedia, sendMultiMedia and forwardMessages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from telethon.tl import functions, types

from broadcast.core.model import LinkPreview
from broadcast.message.text import parts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from broadcast.core.model import Button, Message


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a request needs beside the message: who is named in it, resolved, and when.

    `media` are the files as Telegram takes them, `source` is where a forward comes from, `topic`
    that of a forum, `at` the moment for which Telegram is to keep it.
    """

    media: tuple[Any, ...] = field(default=(), repr=False)
    send_as: Any = None
    source: Any = None
    topic: int | None = None
    at: datetime | None = None
    pays: bool = False


PLAIN = RequestContext()


def numbers_needed(message: Message, part: int) -> int:
    """How many random_ids the request of this part has: one for each message that it makes."""
    return max(len(message.files), 1) if part == 0 else 1


def request_of(
    message: Message, part: int, context: RequestContext, peer: Any, numbers: Sequence[int]
) -> Any:
    """The request that sends part `part` of `message` to an input peer."""
    flags: dict[str, Any] = {
        "silent": message.silent or None,
        "noforwards": message.protect or None,
        "allow_paid_floodskip": context.pays or None,
        "schedule_date": context.at,
        "send_as": context.send_as,
        "effect": message.effect if part == 0 else None,
    }
    if message.forward is not None:
        return functions.messages.ForwardMessagesRequest(
            from_peer=context.source,
            id=[message.forward.message_id],
            random_id=[numbers[0]],
            to_peer=peer,
            drop_author=not message.forward.with_author or None,
            top_msg_id=context.topic,
            **flags,
        )
    text, entities = parts(message)[part] if message.text else ("", ())
    flags["reply_to"] = _reply_to(message, context.topic)
    above = message.link_preview is LinkPreview.ABOVE or None
    if part > 0 or not message.files:
        return functions.messages.SendMessageRequest(
            peer=peer,
            message=text,
            entities=list(entities) or None,
            random_id=numbers[0],
            no_webpage=message.link_preview is LinkPreview.OFF or None,
            invert_media=above,
            reply_markup=_markup(message.buttons),
            **flags,
        )
    if len(context.media) == 1:
        return functions.messages.SendMediaRequest(
            peer=peer,
            media=context.media[0],
            message=text,
            entities=list(entities) or None,
            random_id=numbers[0],
            invert_media=above,
            reply_markup=_markup(message.buttons),
            **flags,
        )
    album = [
        types.InputSingleMedia(
            media=media,
            message="" if index else text,  # the first one's caption is the album's
            entities=None if index else list(entities) or None,
            random_id=number,
        )
        for index, (media, number) in enumerate(zip(context.media, numbers, strict=True))
    ]
    return functions.messages.SendMultiMediaRequest(
        peer=peer, multi_media=album, invert_media=above, **flags
    )


def edit_of(message: Message, peer: Any, message_id: int) -> Any:
    """The request that gives a message the text of `message`; the buttons go unless repeated."""
    ((text, entities),) = parts(message)
    return functions.messages.EditMessageRequest(
        peer=peer,
        id=message_id,
        message=text,
        entities=list(entities),
        no_webpage=message.link_preview is LinkPreview.OFF or None,
        invert_media=message.link_preview is LinkPreview.ABOVE or None,
        reply_markup=_markup(message.buttons),
    )


def _reply_to(message: Message, topic: int | None) -> Any:
    """What is replied to; the first message of a topic stands for the topic.

    https://core.telegram.org/api/forum#forum-topics
    """
    if message.reply_to is not None:
        return types.InputReplyToMessage(message.reply_to, top_msg_id=topic)
    return None if topic is None else types.InputReplyToMessage(topic)


def _markup(rows: Sequence[Sequence[Button]]) -> Any:
    if not rows:
        return None
    return types.ReplyInlineMarkup(
        [_ROW([_link(button.text, button.url) for button in row]) for row in rows]
    )


# Before 1.45 Telethon has the buttons of an older layer of Telegram's API.
_IS_OLDER = not hasattr(types, "KeyboardInlineButton")
_ROW: Any = types.KeyboardButtonRow if _IS_OLDER else types.KeyboardInlineButtonRow


def _link(text: str, url: str) -> Any:
    if _IS_OLDER:
        older: Any = types
        return older.KeyboardButtonUrl(text, url)
    return types.KeyboardInlineButton(text, types.InlineButtonTypeUrl(url))
