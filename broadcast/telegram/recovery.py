"""Finds out what became of messages whose answer was lost: Telegram tells their ids again.

updateMessageID is repeated in the difference: https://core.telegram.org/api/updates
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from telethon import errors
from telethon.tl import functions, types

from broadcast.core.errors import BroadcastError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from broadcast.telegram.addresses import Call

SLICES = 1000  # of a difference that are read, at most

NOT_TOLD = (errors.RPCError, TimeoutError, BroadcastError)
"""What a request raises without that anybody has to stop: what was found until then counts."""


async def update_state(call: Call) -> str | None:
    """Where the account's updates stand now; None when Telegram does not tell."""
    try:
        return _packed(await call(functions.updates.GetStateRequest()))
    except NOT_TOLD:
        return None


async def read_difference(
    call: Call, since: str, wanted: Collection[int], found: Callable[[int, int], None]
) -> None:
    """Tell `found` each random_id of `wanted`, and the id of its message, since an update state.

    Raises what `call` raises, after what it was told until then.
    """
    for _ in range(SLICES):
        pts, qts, date = (int(part) for part in since.split())
        answer = await call(
            functions.updates.GetDifferenceRequest(
                pts=pts, date=datetime.fromtimestamp(date, UTC), qts=qts
            )
        )
        for update in getattr(answer, "other_updates", ()):
            if isinstance(update, types.UpdateMessageID) and update.random_id in wanted:
                found(update.random_id, update.id)
        if not isinstance(answer, types.updates.DifferenceSlice):
            return
        since = _packed(answer.intermediate_state)


def _packed(state: Any) -> str:
    return f"{state.pts} {state.qts} {int(state.date.timestamp())}"
