from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from broadcast.core.model import Contact, Deferred, Delivery, Message, Sent
from broadcast.core.peers import parse_peer
from broadcast.engine.fake import FakeTransport
from broadcast.engine.gates import ChatGate
from tests.clocks import SetClock
from tests.gated import Gated

if TYPE_CHECKING:
    from broadcast.core.model import Outcome, Peer


def delivery(peer: str, broadcast: str = "b1") -> Delivery:
    return Delivery(broadcast, 0, Contact(parse_peer(peer)), Message("I bought a car!"))


def is_group(peer: Peer) -> bool:
    return "group" in peer.value


def chats(inner: FakeTransport, clock: SetClock, *steps: tuple[float, str]) -> list[Outcome]:
    """Send at each moment, to each peer, each time something else; give what became of it."""
    transport = Gated(ChatGate(is_group, clock), inner)
    outcomes: list[Outcome] = []
    for number, (moment, peer) in enumerate(steps):
        clock.seconds = 1000.0 + moment
        outcomes.append(asyncio.run(transport.send(delivery(peer, f"b{number}"))))
    return outcomes


def test_one_message_a_second_goes_to_a_chat_and_the_others_do_not_wait() -> None:
    inner = FakeTransport()
    first, early, other, later = chats(
        inner, SetClock(1000.0), (0.0, "@ana"), (0.4, "@ANA"), (0.4, "@bob"), (1.0, "@ana")
    )
    assert isinstance(first, Sent)
    assert isinstance(early, Deferred)
    assert (early.error, round(early.retry_after or 0, 3)) == ("CHAT_PACE", 0.6)
    assert isinstance(other, Sent)
    assert isinstance(later, Sent)
    assert inner.attempts == ["@ana", "@bob", "@ana"]  # Telegram was not asked too early


def test_a_group_gets_twenty_a_minute() -> None:
    steps = [(second, "@my_group") for second in range(61)]
    outcomes = chats(FakeTransport(), SetClock(1000.0), *steps)
    assert sum(isinstance(outcome, Sent) for outcome in outcomes) == 21  # from 0 s to 60 s


def test_who_turns_out_to_be_a_group_is_one_from_the_first_message_on() -> None:
    inner, clock = FakeTransport(), SetClock(1000.0)
    transport = Gated(ChatGate(lambda _: bool(inner.attempts), clock), inner)
    first = asyncio.run(transport.send(delivery("@friends", "b1")))
    clock.seconds += 1.0
    second = asyncio.run(transport.send(delivery("@friends", "b2")))
    assert isinstance(first, Sent)
    assert isinstance(second, Deferred)
    assert second.retry_after == 2.0


def test_slow_mode_holds_its_chat_and_no_other() -> None:
    slow = Deferred("SLOWMODE_WAIT", "this group is in slow mode", 30.0)
    inner = FakeTransport({"@my_group": slow})
    named, held, other, over = chats(
        inner,
        SetClock(1000.0),
        (0.0, "@my_group"),
        (20.0, "@my_group"),
        (20.0, "@bob"),
        (30.0, "@my_group"),
    )
    assert named == slow
    assert isinstance(held, Deferred)
    assert held.retry_after == 10.0
    assert isinstance(other, Sent)
    assert isinstance(over, Sent)


def test_the_topics_of_a_forum_are_one_group() -> None:
    slow = Deferred("SLOWMODE_WAIT", "this group is in slow mode", 30.0)
    inner = FakeTransport({"@my_group/3": slow})
    outcomes = chats(
        inner,
        SetClock(1000.0),
        (0.0, "@my_group/1"),
        (0.0, "@my_group/2"),
        (10.0, "@my_group/3"),
        (20.0, "@my_group/1"),
    )
    waits = [outcome.retry_after for outcome in outcomes[1:] if isinstance(outcome, Deferred)]
    assert waits == [3.0, 30.0, 20.0]


def test_no_wait_is_shorter_than_what_a_ledger_can_keep() -> None:
    """It would be due again at once, and in a rehearsal for ever."""
    outcomes = chats(FakeTransport(), SetClock(1000.0), (0.0, "@ana"), (0.999_999_7, "@ana"))
    assert isinstance(outcomes[1], Deferred)
    assert outcomes[1].retry_after == 0.001
