"""Answers whether the process that holds a broadcast is at work; it takes no lease."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from broadcast.ledger.process import LEASE, is_dead, shares_clock
from broadcast.ledger.sqlite.rows import milliseconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from broadcast.core.clock import Clock

Signs = frozenset[tuple[Any, ...]]
"""Signs of life: each changes whenever the process that gave it gives another."""

_LEASE = round(LEASE.total_seconds() * 1000)


class Leases:
    """Judges the rows of the table `broadcast`."""

    def __init__(
        self, clock: Clock, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep

    def until(self) -> dict[str, int]:
        """When a lease that is taken now ends, as the ledger keeps it: on the clock of this
        machine that only goes forwards, and, for who cannot read that one, on the wall's."""
        now = milliseconds(self._clock.utc())
        return {"alive_until": self._monotonic() + _LEASE, "lease_until": now + _LEASE}

    def is_alive(self, row: Any, silent: Signs | None = None) -> bool:
        """Whether the owner of a broadcast may still be at work.

        Whoever takes over has watched the owners on other machines, and knows which are `silent`.
        To look on, or to fence one of these, the wall clocks of both decide: that is good enough.
        """
        owner = row["owner"]
        if owner is None or is_dead(owner):
            return False
        if shares_clock(owner):
            # One that ends later than a lease can is of before a restart of the machine.
            return 0 < row["alive_until"] - self._monotonic() <= _LEASE
        if silent is not None:
            return _sign(row) not in silent
        return row["lease_until"] > milliseconds(self._clock.utc())

    async def silent(self, look: Callable[[], Awaitable[Iterable[Any]]]) -> Signs:
        """The last signs of life of owners on other machines that gave none for a whole lease.

        `look` gives the rows to be judged. It takes no time where every owner is on this machine.
        """
        before = _strangers(await look())
        if not before:
            return frozenset()
        await self._sleep(LEASE.total_seconds())
        return before & _strangers(await look())

    def _monotonic(self) -> int:
        return round(self._clock.monotonic() * 1000)


def _strangers(rows: Iterable[Any]) -> Signs:
    return frozenset(
        _sign(row)
        for row in rows
        if row["owner"] is not None and not is_dead(row["owner"]) and not shares_clock(row["owner"])
    )


def _sign(row: Any) -> tuple[Any, ...]:
    return row["number"], row["epoch"], row["alive_until"], row["lease_until"]
