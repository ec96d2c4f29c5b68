"""What Telegram's answers say about the messages that were made; it asks nothing."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from telethon.extensions import BinaryReader
from telethon.tl import types

from broadcast.telegram.errors import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

# An UpdateShortSentMessage begins with its constructor, its flags and the id of the message.
_SHORT_ANSWER = struct.pack("<I", types.UpdateShortSentMessage.CONSTRUCTOR_ID)
_ID = struct.Struct("<8xi")


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


def message_id_in(answer: bytes, random_id: int, start: int = 0) -> int | None:
    """The id of the message that `random_id` made, in a serialised answer; None: it is not told.

    An answer that Telethon cannot read is no error, so the message was accepted. Of a short answer
    only the id is of interest, and it is at a fixed place.
    """
    try:
        if answer.startswith(_SHORT_ANSWER, start):
            return _ID.unpack_from(answer, start)[0]
        whole = BinaryReader(answer[start:]).tgread_object()
    except UNREADABLE:
        return None
    return next(iter(message_ids_of(whole, [random_id])), None)


def is_of_schedule(answer: Any) -> bool:
    """Whether the ids that `answer` tells are of Telegram's schedule, and not of messages.

    https://core.telegram.org/api/scheduled-messages
    """
    return any(
        isinstance(update, types.UpdateNewScheduledMessage)
        for update in getattr(answer, "updates", ())
    )
