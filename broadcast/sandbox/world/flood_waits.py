"""Refuses what comes too fast, and who writes to too many strangers; it sends nothing.

The numbers are those of limits/numbers.py; limits/token_buckets.py counts.
"""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.sandbox.people.phonebook import Kind
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.state import State


def pace(
    state: State,
    account: Account,
    now: float,
    *,
    chat: int | None = None,
    skips_floods: bool = False,
    count: int = 1,
) -> int:
    """Let `count` messages of the account pass. Returns how many must be paid for once sent.

    All of an album pass when one of them may; the next wait is longer by that (ours).
    `chat` is where new messages go; edits and repeats count for the account alone. With
    `skips_floods` a bot passes above its free rate, if it can pay. Raises FLOOD_WAIT_x, or
    FLOOD_SKIP_FAILED_WAIT_x when it cannot. Telegram has no other error for a chat; here that wait
    is the chat's, because https://core.telegram.org/api/errors speaks of "the given method with the
    given input parameters", and the account may go on elsewhere.
    """
    is_paid = _take_of_account(state, account, now, count, skips_floods=skips_floods)
    if chat is not None:
        _take_of_chat(state, account, chat, now, count)
    return count if is_paid else 0


def _take_of_account(
    state: State, account: Account, now: float, count: int, *, skips_floods: bool
) -> bool:
    """Count against the account's rate, or else against the paid one; whether it must be paid."""
    traffic, limits = state.traffic, state.limits
    own = traffic.bots if account.is_bot else traffic.people
    if own.take(account.id, now, count):
        return False
    if not (skips_floods and account.is_bot):
        raise RpcError(420, f"FLOOD_WAIT_{own.wait(account.id, now)}")
    price = count * limits.paid_stars_per_message
    if account.stars_spent + price > limits.stars:
        raise RpcError(420, f"FLOOD_SKIP_FAILED_WAIT_{own.wait(account.id, now)}")
    if not traffic.paid.take(account.id, now, count):
        raise RpcError(420, f"FLOOD_WAIT_{traffic.paid.wait(account.id, now)}")
    return True


def _take_of_chat(state: State, account: Account, chat: int, now: float, count: int) -> None:
    is_group = chat < 0 and state.entry(chat).kind is not Kind.CHANNEL
    rates = state.traffic.groups if is_group else state.traffic.chats
    key = account.id, chat
    if not rates.take(key, now, count):
        raise RpcError(420, f"FLOOD_WAIT_{rates.wait(key, now)}")


def is_new_stranger(state: State, account: Account, peer: int, now: float) -> bool:
    """Whether a message to this peer would be the person's first to somebody not in the contacts.

    Nobody answers in the sandbox, so a stranger stays one. Raises PEER_FLOOD when there have been
    too many of them.
    """
    limits = state.limits
    if account.is_bot or limits.strangers is None or not _is_stranger(state, account, peer):
        return False
    since = now - limits.strangers_seconds
    if sum(met > since for met in account.strangers.values()) >= limits.strangers:
        raise RpcError(400, "PEER_FLOOD")
    return True


def _is_stranger(state: State, account: Account, peer: int) -> bool:
    return (
        peer > 0
        and peer != account.id
        and peer not in account.strangers  # written to before
        and peer not in account.contacts
        and peer not in state.contact_list()
        and not state.is_bot(peer)
    )
