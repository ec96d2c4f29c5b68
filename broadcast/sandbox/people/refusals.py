"""Raises what the name of a peer decides about a message to it; it stores nothing but attempts."""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from broadcast.sandbox.people import phonebook
from broadcast.sandbox.world.values import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadcast.sandbox.world.message_log import Box
    from broadcast.sandbox.world.state import State
    from broadcast.sandbox.world.values import Account

_FORBIDDEN = {
    "photo": "CHAT_SEND_PHOTOS_FORBIDDEN",
    "video": "CHAT_SEND_VIDEOS_FORBIDDEN",
    "animation": "CHAT_SEND_GIFS_FORBIDDEN",
    "audio": "CHAT_SEND_AUDIOS_FORBIDDEN",
    "voice": "CHAT_SEND_VOICES_FORBIDDEN",
    "document": "CHAT_SEND_DOCS_FORBIDDEN",
}
"""The errors of https://core.telegram.org/method/messages.sendMedia, by the kind of a file."""


def refuse_files(state: State, peer: int, kinds: Iterable[str]) -> None:
    """Raise what the peer's name decides about files of these kinds."""
    if state.rule_of(peer) is not phonebook.NOMEDIA:
        return
    for kind in kinds:
        if peer < 0:
            raise RpcError(403, _FORBIDDEN[kind])
        if kind == "voice":
            raise RpcError(403, "VOICE_MESSAGES_FORBIDDEN")


def refuse(
    state: State, account: Account, peer: int, now: float, *, stars: int | None, count: int = 1
) -> None:
    """Raise what the peer's name decides about `count` messages, for which `stars` are offered."""
    rule = state.rule_of(peer)
    if account.is_bot and peer > 0 and state.is_bot(peer):
        raise RpcError(400, "USER_IS_BOT")
    error = rule and (rule.user if peer > 0 else rule.chat)
    if rule is None or error is None or rule is phonebook.BOT:
        return
    if rule is phonebook.SLOWMODE:
        _slow_down(account, state.box_of(account, peer), now)
    elif rule is phonebook.PAID and (stars or 0) >= phonebook.PAID_STARS * count:
        return
    elif not rule.once or state.trip(account, peer):
        raise RpcError(*error)


def _slow_down(account: Account, box: Box, now: float) -> None:
    last = next(box.newest_first(account.id), None)
    if last is not None:
        left = box.dates[last - 1] + phonebook.SLOWMODE_SECONDS - now
        if left > 0:
            raise RpcError(420, f"SLOWMODE_WAIT_{ceil(left)}")
