"""What every transport promises the engine: the `Transport` port of engine/ports.py.

The peers are named so that the sandbox treats them as it should (docs/sandbox.md); the fake is
told to do the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pytest

from broadcast.core.clock import SystemClock
from broadcast.core.model import (
    Contact,
    Deferred,
    Delivery,
    Failed,
    Halted,
    Message,
    Outcome,
    Scope,
    Sent,
)
from broadcast.core.peers import parse_peer
from broadcast.engine.fake import FakeTransport
from broadcast.sandbox.inbox import read_inbox
from broadcast.sandbox.limits import Limits
from broadcast.sandbox_app import open_sandbox
from broadcast.settings import Settings
from broadcast.telegram.sender import TelethonTransport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from broadcast.engine.ports import Transport

    Opening = Callable[..., AbstractAsyncContextManager["Stage"]]

FAILURES = {
    "@blocked_bruno": "USER_IS_BLOCKED",
    "@deactivated_dana": "INPUT_USER_DEACTIVATED",
    "@private_pia": "USER_PRIVACY_RESTRICTED",
    "@unknown_uma": "USERNAME_NOT_OCCUPIED",
    "@premium_pablo": "PRIVACY_PREMIUM_REQUIRED",
    "@paid_paula": "ALLOW_PAYMENT_REQUIRED",
    "@private_channel": "CHANNEL_PRIVATE",
    "@readonly_news": "CHAT_WRITE_FORBIDDEN",
    "+34600009404": "PHONE_NOT_OCCUPIED",
    "https://t.me/+expired-party": "INVITE_HASH_EXPIRED",
}
FLOOD, SLOW, BUSY, LIMITED = "@flood_fay", "@slowmode_sven", "@busy_bela", "@peerflood_petra"
SCRIPT: dict[str, Outcome | list[Outcome]] = {
    **{peer: Failed(error, "as the sandbox says") for peer, error in FAILURES.items()},
    FLOOD: Deferred("FLOOD_WAIT", "Telegram asks to wait", 3.0, Scope.ACCOUNT),
    SLOW: [Sent(1), Deferred("SLOWMODE_WAIT", "slow mode", 10.0)],
    BUSY: Deferred("WORKER_BUSY_TOO_LONG_RETRY", "Telegram is busy"),
    LIMITED: Halted("PEER_FLOOD", "limited"),
}
FRIENDS = ("@ana", "@bobo", "@carla")
EVERYBODY = (*FRIENDS, *SCRIPT, "@id_700000001", "700000001", "+34600000002", "@carla_channel")


class Stage(Protocol):
    """A transport, and a look at what has arrived."""

    transport: Transport

    def arrived(self) -> list[str]:
        """The text of every message."""
        ...


@dataclass
class FakeStage:
    transport: FakeTransport

    def arrived(self) -> list[str]:
        return [message.text for message in self.transport.delivered]


@dataclass
class SandboxStage:
    settings: Settings
    transport: Transport = field(init=False)

    def arrived(self) -> list[str]:
        return [row.text for row in read_inbox(self.settings.sandbox_home, SystemClock())]


@asynccontextmanager
async def fake(_home: Path) -> AsyncGenerator[Stage]:
    yield FakeStage(FakeTransport(SCRIPT))


@asynccontextmanager
async def telethon(home: Path) -> AsyncGenerator[Stage]:
    """The real client, and the sandbox at the other end of a TCP connection."""
    stage = SandboxStage(Settings(home=home, config_dir=home))
    contacts = [Contact(parse_peer(peer)) for peer in EVERYBODY]
    async with open_sandbox(contacts, stage.settings, limits=Limits.none()) as stage.transport:
        yield stage


# Every transport is a line here: a function that opens one, for the peers of this page.
TRANSPORTS = {
    "fake": fake,
    "telethon": telethon,
}


@pytest.fixture(params=TRANSPORTS.values(), ids=TRANSPORTS)
def opening(request: pytest.FixtureRequest) -> Opening:
    return request.param


def delivery(peer: str, broadcast: str = "b1", text: str = "I bought a car!") -> Delivery:
    return Delivery(broadcast, 0, Contact(parse_peer(peer)), Message(text))


async def test_a_message_arrives_and_has_an_id(opening: Opening, tmp_path: Path) -> None:
    async with opening(tmp_path) as stage:
        outcome = await stage.transport.send(delivery("@ana"))
        assert isinstance(outcome, Sent)
        assert outcome.message_id is not None
        assert stage.arrived() == ["I bought a car!"]


@pytest.mark.parametrize("peer", ["@ana", "+34600000002", "@carla_channel"])
async def test_a_delivery_that_is_sent_twice_arrives_once(
    opening: Opening, tmp_path: Path, peer: str
) -> None:
    async with opening(tmp_path) as stage:
        first = await stage.transport.send(delivery(peer))
        again = await stage.transport.send(delivery(peer))
        assert isinstance(first, Sent)
        assert again == first  # the very same message
        assert len(stage.arrived()) == 1


async def test_a_delivery_that_is_sent_at_the_same_moment_arrives_once(
    opening: Opening, tmp_path: Path
) -> None:
    async with opening(tmp_path) as stage, asyncio.TaskGroup() as group:
        tasks = [group.create_task(stage.transport.send(delivery("@ana"))) for _ in range(10)]
    assert {type(task.result()) for task in tasks} <= {Sent, Deferred}
    assert len(stage.arrived()) == 1


async def test_another_broadcast_is_another_message(opening: Opening, tmp_path: Path) -> None:
    async with opening(tmp_path) as stage:
        one = await stage.transport.send(delivery("@ana", "b1"))
        two = await stage.transport.send(delivery("@ana", "b2"))
        assert isinstance(one, Sent)
        assert isinstance(two, Sent)
        assert one != two
        assert len(stage.arrived()) == 2


async def test_friends_get_their_messages_side_by_side(opening: Opening, tmp_path: Path) -> None:
    async with opening(tmp_path) as stage:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(stage.transport.send(delivery(peer, text=f"Hi {peer}")))
                for peer in FRIENDS
            ]
        assert all(isinstance(task.result(), Sent) for task in tasks)
        assert Counter(stage.arrived()) == Counter(f"Hi {peer}" for peer in FRIENDS)


@pytest.mark.parametrize(("peer", "error"), FAILURES.items(), ids=FAILURES)
async def test_a_failure_has_telegrams_error_and_a_reason(
    opening: Opening, tmp_path: Path, peer: str, error: str
) -> None:
    async with opening(tmp_path) as stage:
        outcome = await stage.transport.send(delivery(peer))
        assert isinstance(outcome, Failed)
        assert outcome.error == error
        assert outcome.reason
        assert not stage.arrived()
        assert isinstance(await stage.transport.send(delivery("@ana")), Sent)  # it is theirs alone


async def test_one_peer_in_two_spellings_gets_one_message(opening: Opening, tmp_path: Path) -> None:
    async with opening(tmp_path) as stage:
        for peer in ("@Ana", "https://t.me/ana", "tg://resolve?domain=ANA"):
            assert isinstance(await stage.transport.send(delivery(peer)), Sent)
        assert len(stage.arrived()) == 1


async def test_one_person_listed_under_a_name_and_an_id_gets_one_message(tmp_path: Path) -> None:
    # Only Telegram knows that they are one, so the fake cannot be asked.
    async with telethon(tmp_path) as stage:
        by_name = await stage.transport.send(delivery("@id_700000001"))
        by_id = await stage.transport.send(delivery("700000001"))
        assert isinstance(by_name, Sent)
        assert by_id == by_name
        assert len(stage.arrived()) == 1


async def test_a_flood_is_a_wait_of_the_whole_account(opening: Opening, tmp_path: Path) -> None:
    async with opening(tmp_path) as stage:
        outcome = await stage.transport.send(delivery(FLOOD))
        assert isinstance(outcome, Deferred)
        assert (outcome.scope, outcome.retry_after) == (Scope.ACCOUNT, 3.0)
        assert (outcome.error, outcome.reached) == ("FLOOD_WAIT", True)
        assert not stage.arrived()
        assert isinstance(await stage.transport.send(delivery(FLOOD)), Sent)
        assert len(stage.arrived()) == 1


async def test_slow_mode_is_a_wait_of_one_delivery(opening: Opening, tmp_path: Path) -> None:
    async with opening(tmp_path) as stage:
        assert isinstance(await stage.transport.send(delivery(SLOW, "b1")), Sent)
        outcome = await stage.transport.send(delivery(SLOW, "b2"))
        assert isinstance(outcome, Deferred)
        assert (outcome.error, outcome.scope) == ("SLOWMODE_WAIT", Scope.DELIVERY)
        assert outcome.retry_after is not None
        assert 0 < outcome.retry_after <= 10
        assert isinstance(await stage.transport.send(delivery("@ana", "b2")), Sent)


async def test_slow_mode_does_not_concern_what_has_arrived(tmp_path: Path) -> None:
    async with telethon(tmp_path) as stage:
        first = await stage.transport.send(delivery(SLOW))
        assert isinstance(first, Sent)
        assert await stage.transport.send(delivery(SLOW)) == first


async def test_trouble_at_telegram_is_tried_again_and_then_sent(
    opening: Opening, tmp_path: Path
) -> None:
    async with opening(tmp_path) as stage:
        outcome = await stage.transport.send(delivery(BUSY))
        assert isinstance(outcome, Deferred)
        assert (outcome.scope, outcome.retry_after) == (Scope.DELIVERY, None)
        assert isinstance(await stage.transport.send(delivery(BUSY)), Sent)
        assert len(stage.arrived()) == 1


async def test_a_limited_account_halts(opening: Opening, tmp_path: Path) -> None:
    async with opening(tmp_path) as stage:
        outcome = await stage.transport.send(delivery(LIMITED))
        assert isinstance(outcome, Halted)
        assert (outcome.error, outcome.resumable) == ("PEER_FLOOD", True)
        assert not stage.arrived()


async def test_saved_messages_are_a_recipient_like_any_other(
    opening: Opening, tmp_path: Path
) -> None:
    async with opening(tmp_path) as stage:
        first = await stage.transport.send(delivery("me"))
        assert isinstance(first, Sent)
        assert await stage.transport.send(delivery("me")) == first
        assert len(stage.arrived()) == 1


async def test_a_cancelled_send_is_cancelled_and_can_be_repeated(
    opening: Opening, tmp_path: Path
) -> None:
    async with opening(tmp_path) as stage:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(stage.transport.send(delivery("@ana")))
            await asyncio.sleep(0)
            task.cancel()
        assert task.cancelled() or isinstance(task.result(), Sent)
        assert isinstance(await stage.transport.send(delivery("@ana")), Sent)
        assert len(stage.arrived()) == 1


async def test_a_lost_answer_of_the_fake_is_a_message_that_has_arrived() -> None:
    lost = Deferred("NOT_CONNECTED", "no connection", reached=False)
    transport = FakeTransport({"@ana": lost})
    assert await transport.send(delivery("@ana")) == lost
    assert len(transport.delivered) == 1
    assert isinstance(await transport.send(delivery("@ana")), Sent)
    assert len(transport.delivered) == 1


async def test_the_fake_remembers_who_was_tried_and_what_arrived() -> None:
    transport = FakeTransport({"@blocked": [Failed("USER_IS_BLOCKED", "blocked")]})
    for peer in ("@Ana", "@blocked", "@Ana"):
        await transport.send(delivery(peer, text="Hi"))
    assert transport.attempts == ["@Ana", "@blocked", "@Ana"]
    assert [(message.peer, message.text) for message in transport.delivered] == [("@Ana", "Hi")]


async def test_who_was_written_to_is_no_stranger_any_more(tmp_path: Path) -> None:
    async with telethon(tmp_path) as stage:
        assert isinstance(stage.transport, TelethonTransport)
        friend, stranger = parse_peer("700000001"), parse_peer("@somebody_else")
        assert await stage.transport.strangers([friend, parse_peer("me")]) == 0
        assert await stage.transport.strangers([friend, stranger]) == 1
        assert isinstance(await stage.transport.send(delivery("@somebody_else")), Sent)
    async with telethon(tmp_path) as stage:  # it looks once in a run
        assert isinstance(stage.transport, TelethonTransport)
        assert await stage.transport.strangers([friend, stranger]) == 0
