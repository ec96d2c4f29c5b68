"""A ledger that lives as long as somebody holds it, and at most as long as its process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.ledger.sqlite.ledger import SqliteLedger

if TYPE_CHECKING:
    from broadcast.core.clock import Clock
    from broadcast.engine.pacer import Known
    from broadcast.ledger.port import Ledger


def in_memory(clock: Clock | None = None, known: Known | None = None) -> Ledger:
    """The durable ledger without its file. `known` is what is known of every account at first."""
    return SqliteLedger(None, clock=clock, known=known).__enter__()
