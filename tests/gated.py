"""A transport behind one gate, as the engine has it, for tests of the gate alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from broadcast.core.model import Delivery, Outcome

if TYPE_CHECKING:
    from broadcast.engine.ports import Gate


class Sender(Protocol):
    async def send(self, delivery: Delivery) -> Outcome: ...


G = TypeVar("G", bound="Gate")


class Gated(Generic[G]):
    """Sends through `gate` to `transport`."""

    def __init__(self, gate: G, transport: Sender) -> None:
        self.gate, self._transport = gate, transport

    async def send(self, delivery: Delivery) -> Outcome:
        made = self.gate.before(delivery)
        if not isinstance(made, Delivery):
            return made
        return self.gate.after(delivery, await self._transport.send(made))
