"""Checks a text and its formatting as Telegram does."""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from telethon.tl import types

from broadcast.sandbox.world.input_peers import address
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from broadcast.sandbox.limits.numbers import Limits
    from broadcast.sandbox.memory.member import Account

_UNSEEN = re.compile(r"[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2800\ufeff\ufffc]+")
"""TDLib counts what is nothing else as empty: `strip_empty_characters` in td/telegram/misc.cpp"""

Entities = list[types.TypeMessageEntity] | None


def written(entities: Entities) -> tuple[bytes, ...]:
    """Entities as they are kept."""
    return tuple(bytes(entity) for entity in entities) if entities else ()


def checked_text(limits: Limits, account: Account, text: str, entities: Entities) -> Entities:
    """The entities of a message without media, as they are kept.

    Raises RpcError MESSAGE_EMPTY, MESSAGE_TOO_LONG or ENTITY_BOUNDS_INVALID.
    """
    if not _UNSEEN.sub("", text):
        raise RpcError(400, "MESSAGE_EMPTY")
    if not entities and len(text) <= limits.text_length // 2:
        return None
    length = _units(text)
    if length > limits.text_length:
        raise RpcError(400, "MESSAGE_TOO_LONG")
    return _kept(limits, account, length, entities)


def checked_caption(limits: Limits, account: Account, text: str, entities: Entities) -> Entities:
    """The entities of a caption, which may be empty, as they are kept.

    Raises RpcError MEDIA_CAPTION_TOO_LONG: https://core.telegram.org/method/messages.sendMedia.
    """
    length = _units(text)
    most = limits.premium_caption_length if account.is_premium else limits.caption_length
    if length > most:
        raise RpcError(400, "MEDIA_CAPTION_TOO_LONG")
    return _kept(limits, account, length, entities)


def _units(text: str) -> int:
    """https://core.telegram.org/api/entities#entity-length."""
    return len(text.encode("utf-16-le")) // 2


def _kept(limits: Limits, account: Account, length: int, entities: Entities) -> Entities:
    kept: list[types.TypeMessageEntity] = []
    for entity in (entities or ())[: limits.entities]:
        if entity.offset < 0 or entity.length < 1 or entity.offset + entity.length > length:
            raise RpcError(400, "ENTITY_BOUNDS_INVALID")
        if isinstance(entity, types.InputMessageEntityMentionName):
            mentioned = address(account, entity.user_id)
            kept.append(types.MessageEntityMentionName(entity.offset, entity.length, mentioned))
        else:
            kept.append(entity)
    return kept or None
