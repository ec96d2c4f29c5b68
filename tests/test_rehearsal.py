from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from broadcast.rehearsal import Rehearsal, rehearse
from telethon import errors

from broadcast.app import Options
from broadcast.core.errors import InputError
from broadcast.core.model import Button, Delivery, Failed, Message, Outcome, Sent, Status
from broadcast.people.lists import contact
from broadcast.sandbox import in_process as direct
from broadcast.sandbox.in_process import ROUND_TRIP, DirectClient
from broadcast.sandbox.limits import Limits
from broadcast.sandbox.virtual_time import VirtualLoop
from tests import virtual

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from telethon.tl import TLRequest

    from broadcast.core.model import Contact

MESSAGE = Message("**I bought a car!**")


def people(count: int) -> list[Contact]:
    return [contact(str(5_000_000_000 + number)) for number in range(count)]


def by_bot(audience: Sequence[Contact], **given: Any) -> Rehearsal:
    options = given.pop("options", Options())
    return rehearse(MESSAGE, audience, options, is_bot=True, starts_at=virtual.START, **given)


def by_person(audience: Sequence[Contact], **given: Any) -> Rehearsal:
    options = given.pop("options", Options())
    return rehearse(MESSAGE, audience, options, is_bot=False, starts_at=virtual.START, **given)


def outcomes(rehearsal: Rehearsal) -> list[Outcome | None]:
    return [record.outcome for record in rehearsal.report.records()]


# -- what it says --


def test_what_the_account_cannot_send_is_refused_as_in_the_real_run() -> None:
    message = Message("x", buttons=((Button("A", "https://a.b"),),))
    for is_bot in (False, True):
        told = nullcontext() if is_bot else pytest.raises(InputError, match="buttons are for bots")
        with told:
            rehearse(message, people(1), Options(), is_bot=is_bot, starts_at=virtual.START)


def test_the_time_is_what_the_rate_takes() -> None:
    rehearsal = by_bot(people(3000))
    assert rehearsal.report.counts.sent == 3000
    assert rehearsal.report.seconds == pytest.approx((3000 - 30) / 30, rel=0.02)
    assert rehearsal.floods <= 10  # it looks for the limit, which it does not know
    stated = by_bot(people(3000), options=Options(rate=30.0))
    assert stated.report.seconds == pytest.approx(3000 / 30, rel=0.02)
    assert stated.floods == 0
    assert rehearsal.report.halted is None


def test_an_answer_takes_a_round_trip() -> None:
    rehearsal = by_bot(people(3), options=Options(rate=0.0, concurrency=1))
    assert 3 * ROUND_TRIP <= rehearsal.report.seconds < 3 * ROUND_TRIP + 1


def test_the_broadcast_happens_at_the_time_it_starts() -> None:
    (record,) = by_bot(people(1)).report.records()
    assert record.at is not None
    assert timedelta(0) < record.at - virtual.START < timedelta(seconds=1)


def test_who_would_fail_is_named_with_the_reason() -> None:
    audience = [contact("@ana"), contact("@blocked_bruno"), contact("@unknown_ursula")]
    rehearsal = by_bot(audience)
    records = list(rehearsal.report.records())
    assert [record.status for record in records] == [Status.SENT, Status.FAILED, Status.FAILED]
    blocked, unknown = records[1].outcome, records[2].outcome
    assert isinstance(blocked, Failed)
    assert blocked.error == "USER_IS_BLOCKED"
    assert blocked.reason
    assert isinstance(unknown, Failed)
    assert unknown.error == "USERNAME_NOT_OCCUPIED"


def test_a_person_reaches_contacts_however_they_are_written() -> None:
    audience = [contact("@ana"), contact("+34600123456"), contact("5000000001"), contact("me")]
    rehearsal = by_person(audience)
    assert all(isinstance(outcome, Sent) for outcome in outcomes(rehearsal))


def test_a_person_may_write_to_more_contacts_than_strangers() -> None:
    rehearsal = by_person(people(60))
    assert rehearsal.report.counts.sent == 60
    assert rehearsal.report.halted is None


def test_floods_are_counted_and_waited_for() -> None:
    fast = by_bot(people(100), options=Options(rate=0.0))
    free = by_bot(people(100), options=Options(rate=0.0), limits=Limits.none())
    assert fast.floods > 0
    assert free.floods == 0
    assert fast.report.counts.sent == free.report.counts.sent == 100
    assert fast.report.seconds > 2 > free.report.seconds


def test_a_person_listed_twice_gets_one_message() -> None:
    rehearsal = by_bot([contact("123456789"), contact("@id_123456789"), contact("123456788")])
    first, again, other = outcomes(rehearsal)
    assert isinstance(first, Sent)
    assert first == again
    assert first != other


def test_the_same_arguments_give_the_same_rehearsal() -> None:
    audience = [*people(200), contact("@flood_flora"), contact("@blocked_bruno"), *people(10)]
    first, second = (by_bot(audience, options=Options(rate=0.0)) for _ in range(2))
    assert list(first.report.records()) == list(second.report.records())
    assert first.report.seconds == second.report.seconds
    assert first.floods == second.floods > 0


def test_only_the_first_are_rehearsed_when_that_is_asked_for() -> None:
    assert by_bot(people(10), options=Options(first=4)).report.counts.total == 4


# -- where it stops --


@pytest.mark.parametrize(
    ("audience", "given", "error"),
    [
        pytest.param(
            [*people(20), contact("@peerflood_pia"), *people(500)],
            {},
            "PEER_FLOOD",
            id="peer flood",
        ),
        pytest.param(
            [*(contact(f"@blocked_{number}") for number in range(30)), *people(100)],
            {},
            "TOO_MANY_FAILURES",
            id="breaker",
        ),
        pytest.param(
            people(50),
            {"limits": Limits(bot_messages_per_second=0.001, bot_burst=3)},
            "WAIT_TOO_LONG",
            id="long wait",
        ),
    ],
)
def test_it_stops_where_the_broadcast_would(
    audience: list[Contact], given: dict[str, Any], error: str
) -> None:
    rehearsal = by_bot(audience, **given)
    assert rehearsal.report.halted is not None
    assert rehearsal.report.halted.error == error
    assert rehearsal.report.counts.pending > 0


@pytest.mark.parametrize("burst", [1, 5])
def test_nobody_knocks_while_everybody_waits(monkeypatch: pytest.MonkeyPatch, burst: int) -> None:
    """A look-up takes an answer's time, in which a flood may come: nothing is sent after that."""
    held_until, knocks, asked = 0.0, list[float](), []
    ask = DirectClient.call

    async def noting(client: DirectClient, request: TLRequest) -> Any:
        nonlocal held_until
        now = asyncio.get_running_loop().time()
        if type(request).__name__ == "InvokeWithoutUpdatesRequest" or "Send" in repr(type(request)):
            asked.append(now)
            if now < held_until:
                knocks.append(now)
        try:
            return await ask(client, request)
        except errors.FloodWaitError as flood:
            held_until = max(held_until, asyncio.get_running_loop().time() + flood.seconds)
            raise

    monkeypatch.setattr(direct, "ROUND_TRIP", 0.7)
    monkeypatch.setattr(DirectClient, "call", noting)
    limits = Limits(bot_messages_per_second=0.5, bot_burst=burst)
    rehearsal = by_bot([contact(f"@u{number:05}x") for number in range(60)], limits=limits)
    assert rehearsal.floods > 0
    assert len(asked) >= 60
    assert knocks == []


# -- what it would cost --


def test_a_paid_rehearsal_says_what_it_would_cost() -> None:
    rehearsal = by_bot(people(2000), options=Options(budget=1000))
    free = by_bot(people(2000))
    assert rehearsal.report.counts.sent == 2000
    assert rehearsal.report.seconds < free.report.seconds / 2
    assert 0 < rehearsal.stars <= rehearsal.report.paid * Decimal("0.1")
    assert free.stars == free.report.paid == 0


def test_a_paid_rehearsal_stops_when_its_budget_is_spent() -> None:
    rehearsal = by_bot(people(2000), options=Options(budget=5))
    assert rehearsal.report.halted is not None
    assert rehearsal.report.halted.error == "BUDGET_SPENT"
    assert rehearsal.report.paid == 50
    assert rehearsal.stars <= 5


def test_a_person_cannot_pay() -> None:
    with pytest.raises(InputError, match="bots"):
        by_person(people(1), options=Options(budget=5))


# -- what it leaves alone --

_touched: list[tuple[str, object]] | None = None  # an audit hook cannot be taken away again


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _touched is None:
        return
    is_writing = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if is_writing or event in {"sqlite3.connect", "os.mkdir", "socket.connect", "socket.bind"}:
        _touched.append((event, arguments[0]))


def test_nothing_is_written_and_no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    by_person([contact("@ana")])  # imports what it needs, which may write compiled modules
    sys.addaudithook(_note)
    monkeypatch.setattr(sys.modules[__name__], "_touched", touched := [])
    by_person([contact("@ana"), contact("@blocked_bruno"), *people(5)])
    by_bot([contact("@ana"), *people(50)])
    assert touched == []


# -- how it ends early --


@dataclass
class Interrupter:
    """Presses Ctrl-C after the first settlement."""

    settlements: list[Delivery] = field(default_factory=list[Delivery])

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        if not self.settlements:
            signal.raise_signal(signal.SIGINT)
        self.settlements.append(delivery)

    def held(self, seconds: float, reason: str) -> None:
        raise AssertionError(reason)


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """Whoever starts the tests in the background of a shell has them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_ends_a_rehearsal_at_once() -> None:
    watcher = Interrupter()
    with pytest.raises(KeyboardInterrupt):
        by_bot(people(1000), watcher=watcher)
    assert len(watcher.settlements) < 50


# -- the virtual loop --


def test_a_virtual_loop_hears_signals() -> None:
    async def sleep_until_told() -> bool:
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told.set)
        signal.raise_signal(signal.SIGUSR1)
        for _ in range(1000):
            await asyncio.sleep(3600)
            if told.is_set():
                return True
        return False

    assert virtual.run(sleep_until_told())


def test_a_virtual_loop_says_so_when_nothing_can_happen_any_more() -> None:
    loop = VirtualLoop(virtual.START)
    with pytest.raises(AssertionError, match="deadlock"):
        loop.run_until_complete(loop.create_future())
    loop.close()


def test_real_ids_that_end_in_the_digits_of_a_rule_are_like_any_other() -> None:
    audience = [contact(str(5_000_009_401 + rule)) for rule in range(13) if rule != 3]
    assert by_bot(audience).report.counts.sent == 12
    assert by_person([contact("@blocked_bruno")]).report.counts.failed == 1
