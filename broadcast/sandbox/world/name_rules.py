"""Refuses messages to those whose name says so (people/behaviour.py)."""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from broadcast.sandbox.people import behaviour
from broadcast.sandbox.world.original_posts import log_of
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_log import MessageLog
    from broadcast.sandbox.memory.state import State

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
    if state.rule_of(peer) is not behaviour.NOMEDIA:
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
    if rule is None or error is None or rule is behaviour.BOT:
        return
    if rule is behaviour.SLOWMODE:
        _slow_down(account, log_of(state, account, peer), now)
    elif rule is behaviour.PAID and (stars or 0) >= behaviour.PAID_STARS * count:
        return
    elif not rule.once or state.fails_first(account, peer):
        raise RpcError(*error)


def _slow_down(account: Account, log: MessageLog, now: float) -> None:
    last = next(log.newest_first(account.id), None)
    if last is not None:
        left = log.dates[last - 1] + behaviour.SLOWMODE_SECONDS - now
        if left > 0:
            raise RpcError(420, f"SLOWMODE_WAIT_{ceil(left)}")
