"""A message -> the request that sends it, and what its answer says; it sends nothing itself.

Which flag each method takes: https://core.telegram.org/method/messages.sendMessage, and likewise
sendMedia, sendMultiMedia and forwardMessages.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from broadcast.core.classify import WRONG_ANSWER
from broadcast.core.model import LinkPreview, Sent
from broadcast.message.text import parts
from broadcast.telegram.error_translation import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from broadcast.core.model import Button, Message, Outcome
    from broadcast.telegram.uploads import Stored

# An UpdateShortSentMessage begins with its constructor, its flags and the id of the message.
_SHORT_ANSWER = struct.pack("<I", types.UpdateShortSentMessage.CONSTRUCTOR_ID)
_ID = struct.Struct("<8xi")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a request needs beside the message: who is named in it, resolved, and when.

    `stored` is where the files are, `source` where a forward comes from, `topic` that of a forum,
    `at` the moment for which Telegram is to keep it.
    """

    stored: tuple[Stored, ...] = field(default=(), repr=False)
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
    text, found = parts(message)[part]
    entities: list[Any] | None = list(found) or None
    flags["peer"] = peer
    flags["reply_to"] = _reply_to(message, context.topic)
    flags["invert_media"] = message.link_preview is LinkPreview.ABOVE or None
    files = zip(context.stored, message.files, strict=True) if part == 0 else ()
    media = [stored.input_media(spoiler=file.spoiler) for stored, file in files]
    if len(media) > 1:
        album = [
            types.InputSingleMedia(media=file, message="", random_id=number)
            for file, number in zip(media, numbers, strict=True)
        ]
        album[0].message, album[0].entities = text, entities  # the first one's are the album's
        return functions.messages.SendMultiMediaRequest(multi_media=album, **flags)
    flags["message"], flags["entities"] = text, entities
    flags["random_id"] = numbers[0]
    flags["reply_markup"] = _markup(message.buttons)
    if media:
        return functions.messages.SendMediaRequest(media=media[0], **flags)
    no_webpage = message.link_preview is LinkPreview.OFF or None
    return functions.messages.SendMessageRequest(no_webpage=no_webpage, **flags)


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


CHANGES = (
    types.Updates,
    types.UpdatesCombined,
    types.UpdateShort,
    types.UpdateShortMessage,
    types.UpdateShortChatMessage,
    types.UpdateShortSentMessage,
    types.UpdatesTooLong,
    types.messages.AffectedMessages,
)
"""How a message that was sent, edited, pinned or deleted is answered, if it was:
https://core.telegram.org/type/Updates and https://core.telegram.org/type/messages.AffectedMessages"""


def message_ids_of(answer: Any, numbers: Sequence[int]) -> list[int]:
    """The ids of the messages that `numbers`, their random_ids, made; empty when none is told.

    The first send to a user is answered by UpdateShortSentMessage, a repeat and any send to a
    chat by Updates: https://core.telegram.org/api/updates
    """
    if isinstance(answer, types.UpdateShortSentMessage):
        return [answer.id]
    told = {
        update.random_id: update.id
        for update in getattr(answer, "updates", ())
        if isinstance(update, types.UpdateMessageID)
    }
    return [told[number] for number in numbers if number in told]


def outcome_in(answer: bytes, random_id: int, start: int = 0) -> Outcome:
    """What a serialised answer says of the message that `random_id` made.

    Of a short answer only the id is of interest, and it is at a fixed place.
    """
    try:
        if answer.startswith(_SHORT_ANSWER, start):
            return Sent(_ID.unpack_from(answer, start)[0])
        whole = BinaryReader(answer[start:]).tgread_object()
    except UNREADABLE:
        return WRONG_ANSWER
    if not isinstance(whole, CHANGES):
        return WRONG_ANSWER
    return Sent(next(iter(message_ids_of(whole, [random_id])), None))


def is_of_schedule(answer: Any) -> bool:
    """Whether the ids that `answer` tells are of Telegram's schedule, and not of messages.

    https://core.telegram.org/api/scheduled-messages
    """
    return any(
        isinstance(update, types.UpdateNewScheduledMessage)
        for update in getattr(answer, "updates", ())
    )
