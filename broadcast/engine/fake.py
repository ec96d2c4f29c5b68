"""A transport without a network, for tests and rehearsals of programs that use this library."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from broadcast.core.ids import random_id
from broadcast.core.model import Deferred, Outcome, Sent
from broadcast.core.peers import parse_peer
from broadcast.engine.ports import Transport
from broadcast.message.placeholders import fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from broadcast.core.model import Delivery


class Delivered(NamedTuple):
    """A message that has arrived."""

    peer: str
    text: str
    message_id: int
    random_id: int


class FakeTransport(Transport):
    """Answers from a script, and drops repeated messages as Telegram does.

    `script` maps a peer, in any spelling, to the outcomes of its first attempts, in order; after
    them, and for everybody else, the message arrives. A `Deferred` with `reached=False` is a lost
    answer: the message *has* arrived, as it may with Telegram.

    `delivered` holds what arrived, each message once; `attempts` the peers in order of trying.
    """

    def __init__(self, script: Mapping[str, Outcome | Iterable[Outcome]] | None = None) -> None:
        self.delivered: list[Delivered] = []
        self.attempts: list[str] = []
        self._ids: dict[int, int] = {}
        self._script = {
            parse_peer(peer).key: iter([outcomes] if isinstance(outcomes, Outcome) else outcomes)
            for peer, outcomes in (script or {}).items()
        }

    async def send(self, delivery: Delivery) -> Outcome:
        peer = delivery.contact.peer
        self.attempts.append(peer.text)
        outcome = next(self._script.get(peer.key, iter(())), None)
        if outcome is None:
            return Sent(self._deliver(delivery))
        has_arrived = isinstance(outcome, Deferred) and not outcome.reached
        if isinstance(outcome, Sent) or has_arrived:
            self._deliver(delivery)
        return outcome

    def _deliver(self, delivery: Delivery) -> int:
        peer = delivery.contact.peer
        number = random_id(delivery.broadcast, 1, peer.key, delivery.part)  # as one account
        if number not in self._ids:
            self._ids[number] = len(self._ids) + 1
            text = fill(delivery.message.text, delivery.message.values)
            self.delivered.append(Delivered(peer.text, text, self._ids[number], number))
        return self._ids[number]
